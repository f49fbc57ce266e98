//! Row by row.

use super::Piece;
use crate::simd::dispatch;

pub(super) fn stitch(tile: &[f32], width: usize, piece: &Piece<&[f32]>, map: &mut [f32], map_width: usize) {
    let (window, (x, y)) = (piece.window, piece.at);
    if window.width == 0 {
        return;
    }
    let rows = tile.chunks_exact(width).skip(window.y).map(|row| &row[window.x..][..window.width]);
    let places = map.chunks_exact_mut(map_width).skip(y).map(|row| &mut row[x..][..window.width]);
    for ((seen, place), weight) in rows.zip(places).zip(piece.rows) {
        dispatch(
            #[inline(always)]
            || {
                for ((place, seen), column) in place.iter_mut().zip(seen).zip(piece.columns) {
                    *place += weight * column * seen;
                }
            },
        );
    }
}
