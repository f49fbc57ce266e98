//! What a student is taught: the teacher's descriptors, turned to the axes along which they vary most.
//!
//! Distances are all that matching asks of descriptors. A rotation keeps them, and cutting off the axes of least
//! variance, the last of several hundred, costs next to nothing; so a student learns narrow descriptors whose distances are
//! those of the teacher's wide ones.

use snarm_kernels::linear::{Panels, Then, linear};
use snarm_kernels::outer::outer;

use crate::encoder::{Encoder, Workspace};
use crate::error::{Error, Result};

/// Passes of the subspace iteration that finds the axes.
const PASSES: usize = 40;

/// The teacher, one descriptor a patch.
pub struct Teacher {
    encoder: Encoder,
    workspace: Workspace,
}

impl Teacher {
    /// Takes an encoder for a teacher.
    pub fn new(encoder: Encoder) -> Self {
        Self { encoder: encoder.at_patches(), workspace: Workspace::default() }
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// An image (side, side, 3) of bytes to the normalised input (3, side, side) of teacher and student.
    pub fn normalise(&self, rgb: &[u8]) -> Vec<f32> {
        let geometry = self.encoder.geometry();
        let tables: [[f32; 256]; 3] = std::array::from_fn(|c| {
            std::array::from_fn(|v| (v as f32 / 255.0 - geometry.mean[c]) / geometry.std[c])
        });
        let mut input = vec![0.0; rgb.len()];
        let pixels = rgb.len() / 3;
        for (plane, (c, table)) in input.chunks_exact_mut(pixels.max(1)).zip(tables.iter().enumerate()) {
            for (out, pixel) in plane.iter_mut().zip(rgb.as_chunks::<3>().0) {
                *out = table[pixel[c] as usize];
            }
        }
        input
    }

    /// Descriptors (grid * grid, width) of an image of bytes.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn descriptors(&mut self, rgb: &[u8]) -> Result<Vec<f32>> {
        let (input, mut descriptors) = (self.normalise(rgb), Vec::new());
        self.encoder.encode(&input, &mut self.workspace, &mut descriptors)?;
        Ok(descriptors)
    }
}

/// The way from a teacher's descriptors to what the student is to give.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// Axes, the one of the most variance first, each as long as the scale: (width, inner).
    pub axes: Vec<f32>,
    /// What is added: minus the mean descriptor along each axis.
    pub offset: Vec<f32>,
    /// Part of the variance that the axes hold.
    pub kept: f64,
}

impl Projection {
    /// The `width` main axes of `rows` of `inner` elements, scaled to a mean square of 1.
    ///
    /// # Errors
    /// When there are fewer rows than axes, or fewer elements.
    pub fn new(rows: &[f32], inner: usize, width: usize) -> Result<Self> {
        let n = rows.len() / inner.max(1);
        if n <= width || width == 0 || width > inner {
            let expected = format!("1 to {inner} axes, and more descriptors than axes");
            return Err(Error::Values { what: "projection", expected, found: format!("{width} of {n}") });
        }
        let mut mean = vec![0.0_f64; inner];
        for row in rows.chunks_exact(inner) {
            mean.iter_mut().zip(row).for_each(|(mean, v)| *mean += f64::from(*v) / n as f64);
        }
        let covariance = covariance(rows, &mean)?;
        let total: f64 = (0..inner).map(|i| f64::from(covariance[i * inner + i])).sum();
        let axes = main_axes(&covariance, inner, width)?;
        let mut image = vec![0.0; width * inner];
        // Rows times the covariance, which is its own transpose.
        linear(
            &axes,
            &Panels::from_transposed(&covariance, inner, inner),
            &vec![0.0; inner],
            Then::Store,
            &mut image,
        )?;
        let held: f64 = axes.iter().zip(&image).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let scale = (width as f64 / held.max(f64::MIN_POSITIVE)).sqrt();
        let axes: Vec<f32> = axes.iter().map(|v| (f64::from(*v) * scale) as f32).collect();
        let along = |axis: &[f32]| axis.iter().zip(&mean).map(|(a, m)| f64::from(*a) * m).sum::<f64>();
        let offset = axes.chunks_exact(inner).map(|axis| -along(axis) as f32).collect();
        Ok(Self { axes, offset, kept: held / total.max(f64::MIN_POSITIVE) })
    }

