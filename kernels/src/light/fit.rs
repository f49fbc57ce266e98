//! A plane through the differences of cells, which most of them agree on.

use super::{
    BEYOND, CELLS, COLOURS, Cell, Gain, MOST, PER_MAD, PLANES, ROUNDS, SIDE, SLOPE, Usual, place, tinted,
};

/// What the plane has at each cell.
fn at(plane: Gain, cell: usize) -> f32 {
    plane.level + plane.slope_x * place(cell % SIDE, SIDE) + plane.slope_y * place(cell / SIDE, SIDE)
}

pub(super) fn compare(cells: &[Cell], usual: &[Usual], range: &[f32], found: &mut [f32]) {
    let planes: [Gain; COLOURS] = std::array::from_fn(|colour| {
        let differences = std::array::from_fn(|at| cells[at].log(colour) - usual[at].median[colour]);
        let deviations = std::array::from_fn(|at| usual[at].spread(colour));
        plane(&differences, &deviations)
    });
    let (low, high) = range.split_at(PLANES);
    let mut changes = tinted(&planes);
    for ((number, low), high) in changes.iter_mut().zip(low).zip(high) {
        *number = number.max(*low).min(*high) - *number;
    }
    let gains = of_tinted(&changes);
    let sizes = gains.map(|gain| gain.level.abs() + gain.slope_x.abs() + gain.slope_y.abs());
    let is_near = sizes.iter().all(|size| *size < MOST.ln());
    let gains = if is_near { gains } else { [Gain::default(); COLOURS] };
    found.copy_from_slice(bytemuck::cast_slice(&[planes, gains]));
}

/// The planes of such [`tinted`] numbers.
fn of_tinted(numbers: &[f32; PLANES]) -> [Gain; COLOURS] {
    let colour = |of: fn(&[f32]) -> f32| {
        let at = |i: usize| of(&numbers[COLOURS * i..][..COLOURS]);
        Gain { level: at(0), slope_x: at(1), slope_y: at(2) }
    };
    [colour(|n| n[0] + n[1]), colour(|n| n[0] - n[1] - n[2]), colour(|n| n[0] + n[2])]
}

/// The plane of `differences`, one a cell, each of which has a deviation that is usual there.
pub(super) fn plane(differences: &[f32; CELLS], deviations: &[f32; CELLS]) -> Gain {
    let mut plane = Gain { level: weighted_median(differences, deviations), ..Gain::default() };
    for _ in 0..ROUNDS {
        let rests: [f32; CELLS] =
            std::array::from_fn(|cell| (differences[cell] - at(plane, cell)) / deviations[cell]);
        let scale = (PER_MAD * median(rests.map(f32::abs))).max(1.0);
        let weights: [f32; CELLS] = std::array::from_fn(|cell| {
            let share = (1.0 - (rests[cell] / (BEYOND * scale)).powi(2)).max(0.0);
            share * share / (deviations[cell] * deviations[cell] * scale * scale)
        });
        plane = least_squares(differences, &weights);
    }
    plane
}

/// The number that half of the others lie below.
fn median(mut numbers: [f32; CELLS]) -> f32 {
    *numbers.select_nth_unstable_by(CELLS / 2, f32::total_cmp).1
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
        let basis = [1.0, place(cell % SIDE, SIDE), place(cell / SIDE, SIDE)].map(f64::from);
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
