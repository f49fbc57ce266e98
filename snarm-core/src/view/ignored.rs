//! A mask as the tokens and the score map of one frame geometry see it.

use snarm_kernels::Grid;
use snarm_kernels::gather::gather;

use super::mask::IgnoreMask;
use super::rect::Rect;
use crate::error::{Error, Result};

/// Points along each side of a token where the mask is asked.
const POINTS: usize = 8;

/// Part of a token from which it is ignored whole: what is ignored may change at will, and shows in every descriptor
/// that sees it.
const PART: f64 = 0.25;

/// Tokens that must be left: fewer have no trusted ones among them to be compared with.
const LEAST: usize = 4;

/// What is ignored of a frame: tokens of the grid, pixels of the map.
#[derive(Debug)]
pub(crate) struct Ignored {
    tokens: Vec<bool>,
    /// For each token the nearest one that is looked at; itself, if it is.
    stand_ins: Vec<u32>,
    pixels: Vec<bool>,
    /// The same for pixels of a map; those of ignored tokens are not looked at.
    pixel_stand_ins: Vec<u32>,
}

impl Ignored {
    /// For a map of `size` pixels and a grid of tokens that cover `rect` of the frame; `None` where the mask ignores
    /// nothing of it.
    pub(crate) fn new(mask: &IgnoreMask, rect: Rect, grid: Grid, size: Grid) -> Result<Option<Self>> {
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
        Ok(Some(Self { tokens, stand_ins, pixels, pixel_stand_ins }))
    }

    /// Whether each token is ignored.
    pub(crate) fn tokens(&self) -> &[bool] {
        &self.tokens
    }

    /// Gives ignored tokens, or pixels where `scores` are those of a map, the score of the nearest one that is looked
    /// at, so that smoothing neither carries an ignored score over the edge nor dims what lies beside it. Scores of
    /// neither size stay as they are.
    pub(crate) fn stand_in(&self, scores: &[f32], filled: &mut Vec<f32>) -> Result<()> {
        filled.resize(scores.len(), 0.0);
        let stand_ins = [&self.stand_ins, &self.pixel_stand_ins];
        match stand_ins.into_iter().find(|stand_ins| stand_ins.len() == scores.len()) {
            Some(stand_ins) => gather(scores, 1, stand_ins, filled)?,
            None => filled.copy_from_slice(scores),
        }
        Ok(())
    }

    /// Whether each pixel of the map is ignored.
    pub(crate) fn pixels(&self) -> &[bool] {
        &self.pixels
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
    use super::*;

    /// A mask of 100 x 100 that ignores a rectangle.
    fn rectangle(x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> IgnoreMask {
        let data = (0..10_000).map(|i| x.contains(&(i % 100)) && y.contains(&(i / 100))).collect();
        IgnoreMask::new(data, 100, 100).unwrap()
    }

    #[test]
    fn tokens_are_ignored_from_a_quarter_on() {
        // Tokens of 10 x 10 mask pixels; the mask covers a tenth of the second column, or three of the fourth.
        let ignored = |x| {
            Ignored::new(&rectangle(x, 0..100), Rect::WHOLE, Grid::square(10), Grid::square(100))
                .unwrap()
                .unwrap()
        };
        assert!(!ignored(10..11).tokens()[1]);
        assert!(ignored(30..33).tokens()[3]);
        let quiet =
            Ignored::new(&rectangle(0..0, 0..0), Rect::WHOLE, Grid::square(10), Grid::square(100)).unwrap();
        assert!(quiet.is_none(), "nothing is ignored");
        let elsewhere = Rect { x: 0.5, y: 0.0, w: 0.5, h: 1.0 };
        assert!(
            Ignored::new(&rectangle(0..40, 0..100), elsewhere, Grid::square(10), Grid::square(100))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn ignored_tokens_take_the_score_beside_them_and_their_pixels_none() {
        let ignored = Ignored::new(&rectangle(0..50, 0..100), Rect::WHOLE, Grid::square(4), Grid::square(8))
            .unwrap()
            .unwrap();
        let scores: Vec<f32> = (0..16).map(|i| i as f32).collect();
        let mut filled = Vec::new();
        ignored.stand_in(&scores, &mut filled).unwrap();
        assert_eq!(filled[4..8], [6.0, 6.0, 6.0, 7.0]);
        let pixels: Vec<f32> = (0..64).map(|i| i as f32).collect();
        ignored.stand_in(&pixels, &mut filled).unwrap();
        assert_eq!(filled[8..16], [12.0, 12.0, 12.0, 12.0, 12.0, 13.0, 14.0, 15.0]);
        assert_eq!(ignored.pixels()[..8], [true, true, true, true, false, false, false, false]);
        // Two rows of four tokens, each of 2 x 2 pixels.
        let (grid, size) = (Grid { rows: 2, columns: 4 }, Grid { rows: 4, columns: 8 });
        let wide = Ignored::new(&rectangle(0..25, 0..100), Rect::WHOLE, grid, size).unwrap().unwrap();
        assert_eq!(wide.tokens(), [true, false, false, false, true, false, false, false]);
        wide.stand_in(&scores[..8], &mut filled).unwrap();
        assert_eq!(filled, [1.0, 1.0, 2.0, 3.0, 5.0, 5.0, 6.0, 7.0]);
        assert_eq!(wide.pixels()[24..], [true, true, false, false, false, false, false, false]);
    }

    #[test]
    fn a_mask_that_leaves_nothing_is_refused() {
        let error =
            Ignored::new(&rectangle(0..100, 0..91), Rect::WHOLE, Grid::square(10), Grid::square(100)).err();
        assert!(error.is_none(), "most of the last row of tokens is seen");
        let error =
            Ignored::new(&rectangle(0..100, 0..100), Rect::WHOLE, Grid::square(10), Grid::square(100))
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "ignore mask: expected at least 4 of 100 patches that are not ignored, found 0"
        );
    }
}
