//! Perlin noise on a lattice that spans the image, and the masks cut from it.
//!
//! # Shapes
//! Noise (height, width) row-major, of about -1 to 1: a random unit gradient at each corner of the lattice, quintic
//! fade, times the square root of 2.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::sampling::{Border, rotate_plane};
use crate::dataset::Mask;

/// Values above this are part of a mask.
pub const THRESHOLD: f32 = 0.5;

/// Largest turn of a mask, in degrees.
pub const MAX_TURN: f32 = 90.0;

/// How lattice cells meet a side that they do not divide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Lattice {
    /// As the published script: gradients change every `ceil(side / cells)` pixels while the place within a cell
    /// follows `side / cells` exactly, so for 392 pixels in 16 or 32 cells the two drift apart and edges appear.
    Drifting,
    /// Gradients change where cells do.
    Exact,
}

/// Noise of `height` x `width` on a lattice of `rows` x `columns` cells.
pub fn noise(
    width: usize,
    height: usize,
    (columns, rows): (usize, usize),
    lattice: Lattice,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let corners = (rows + 1) * (columns + 1);
    let gradients: Vec<(f32, f32)> =
        (0..corners).map(|_| rng.random_range(0.0..std::f32::consts::TAU).sin_cos()).collect();
    let across: Vec<_> = (0..width).map(|x| place(x, width, columns, lattice)).collect();
    let mut noise = Vec::with_capacity(width * height);
    for y in 0..height {
        let (row, fy) = place(y, height, rows, lattice);
        let ty = fade(fy);
        for &(column, fx) in &across {
            let corner = |down: usize, right: usize| {
                let (gy, gx) = gradients[(row + down) * (columns + 1) + column + right];
                gx * (fx - right as f32) + gy * (fy - down as f32)
            };
            let left = lerp(corner(0, 0), corner(1, 0), ty);
            let right = lerp(corner(0, 1), corner(1, 1), ty);
            noise.push(std::f32::consts::SQRT_2 * lerp(left, right, fade(fx)));
        }
    }
    noise
}

/// A mask: noise on a lattice of 2^a x 2^b cells, a and b from 0 to `octaves`, turned by up to [`MAX_TURN`] about its
/// middle with zeros from outside, cut at [`THRESHOLD`]. It may be empty.
pub fn mask(width: usize, height: usize, octaves: u32, lattice: Lattice, rng: &mut ChaCha8Rng) -> Mask {
    let rows = 1 << rng.random_range(0..=octaves);
    let columns = 1 << rng.random_range(0..=octaves);
    let noise = noise(width, height, (columns, rows), lattice, rng);
    let turned = rotate_plane(&noise, width, height, rng.random_range(-MAX_TURN..=MAX_TURN), Border::Zero);
    Mask { data: turned.into_iter().map(|v| v > THRESHOLD).collect(), width, height }
}

/// Cell of pixel `i` of a side, and its place within the cell, 0 to 1.
fn place(i: usize, side: usize, cells: usize, lattice: Lattice) -> (usize, f32) {
    let cell = match lattice {
        Lattice::Drifting => i / side.div_ceil(cells),
        Lattice::Exact => i * cells / side,
    };
    ((cell).min(cells - 1), (i * cells % side) as f32 / side as f32)
}

fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[cfg(test)]
mod tests {
    use super::super::Draw;
    use super::*;

    fn rng(variant: u32) -> ChaCha8Rng {
        Draw { seed: 3, image: 0, variant }.rng()
    }