    /// Descriptors (n, inner) to targets (n, width).
    ///
    /// # Errors
    /// When a length does not fit.
    pub fn run(&self, descriptors: &[f32]) -> Result<Vec<f32>> {
        let (width, inner) = (self.offset.len(), self.axes.len() / self.offset.len().max(1));
        let panels = Panels::from_transposed(&self.axes, width, inner);
        let mut targets = vec![0.0; descriptors.len() / inner.max(1) * width];
        linear(descriptors, &panels, &self.offset, Then::Store, &mut targets)?;
        Ok(targets)
    }
}

/// Mean product of the deviations of each pair of elements.
fn covariance(rows: &[f32], mean: &[f64]) -> Result<Vec<f32>> {
    let inner = mean.len();
    let n = rows.len() / inner;
    let centred: Vec<f32> = rows
        .chunks_exact(inner)
        .flat_map(|row| row.iter().zip(mean).map(|(v, m)| (f64::from(*v) - m) as f32))
        .collect();
    let mut sums = vec![0.0; inner * inner];
    outer(&centred, inner, &centred, inner, &mut sums)?;
    sums.iter_mut().for_each(|sum| *sum /= n as f32);
    Ok(sums)
}

/// The eigenvectors of the largest eigenvalues, as rows: subspace iteration, the first axes settling first.
fn main_axes(matrix: &[f32], inner: usize, width: usize) -> Result<Vec<f32>> {
    let panels = Panels::from_transposed(matrix, inner, inner);
    let mut axes = crate::encoder::seeded::values("axes", width * inner, 0.0, 1.0);
    let mut image = vec![0.0; axes.len()];
    for _ in 0..PASSES {
        orthonormalise(&mut axes, inner);
        linear(&axes, &panels, &vec![0.0; inner], Then::Store, &mut image)?;
        std::mem::swap(&mut axes, &mut image);
    }
    orthonormalise(&mut axes, inner);
    Ok(axes)
}

/// Gram and Schmidt, each row made orthogonal to those before it, twice.
fn orthonormalise(rows: &mut [f32], inner: usize) {
    for i in 0..rows.len() / inner {
        let (before, rest) = rows.split_at_mut(i * inner);
        let row = &mut rest[..inner];
        for _ in 0..2 {
            for other in before.chunks_exact(inner) {
                let dot: f32 = other.iter().zip(row.iter()).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(v, o)| *v -= dot * o);
            }
            let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let scale = if length > 0.0 { (1.0 / length) as f32 } else { 0.0 };
            row.iter_mut().for_each(|v| *v *= scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::seeded;

    /// Points of two wide axes and many narrow ones, all turned: distances survive the projection to two.
    #[test]
    fn the_main_axes_keep_distances() {
        let (n, inner) = (400, 12);
        let noise = seeded::values("noise", n * inner, 0.0, 0.01);
        let wide = seeded::values("wide", n * 2, 0.0, 1.0);
        let mut turn = seeded::values("turn", 2 * inner, 0.0, 1.0);
        orthonormalise(&mut turn, inner);
        let rows: Vec<f32> = (0..n * inner)
            .map(|i| {
                3.0 + noise[i]
                    + wide[i / inner * 2] * turn[i % inner]
                    + 2.0 * wide[i / inner * 2 + 1] * turn[inner + i % inner]
            })
            .collect();
        let projection = Projection::new(&rows, inner, 2).unwrap();
        assert!(projection.kept > 0.999, "{}", projection.kept);
        let y = projection.run(&rows).unwrap();
        let square: f32 = y.iter().map(|v| v * v).sum::<f32>() / y.len() as f32;
        assert!((square - 1.0).abs() < 1e-3, "{square}");
        let distance = |x: &[f32], width: usize, a: usize, b: usize| {
            let rows = x[a * width..(a + 1) * width].iter().zip(&x[b * width..(b + 1) * width]);
            rows.map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
        };
        let ratio = distance(&y, 2, 0, 1) / distance(&rows, inner, 0, 1);
        for i in 1..n - 1 {
            let (near, far) = (distance(&y, 2, i, i + 1), distance(&rows, inner, i, i + 1));
            assert!((near - ratio * far).abs() < 0.1, "{i}: {near} {far}");
        }
    }

    #[test]
    fn more_axes_than_elements_are_refused() {
        assert!(Projection::new(&[0.0; 40], 4, 5).is_err() && Projection::new(&[0.0; 8], 4, 3).is_err());
    }
}
