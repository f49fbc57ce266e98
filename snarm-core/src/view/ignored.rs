//! A mask as the tokens and the anomaly map of one frame geometry see it.

use snarm_kernels::Grid;
use snarm_kernels::gather::gather;
use snarm_kernels::scale_columns::scale_columns;
use snarm_kernels::stitch::stitch;

use super::mask::IgnoreMask;
use super::mosaic::Mosaic;
use super::rect::Rect;
use crate::error::{Error, Result};

/// Points along each side of a token where the mask is asked.
const POINTS: usize = 8;

/// Part of a token from which it is ignored whole: what is ignored may change at will, and shows in every descriptor
/// that sees it.
const PART: f64 = 0.25;

/// Tokens that must be left: fewer have no trusted ones among them to be compared with.
const LEAST: usize = 4;

/// What is ignored of a frame: tokens of the grids of all tiles, pixels of the map.
#[derive(Debug)]
pub(crate) struct Ignored {
    tiles: Vec<Tile>,
    /// Whether each token is ignored, tile after tile.
    tokens: Vec<bool>,
    /// Whether nobody looks at each pixel of the map.
    pixels: Vec<bool>,
    /// Where tiles are left out, and what neighbours they had.
    gaps: Option<Gaps>,
}

/// What is ignored of a tile.
#[derive(Debug)]
enum Tile {
    Nothing,
    Part(Part),
    /// Fewer tokens are left than can be compared with each other.
    All,
}

/// What is ignored of a tile of which something is looked at.
#[derive(Debug)]
struct Part {
    tokens: Vec<bool>,
    /// For each token the nearest one that is looked at; itself, if it is.
    stand_ins: Vec<u32>,
    /// The same for pixels of a map; those of ignored tokens are not looked at.
    pixel_stand_ins: Vec<u32>,
}

/// Pixels of the map of which tiles that are left out have a share.
#[derive(Debug)]
struct Gaps {
    /// What the sum of the other shares is multiplied by to be whole; 0 where there is none.
    gain: Vec<f32>,
    /// For each pixel the nearest one of which another tile has a share; itself, if it is.
    stand_ins: Vec<u32>,
}

impl Ignored {
    /// For the map of `mosaic`, whose tiles cover `rects` of the frame with a grid of tokens and a map of `size` pixels each;
    /// `None` where the mask ignores nothing of them.
    ///
    /// # Errors
    /// When the mask leaves next to nothing of all tiles.
    pub(crate) fn new(
        mask: &IgnoreMask,
        mosaic: &Mosaic,
        rects: &[Rect],
        grid: Grid,
        size: Grid,
    ) -> Result<Option<Self>> {
        let mut refused = None;
        let tiles: Vec<Tile> = rects
            .iter()
            .map(|rect| match Part::new(mask, *rect, grid, size) {
                Ok(part) => part.map_or(Tile::Nothing, Tile::Part),
                Err(error) => {
                    refused.get_or_insert(error);
                    Tile::All
                }
            })
            .collect();
        match refused {
            Some(error) if tiles.iter().all(|tile| matches!(tile, Tile::All)) => return Err(error),
            _ if tiles.iter().all(|tile| matches!(tile, Tile::Nothing)) => return Ok(None),
            _ => {}
        }
        let tokens = tiles.iter().flat_map(|tile| match tile {
            Tile::Nothing => vec![false; grid.cells()],
            Tile::Part(part) => part.tokens.clone(),
            Tile::All => vec![true; grid.cells()],
        });
        let tokens = tokens.collect();
        let mut pixels: Vec<bool> = mask.on_map(mosaic.size(), mosaic.rect()).collect();
        let gaps = Gaps::new(&tiles, mosaic, size)?;
        if let Some(gaps) = &gaps {
            pixels.iter_mut().zip(&gaps.gain).for_each(|(ignored, gain)| *ignored |= *gain == 0.0);
        }
        Ok(Some(Self { tiles, tokens, pixels, gaps }))
    }

    /// Whether each token is ignored, tile after tile.
    pub(crate) fn tokens(&self) -> &[bool] {
        &self.tokens
    }

