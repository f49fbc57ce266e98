//! An image cut into tiles, the tiles shuffled.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::dataset::Picture;

/// Cuts an image into `grid` x `grid` tiles and lays them out in random order. Where `grid` does not divide a side,
/// tiles differ by a pixel and are stretched to the place they come to.
pub fn shuffle_tiles(picture: &Picture, grid: usize, rng: &mut ChaCha8Rng) -> Picture {
    let grid = grid.min(picture.width).min(picture.height).max(1);
    let mut order: Vec<usize> = (0..grid * grid).collect();
    order.shuffle(rng);
    let mut out = picture.clone();
    for (to, &from) in order.iter().enumerate() {
        let columns =
            span(to % grid, grid, picture.width).zip_stretched(span(from % grid, grid, picture.width));
        let rows =
            span(to / grid, grid, picture.height).zip_stretched(span(from / grid, grid, picture.height));
        for &(y, source_y) in &rows {
            for &(x, source_x) in &columns {
                let (to, from) = (3 * (y * picture.width + x), 3 * (source_y * picture.width + source_x));
                out.data[to..to + 3].copy_from_slice(&picture.data[from..from + 3]);
            }
        }
    }
    out
}

/// First pixel and length of tile `i`.
struct Span(usize, usize);

fn span(i: usize, grid: usize, side: usize) -> Span {
    let start = i * side / grid;
    Span(start, (i + 1) * side / grid - start)
}

impl Span {
    /// Pixels of this span, each with the pixel of `other` at the same part of the way.
    fn zip_stretched(self, other: Span) -> Vec<(usize, usize)> {
        (0..self.1).map(|i| (self.0 + i, other.0 + i * other.1 / self.1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Draw;
    use super::*;

    #[test]
    fn shuffling_moves_whole_tiles_and_loses_none() {
        let (side, grid) = (12, 4);
        // Every pixel says which tile it is in (red) and where in the tile (green).
        let data = (0..side * side)
            .flat_map(|i| {
                let (x, y) = (i % side, i / side);
                [(y / 3 * grid + x / 3) as u8, (y % 3 * 3 + x % 3) as u8, 0]
            })
            .collect();
        let picture = Picture { data, width: side, height: side };
        let shuffled = shuffle_tiles(&picture, grid, &mut Draw { seed: 1, image: 2, variant: 3 }.rng());
        let mut seen = vec![0; grid * grid];
        for (i, pixel) in shuffled.data.chunks(3).enumerate() {
            let (x, y) = (i % side, i / side);
            assert_eq!(usize::from(pixel[1]), y % 3 * 3 + x % 3);
            seen[usize::from(pixel[0])] += 1;
        }
        assert!(seen.iter().all(|&n| n == 9), "{seen:?}");
        assert_ne!(shuffled, picture);
    }

    #[test]
    fn sides_that_the_grid_does_not_divide_are_covered() {
        let picture = Picture { data: vec![7; 3 * 37 * 21], width: 37, height: 21 };
        let mut marked = picture.clone();
        marked.data.fill(9);
        let shuffled = shuffle_tiles(&marked, 8, &mut Draw { seed: 0, image: 0, variant: 0 }.rng());
        assert_eq!(shuffled, marked);
        assert_eq!(span(0, 8, 37).1 + (1..8).map(|i| span(i, 8, 37).1).sum::<usize>(), 37);
    }
}
