//! A plane through the differences of cells, which most of them agree on.

use snarm_kernels::light::{Gain, SIDE};

use super::{CELLS, PER_MAD, median};

/// Rounds of weighing anew.
const ROUNDS: usize = 8;

/// Deviations beyond which a cell does not count (Tukey's biweight, 95 % efficient).
const BEYOND: f32 = 4.685;

/// The slope that planes have without any cell that says otherwise: a normal distribution of this deviation about 0.
const SLOPE: f32 = 0.3;

/// Place of a cell from -1 to 1.
fn place(i: usize) -> f32 {
    (2.0 * i as f32 + 1.0) / SIDE as f32 - 1.0
}

/// What the plane has at each cell.
pub(super) fn at(plane: Gain, cell: usize) -> f32 {
    plane.level + plane.slope_x * place(cell % SIDE) + plane.slope_y * place(cell / SIDE)
}

/// The plane of `differences`, one a cell, each of which has a deviation that is usual there.
pub(super) fn plane(differences: &[f32; CELLS], deviations: &[f32; CELLS]) -> Gain {
    let mut plane = Gain { level: weighted_median(differences, deviations), ..Gain::default() };
    for _ in 0..ROUNDS {
        let rests: [f32; CELLS] =
            std::array::from_fn(|cell| (differences[cell] - at(plane, cell)) / deviations[cell]);
        let scale = (PER_MAD * median(&mut rests.map(f32::abs))).max(1.0);
        let weights: [f32; CELLS] = std::array::from_fn(|cell| {
            let share = (1.0 - (rests[cell] / (BEYOND * scale)).powi(2)).max(0.0);
            share * share / (deviations[cell] * deviations[cell] * scale * scale)
        });
        plane = least_squares(differences, &weights);
    }
    plane
}

/// The number that half of the weight lies below.
fn weighted_median(values: &[f32; CELLS], deviations: &[f32; CELLS]) -> f32 {
    let mut sorted: [(f32, f32); CELLS] =
        std::array::from_fn(|cell| (values[cell], 1.0 / (deviations[cell] * deviations[cell])));
    sorted.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let half = 0.5 * sorted.iter().map(|(_, weight)| weight).sum::<f32>();
    let mut below = 0.0;
    for (value, weight) in sorted {
        below += weight;
        if below >= half {
            return value;
        }
    }
    0.0
}

/// The plane of least weighted squares, by Gauss-Jordan elimination.
fn least_squares(values: &[f32; CELLS], weights: &[f32; CELLS]) -> Gain {
    let mut rows = [[0.0_f64; 4]; 3];
    for (cell, (value, weight)) in values.iter().zip(weights).enumerate() {
        let basis = [1.0, place(cell % SIDE), place(cell / SIDE)].map(f64::from);
        for (row, own) in rows.iter_mut().zip(basis) {
            let own = own * f64::from(*weight);
            row.iter_mut().zip(basis).for_each(|(sum, other)| *sum += own * other);
            row[3] += own * f64::from(*value);
        }
    }
    let prior = f64::from(1.0 / (SLOPE * SLOPE));
    for (i, row) in rows.iter_mut().enumerate() {
        row[i] += if i == 0 { 1e-6 } else { prior };
    }
    for i in 0..3 {
        let pivot = rows[i].map(|v| v / rows[i][i]);
        for (j, row) in rows.iter_mut().enumerate() {
            let factor = row[i];
            if j != i {
                row.iter_mut().zip(pivot).for_each(|(v, p)| *v -= factor * p);
            }
        }
        rows[i] = pivot;
    }
    let [level, slope_x, slope_y] = rows.map(|row| row[3] as f32);
    Gain { level, slope_x, slope_y }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILTED: Gain = Gain { level: -0.2, slope_x: 0.1, slope_y: -0.05 };

    fn close(a: Gain, b: Gain) -> bool {
        (a.level - b.level).abs() < 0.01
            && (a.slope_x - b.slope_x).abs() < 0.01
            && (a.slope_y - b.slope_y).abs() < 0.01
    }

    #[test]
    fn cells_that_a_defect_changed_do_not_count() {
        let mut differences: [f32; CELLS] = std::array::from_fn(|cell| at(TILTED, cell));
        let deviations = [0.02; CELLS];
        assert!(close(plane(&differences, &deviations), TILTED));
        // A third of the frame is black.
        differences.iter_mut().take(CELLS / 3).for_each(|v| *v -= 2.0);
        let found = plane(&differences, &deviations);
        assert!(close(found, TILTED), "{found:?}");
    }

    #[test]
    fn cells_that_usually_change_count_little() {
        let mut differences: [f32; CELLS] = std::array::from_fn(|cell| at(TILTED, cell));
        let mut deviations = [0.02; CELLS];
        // Parts cover two thirds of the frame, somewhat darker than usual.
        for cell in CELLS / 3..CELLS {
            differences[cell] -= 0.3;
            deviations[cell] = 0.5;
        }
        let found = plane(&differences, &deviations);
        // What is steady lies in the upper third alone, which says less of the slope downwards.
        assert!((found.level + 0.2).abs() < 0.03 && (found.slope_x - 0.1).abs() < 0.02, "{found:?}");
    }
}