    /// Whether each token of a tile is ignored; empty where none is. Nothing of a tile that is left out.
    pub(crate) fn of_tile(&self, tile: usize) -> Option<&[bool]> {
        match &self.tiles[tile] {
            Tile::Nothing => Some(&[]),
            Tile::Part(part) => Some(&part.tokens),
            Tile::All => None,
        }
    }

    /// The scores of a tile, those of ignored tokens, or of pixels where they are those of a map, as those of the nearest one
    /// that is looked at, so that smoothing neither carries an ignored score over the edge nor dims what lies beside it.
    pub(crate) fn stand_in<'a>(
        &self,
        tile: usize,
        scores: &'a [f32],
        filled: &'a mut Vec<f32>,
    ) -> Result<&'a [f32]> {
        let Tile::Part(part) = &self.tiles[tile] else { return Ok(scores) };
        let stand_ins = [&part.stand_ins, &part.pixel_stand_ins];
        let Some(stand_ins) = stand_ins.into_iter().find(|stand_ins| stand_ins.len() == scores.len()) else {
            return Ok(scores);
        };
        filled.resize(scores.len(), 0.0);
        gather(scores, 1, stand_ins, &mut *filled)?;
        Ok(filled)
    }

    /// Gives pixels of tiles that are left out the score of the nearest one that is not, in a map that was stitched without
    /// them.
    pub(crate) fn fill_gaps(&self, map: &mut Vec<f32>, filled: &mut Vec<f32>) -> Result<()> {
        let Some(gaps) = &self.gaps else { return Ok(()) };
        scale_columns(&mut *map, &gaps.gain)?;
        filled.resize(map.len(), 0.0);
        gather(&*map, 1, &gaps.stand_ins, &mut *filled)?;
        std::mem::swap(map, filled);
        Ok(())
    }

    /// Whether each pixel of the map is ignored.
    pub(crate) fn pixels(&self) -> &[bool] {
        &self.pixels
    }
}

impl Part {
    /// For a map of `size` pixels and a grid of tokens that cover `rect` of the frame; `None` where the mask ignores
    /// nothing of it.
    fn new(mask: &IgnoreMask, rect: Rect, grid: Grid, size: Grid) -> Result<Option<Self>> {
        let Grid { rows, columns } = grid;
        let tokens: Vec<bool> = (0..grid.cells())
            .map(|token| {
                let at = |cell: usize, i: usize, n: usize| {
                    ((cell * POINTS + i) as f64 + 0.5) / (n * POINTS) as f64
                };
                let hit = |i: &usize| {
                    let x = at(token % columns, i % POINTS, columns);
                    let y = at(token / columns, i / POINTS, rows);
                    mask.covers(rect.x + x * rect.w, rect.y + y * rect.h)
                };
                (0..POINTS * POINTS).filter(hit).count() as f64 >= PART * (POINTS * POINTS) as f64
            })
            .collect();
        let pixels: Vec<bool> = mask.on_map(size, rect).collect();
        if !tokens.contains(&true) && !pixels.contains(&true) {
            return Ok(None);
        }
        let left = tokens.iter().filter(|ignored| !**ignored).count();
        if left < LEAST {
            return Err(Error::NothingToSee { needed: LEAST, patches: tokens.len(), left });
        }
        let stand_ins = nearest_seen(&tokens, columns);
        let token_of = |pixel: usize| {
            let (y, x) = (pixel / size.columns, pixel % size.columns);
            y * rows / size.rows * columns + x * columns / size.columns
        };
        let unseen: Vec<bool> =
            pixels.iter().enumerate().map(|(pixel, ignored)| *ignored || tokens[token_of(pixel)]).collect();
        if !unseen.contains(&false) {
            let (expected, found) = ("a pixel that is not ignored".into(), "none".into());
            return Err(Error::Setting { name: "ignore mask", expected, found });
        }
        let pixel_stand_ins = nearest_seen(&unseen, size.columns);
        Ok(Some(Self { tokens, stand_ins, pixel_stand_ins }))
    }
}

