//! Pixel by pixel of the map, in f64.

use super::Piece;

pub(super) fn stitch(tile: &[f32], width: usize, piece: &Piece<&[f32]>, map: &mut [f32], map_width: usize) {
    let (x, y) = piece.at;
    for (at, value) in map.iter_mut().enumerate() {
        let (column, row) = ((at % map_width).wrapping_sub(x), (at / map_width).wrapping_sub(y));
        if row < piece.rows.len() && column < piece.columns.len() {
            let weight = f64::from(piece.rows[row]) * f64::from(piece.columns[column]);
            let seen = tile[(piece.window.y + row) * width + piece.window.x + column];
            *value = (f64::from(*value) + weight * f64::from(seen)) as f32;
        }
    }
}