    #[test]
    fn noise_is_zero_on_lattice_corners_bounded_and_centred() {
        let (mut sum, mut square, mut n) = (0.0, 0.0, 0);
        for variant in 0..40 {
            let noise = noise(96, 64, (8, 4), Lattice::Exact, &mut rng(variant));
            for (row, column) in (0..4).flat_map(|r| (0..8).map(move |c| (r, c))) {
                assert!(noise[row * 16 * 96 + column * 12].abs() < 1e-6);
            }
            assert!(noise.iter().all(|v| v.abs() <= 1.0 + 1e-6));
            sum += noise.iter().map(|v| f64::from(*v)).sum::<f64>();
            square += noise.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
            n += noise.len();
        }
        let (mean, variance) = (sum / n as f64, square / n as f64);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - expected_variance()).abs() < 0.012, "{variance} {}", expected_variance());
    }

    /// Variance of the noise over a cell of many points, by the formula: the gradients are independent, each of
    /// covariance I / 2, so each corner adds weight^2 * distance^2 / 2, times 2 for the square root of 2 squared.
    fn expected_variance() -> f64 {
        let n = 200;
        let axis = |i: usize| {
            let t = (i as f64 + 0.5) / n as f64;
            let w = t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
            [(1.0 - w, t), (w, 1.0 - t)]
        };
        let mut sum = 0.0;
        for (wy, y) in (0..n).flat_map(axis) {
            for (wx, x) in (0..n).flat_map(axis) {
                sum += (wx * wy).powi(2) * (x * x + y * y);
            }
        }
        sum / (n * n) as f64
    }

    #[test]
    fn one_cell_of_known_gradients_follows_the_formula() {
        let side = 10;
        let noise = noise(side, side, (1, 1), Lattice::Exact, &mut rng(1));
        let mut again = rng(1);
        let g: Vec<(f64, f64)> =
            (0..4).map(|_| f64::from(again.random_range(0.0f32..std::f32::consts::TAU)).sin_cos()).collect();
        for (i, found) in noise.iter().enumerate() {
            let (x, y) = ((i % side) as f64 / side as f64, (i / side) as f64 / side as f64);
            let fade = |t: f64| 6.0 * t.powi(5) - 15.0 * t.powi(4) + 10.0 * t.powi(3);
            let mut expected = 0.0;
            for (corner, (gy, gx)) in g.iter().enumerate() {
                let (cx, cy) = ((corner % 2) as f64, (corner / 2) as f64);
                let weight = |t: f64, c: f64| if c == 0.0 { 1.0 - fade(t) } else { fade(t) };
                expected += weight(x, cx) * weight(y, cy) * (gx * (x - cx) + gy * (y - cy));
            }
            assert!((f64::from(*found) - expected * 2f64.sqrt()).abs() < 1e-5, "{i}");
        }
    }

    #[test]
    fn cells_of_16_and_32_drift_at_392_pixels_and_those_up_to_8_do_not() {
        for cells in [1, 2, 4, 8] {
            for i in 0..392 {
                assert_eq!(place(i, 392, cells, Lattice::Drifting), place(i, 392, cells, Lattice::Exact));
            }
        }
        // 24.5 pixels a cell, tiles of 25: the last pixel lies at the end of cell 15 either way, pixel 49 does not.
        assert_eq!(place(49, 392, 16, Lattice::Exact), (2, 0.0));
        assert_eq!(place(49, 392, 16, Lattice::Drifting), (1, 0.0));
        // 12.25 pixels a cell, tiles of 13: the image ends in tile 30.
        assert_eq!(place(391, 392, 32, Lattice::Exact).0, 31);
        assert_eq!(place(391, 392, 32, Lattice::Drifting).0, 30);
    }

    #[test]
    fn masks_are_the_upper_part_of_the_noise_and_sometimes_empty() {
        let masks: Vec<_> = (0..60).map(|v| mask(98, 98, 5, Lattice::Drifting, &mut rng(v))).collect();
        let share = |m: &Mask| m.data.iter().filter(|&&v| v).count() as f64 / m.data.len() as f64;
        let mean = masks.iter().map(share).sum::<f64>() / masks.len() as f64;
        assert!((0.02..0.15).contains(&mean), "{mean}");
        assert!(masks.iter().all(|m| share(m) < 0.7));
    }
}