impl Gaps {
    /// What is missing of a map without the tiles that are left out; `None` where there are none.
    fn new(tiles: &[Tile], mosaic: &Mosaic, size: Grid) -> Result<Option<Self>> {
        let is_seen = |tile: &usize| !matches!(tiles[*tile], Tile::All);
        if (0..tiles.len()).all(|tile| is_seen(&tile)) {
            return Ok(None);
        }
        let columns = mosaic.size().columns;
        let (ones, mut shares) = (vec![1.0; size.cells()], vec![0.0; mosaic.size().cells()]);
        for tile in (0..tiles.len()).filter(is_seen) {
            stitch(&ones, size.columns, mosaic.piece(tile), &mut shares, columns)?;
        }
        let unseen: Vec<bool> = shares.iter().map(|share| *share <= 0.0).collect();
        let stand_ins = nearest_seen(&unseen, columns);
        let gain = shares.into_iter().map(|share| if share > 0.0 { 1.0 / share } else { 0.0 }).collect();
        Ok(Some(Self { gain, stand_ins }))
    }
}

/// For each token the nearest that is seen, in steps along rows and columns; of several the first that is reached.
fn nearest_seen(ignored: &[bool], columns: usize) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut nearest: Vec<u32> =
        (0..).zip(ignored).map(|(i, ignored)| if *ignored { NONE } else { i }).collect();
    let mut queue: std::collections::VecDeque<usize> =
        (0..ignored.len()).filter(|token| !ignored[*token]).collect();
    while let Some(token) = queue.pop_front() {
        let (x, y, rows) = (token % columns, token / columns, ignored.len() / columns);
        let sides = [
            (y > 0).then(|| token - columns),
            (x > 0).then(|| token - 1),
            (x + 1 < columns).then(|| token + 1),
            (y + 1 < rows).then(|| token + columns),
        ];
        for side in sides.into_iter().flatten() {
            if nearest[side] == NONE {
                nearest[side] = nearest[token];
                queue.push_back(side);
            }
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use snarm_kernels::preprocess::PixelRect;

    use super::*;
    use crate::view::mosaic::Tiling;
    use crate::view::tiles::TileGrid;

    /// A mask of 100 x 100 that ignores a rectangle.
    fn rectangle(x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> IgnoreMask {
        let data = (0..10_000).map(|i| x.contains(&(i % 100)) && y.contains(&(i / 100))).collect();
        IgnoreMask::new(data, 100, 100).unwrap()
    }

    /// What is ignored of one tile over `rect`.
    fn of_one(mask: &IgnoreMask, rect: Rect, grid: Grid, size: Grid) -> Result<Option<Ignored>> {
        let visible = PixelRect { x: 0, y: 0, width: size.columns, height: size.rows };
        Ignored::new(mask, &Mosaic::whole(size, visible, rect), &[rect], grid, size)
    }

    #[test]
    fn tokens_are_ignored_from_a_quarter_on() {
        // Tokens of 10 x 10 mask pixels; the mask covers a tenth of the second column, or three of the fourth.
        let ignored = |x| {
            of_one(&rectangle(x, 0..100), Rect::WHOLE, Grid::square(10), Grid::square(100)).unwrap().unwrap()
        };
        assert!(!ignored(10..11).tokens()[1]);
        assert!(ignored(30..33).tokens()[3]);
        let quiet = of_one(&rectangle(0..0, 0..0), Rect::WHOLE, Grid::square(10), Grid::square(100)).unwrap();
        assert!(quiet.is_none(), "nothing is ignored");
        let elsewhere = Rect { x: 0.5, y: 0.0, w: 0.5, h: 1.0 };
        assert!(
            of_one(&rectangle(0..40, 0..100), elsewhere, Grid::square(10), Grid::square(100))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn ignored_tokens_take_the_score_beside_them_and_their_pixels_none() {
        let ignored = of_one(&rectangle(0..50, 0..100), Rect::WHOLE, Grid::square(4), Grid::square(8))
            .unwrap()
            .unwrap();
        let scores: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let (mut room, mut other) = (Vec::new(), Vec::new());
        assert_eq!(ignored.stand_in(0, &scores, &mut room).unwrap()[4..8], [6.0, 6.0, 6.0, 7.0]);
        let pixels: Vec<f32> = (0..64).map(|i| i as f32).collect();
        let filled = ignored.stand_in(0, &pixels, &mut other).unwrap();
        assert_eq!(filled[8..16], [12.0, 12.0, 12.0, 12.0, 12.0, 13.0, 14.0, 15.0]);
        assert_eq!(ignored.pixels()[..8], [true, true, true, true, false, false, false, false]);
        // Two rows of four tokens, each of 2 x 2 pixels.
        let (grid, size) = (Grid { rows: 2, columns: 4 }, Grid { rows: 4, columns: 8 });
        let wide = of_one(&rectangle(0..25, 0..100), Rect::WHOLE, grid, size).unwrap().unwrap();
        assert_eq!(wide.tokens(), [true, false, false, false, true, false, false, false]);
        let filled = wide.stand_in(0, &scores[..8], &mut room).unwrap();
        assert_eq!(filled, [1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 6.0, 7.0]);
        assert_eq!(wide.pixels()[24..], [true, true, false, false, false, false, false, false]);
    }

    #[test]
    fn a_mask_that_leaves_nothing_is_refused() {
        let error = of_one(&rectangle(0..100, 0..91), Rect::WHOLE, Grid::square(10), Grid::square(100)).err();
        assert!(error.is_none(), "most of the last row of tokens is seen");
        let error =
            of_one(&rectangle(0..100, 0..100), Rect::WHOLE, Grid::square(10), Grid::square(100)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ignore mask: expected at least 4 of 100 patches that are not ignored, found 0"
        );
    }

    #[test]
    fn a_tile_of_which_nothing_is_left_is_left_out_and_its_neighbours_go_on_in_it() {
        // Of three tiles side by side, which share a quarter each, the middle one is ignored with what it shares.
        let (size, grid) = (Grid::square(8), Grid::square(4));
        let part = PixelRect { x: 0, y: 0, width: 100, height: 100 };
        let tiling = Tiling::new(part, TileGrid { columns: 3, rows: 1, overlap: 0.25 });
        let window = PixelRect { x: 0, y: 0, width: 8, height: 8 };
        let mosaic = Mosaic::of(&tiling, window, Rect::WHOLE);
        assert_eq!(mosaic.size(), Grid { rows: 8, columns: 20 });
        let rects: Vec<Rect> =
            [0.0, 0.3, 0.6].map(|x| Rect { x, y: 0.0, w: 0.4, h: 1.0 }).into_iter().collect();
        let ignored = Ignored::new(&rectangle(28..72, 0..100), &mosaic, &rects, grid, size).unwrap().unwrap();
        assert!(ignored.of_tile(1).is_none());
        assert_eq!(ignored.tokens()[16..32], [true; 16]);
        assert_eq!(ignored.of_tile(0).unwrap()[..4], [false, false, true, true]);
        let mut map = vec![0.0; 160];
        for (tile, score) in [(0, 1.0), (2, 3.0)] {
            stitch(&[score; 64], 8, mosaic.piece(tile), &mut map, 20).unwrap();
        }
        assert!(map[7] < 1.0, "the share of the tile that is left out is missing");
        ignored.fill_gaps(&mut map, &mut Vec::new()).unwrap();
        for (score, expected) in map.iter().zip([[1.0_f32; 10], [3.0; 10]].concat().repeat(8)) {
            assert!((score - expected).abs() < 1e-6, "{score} {expected}");
        }
        assert_eq!(ignored.pixels()[..20].iter().filter(|ignored| **ignored).count(), 8);
        assert!(Ignored::new(&rectangle(0..100, 0..100), &mosaic, &rects, grid, size).is_err());
        assert!(
            Ignored::new(&rectangle(0..0, 0..0), &mosaic, &rects, grid, size).unwrap().is_none(),
            "nothing is ignored"
        );
    }
}
