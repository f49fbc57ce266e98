//! Orders in which a state-space model reads a map.
//!
//! A curve is a permutation of the places row * n + col. Eight directions follow from it: the map itself, its
//! transpose, its rotation by 90 degrees counter-clockwise, the transpose of that, and the reverses of these four.
//! SNARM reads the plain curve in directions 0, 1, 4 and 5; the MambaAD family reads all eight of any curve.

use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;

/// A curve through a square map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// Row by row.
    Sweep,
    /// Row by row, every other row backwards.
    Boustrophedon,
    /// Morton order, the lowest bit being the column's. The side must be a power of two.
    ZOrder,
    /// Along the anti-diagonals, alternately up and down.
    Zigzag,
    /// Hilbert's curve. The side must be a power of two.
    Hilbert,
}

impl Curve {
    /// All curves.
    pub const ALL: [Self; 5] = [Self::Hilbert, Self::Sweep, Self::Boustrophedon, Self::ZOrder, Self::Zigzag];

    /// Whether it goes through squares alone whose side is a power of two.
    pub fn needs_power_of_two(self) -> bool {
        matches!(self, Self::ZOrder | Self::Hilbert)
    }
}

/// Place that direction `direction` (0..8) reads at each position of its sequence, in an n x n map.
pub fn scan_order(curve: Curve, n: usize, direction: usize) -> Vec<u32> {
    let mut places: Vec<u32> = curve_places(curve, n)
        .into_iter()
        .map(|(row, col)| {
            let (row, col) = match direction % 4 {
                0 => (row, col),
                1 => (col, row),
                2 => (col, n - 1 - row),
                _ => (row, n - 1 - col),
            };
            (row * n + col) as u32
        })
        .collect();
    if direction >= 4 {
        places.reverse();
    }
    places
}

/// SNARM's four orders through a map: rows, columns, and both backwards. In the second and the fourth order the map is that
/// of the transposed grid.
pub fn snarm_orders(grid: Grid) -> [Vec<u32>; 4] {
    let Grid { rows, columns } = grid;
    let by_rows: Vec<u32> = (0..grid.cells() as u32).collect();
    let place = |(column, row): (usize, usize)| (row * columns + column) as u32;
    let by_columns: Vec<u32> =
        (0..columns).flat_map(|column| (0..rows).map(move |row| (column, row))).map(place).collect();
    let reversed = |order: &[u32]| order.iter().rev().copied().collect();
    let (backwards, columns_backwards) = (reversed(&by_rows), reversed(&by_columns));
    [by_rows, by_columns, backwards, columns_backwards]
}

fn curve_places(curve: Curve, n: usize) -> Vec<(usize, usize)> {
    match curve {
        Curve::Sweep => (0..n * n).map(|i| (i / n, i % n)).collect(),
        Curve::Boustrophedon => (0..n * n)
            .map(|i| {
                let (row, col) = (i / n, i % n);
                (row, if row % 2 == 0 { col } else { n - 1 - col })
            })
            .collect(),
        Curve::ZOrder => (0..n * n).map(|i| (even_bits(i >> 1), even_bits(i))).collect(),
        Curve::Zigzag => zigzag(n),
        Curve::Hilbert => (0..n * n).map(|i| hilbert(i, n)).collect(),
    }
}

/// Bits 0, 2, 4, ... pushed together.
fn even_bits(i: usize) -> usize {
    (0..16).map(|bit| ((i >> (2 * bit)) & 1) << bit).sum()
}

fn zigzag(n: usize) -> Vec<(usize, usize)> {
    let diagonal = |sum: usize| {
        let cells = (sum.saturating_sub(n - 1)..=sum.min(n - 1)).map(move |row| (row, sum - row));
        // Ascending rows run down to the left; even diagonals run up.
        let mut cells: Vec<_> = cells.collect();
        if sum.is_multiple_of(2) {
            cells.reverse();
        }
        cells
    };
    (0..2 * n - 1).flat_map(diagonal).collect()
}

/// Row and column of the i-th cell of Hilbert's curve through n x n cells.
fn hilbert(i: usize, n: usize) -> (usize, usize) {
    let (mut x, mut y, mut t, mut s) = (0, 0, i, 1);
    while s < n {
        let rx = (t >> 1) & 1;
        let ry = (t & 1) ^ rx;
        if ry == 0 {
            if rx == 1 {
                (x, y) = (s - 1 - x, s - 1 - y);
            }
            (x, y) = (y, x);
        }
        x += s * rx;
        y += s * ry;
        t >>= 2;
        s *= 2;
    }
    (y, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_curves_are_the_documented_ones() {
        for (curve, expected) in [
            (Curve::ZOrder, [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]),
            (Curve::Zigzag, [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15]),
            (Curve::Hilbert, [0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]),
            (Curve::Boustrophedon, [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11, 15, 14, 13, 12]),
        ] {
            assert_eq!(scan_order(curve, 4, 0), expected, "{curve:?}");
        }
    }

    #[test]
    fn every_direction_visits_every_place_once() {
        for curve in [Curve::Sweep, Curve::Boustrophedon, Curve::ZOrder, Curve::Zigzag, Curve::Hilbert] {
            for direction in 0..8 {
                let mut places = scan_order(curve, 8, direction);
                places.sort_unstable();
                assert_eq!(places, (0..64).collect::<Vec<u32>>(), "{curve:?} {direction}");
            }
        }
    }
}
