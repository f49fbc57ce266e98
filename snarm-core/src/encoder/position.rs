//! Position embeddings brought from the table of the file to the grid of the input, once, when a network is loaded.

use snarm_kernels::Grid;

use super::transformer::PositionInterpolation;

/// Interpolates a table of `from` x `from` rows of `dim` to the grid `to`.
pub(crate) fn interpolate(
    table: &[f32],
    from: usize,
    to: Grid,
    dim: usize,
    how: PositionInterpolation,
) -> Vec<f32> {
    if to == Grid::square(from) {
        return table.to_vec();
    }
    let taps = |to: usize| match how {
        PositionInterpolation::Legacy => legacy(from, to),
        PositionInterpolation::Antialiased => antialiased(from, to),
    };
    let Grid { rows, columns } = to;
    let tall = along_rows(table, from, from, dim, &taps(rows));
    let turned = transpose(&tall, rows, from, dim);
    transpose(&along_rows(&turned, from, rows, dim, &taps(columns)), columns, rows, dim)
}

/// Source index and weight of each tap of each output.
type Taps = Vec<Vec<(usize, f32)>>;

/// Four taps of the cubic convolution with a = -0.75, indices clamped. PyTorch takes the scale as it was given,
/// (to + 0.1) / from, and not as the ratio of the sizes.
fn legacy(from: usize, to: usize) -> Taps {
    let scale = (1.0 / ((to as f64 + 0.1) / from as f64)) as f32;
    let tap = |o: usize| {
        let x = (o as f32 + 0.5) * scale - 0.5;
        let low = x.floor();
        (-1..=2)
            .map(|k| {
                let index = (low as isize + k).clamp(0, from as isize - 1) as usize;
                (index, cubic(x - low - k as f32, -0.75))
            })
            .collect()
    };
    (0..to).map(tap).collect()
}

/// Taps of the cubic with a = -0.5, stretched when shrinking, cut at the border and normalised.
fn antialiased(from: usize, to: usize) -> Taps {
    let scale = from as f32 / to as f32;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let tap = |o: usize| {
        let centre = scale * (o as f32 + 0.5);
        let low = ((centre - support + 0.5) as isize).max(0) as usize;
        let high = ((centre + support + 0.5) as usize).min(from);
        let weight = |i: usize| cubic((i as f32 - centre + 0.5) / stretch, -0.5);
        let sum: f32 = (low..high).map(weight).sum();
        (low..high).map(|i| (i, weight(i) / sum)).collect()
    };
    (0..to).map(tap).collect()
}

/// The cubic convolution kernel.
fn cubic(x: f32, a: f32) -> f32 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

/// (from rows, cols, dim) -> (taps.len() rows, cols, dim)
fn along_rows(x: &[f32], from: usize, cols: usize, dim: usize, taps: &Taps) -> Vec<f32> {
    let line = cols * dim;
    debug_assert_eq!(x.len(), from * line);
    let mut y = vec![0.0; taps.len() * line];
    for (y, taps) in y.chunks_exact_mut(line).zip(taps) {
        for (index, weight) in taps {
            for (y, x) in y.iter_mut().zip(&x[index * line..][..line]) {
                *y += weight * x;
            }
        }
    }
    y
}

/// (rows, cols, dim) -> (cols, rows, dim)
fn transpose(x: &[f32], rows: usize, cols: usize, dim: usize) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for col in 0..cols {
        for row in 0..rows {
            y.extend_from_slice(&x[(row * cols + col) * dim..][..dim]);
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the 28 x 37 matrix, from the published model.
    #[test]
    fn legacy_taps_are_the_published_ones() {
        let taps = legacy(37, 28);
        let weight = |o: usize, i: usize| taps[o].iter().filter(|t| t.0 == i).map(|t| t.1).sum::<f32>();
        for (o, i, expected) in [
            (0, 0, 0.864_404_4),
            (0, 1, 0.151_426),
            (1, 0, -0.098_176_5),
            (13, 17, 0.855_075_3),
            (27, 36, 0.731_581_8),
        ] {
            assert!((weight(o, i) - expected).abs() < 2e-6, "{o} {i}: {}", weight(o, i));
        }
    }

    #[test]
    fn weights_sum_to_one() {
        for taps in [legacy(37, 28), antialiased(37, 28), antialiased(14, 24), legacy(14, 24)] {
            for tap in taps {
                assert!((tap.iter().map(|t| t.1).sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn the_same_grid_keeps_the_table() {
        let table: Vec<f32> = (0..18).map(|v| v as f32).collect();
        assert_eq!(interpolate(&table, 3, Grid::square(3), 2, PositionInterpolation::Legacy), table);
    }

    #[test]
    fn rows_and_columns_are_interpolated_apart() {
        // A table of its own rows and columns, which both interpolations keep where the other side stays.
        let table: Vec<f32> = (0..16_u8).flat_map(|i| [f32::from(i / 4), f32::from(i % 4)]).collect();
        for how in [PositionInterpolation::Legacy, PositionInterpolation::Antialiased] {
            let wide = interpolate(&table, 4, Grid { rows: 4, columns: 9 }, 2, how);
            let square = interpolate(&table, 4, Grid::square(9), 2, how);
            for (cell, place) in wide.chunks_exact(2).enumerate() {
                let (row, column) = (cell / 9, cell % 9);
                assert!(how != PositionInterpolation::Antialiased || (place[0] - row as f32).abs() < 1e-5);
                assert!((place[1] - square[column * 2 + 1]).abs() < 1e-5, "{how:?} {row} {column} {place:?}");
            }
        }
    }
}
