//! The few directions in which rows differ most, and codes of small integers along them.
//!
//! # What a code says
//! A row x, less the centre, has the image f(x) = A x + u h(x) of r numbers, with h(x) = sqrt(|x|^2 - |A x|^2): the directions
//! are those of the largest variance (principal components), h is the length of what lies outside of them, and a rotation
//! spreads all over the r numbers, so that one step of quantisation suits all. The code c is the image in steps s, rounded.
//!
//! # The bound
//! Images are never farther apart than rows, but for a factor near 1. Where A has no singular value above 1 there is an N with
//! AᵀA + NᵀN = 1, and h(x) = |N x|. For two rows of difference z and distance D = |z| so (h - h')^2 <= |N z|^2, and
//!
//! |f - f'|^2 = |A z|^2 + |u|^2 (h - h')^2 + 2 (h - h') uᵀA z <= |A z|^2 + |N z|^2 + 2 |Aᵀu| D^2 = (1 + 2 |Aᵀu|) D^2.
//!
//! With radii e >= |f - o - s c| (o: origin of the codes) the triangle inequality gives s |c - c'| <= sqrt(1 + 2 |Aᵀu|) D + e + e'.
//! The length on the left is that of integers, and exact. That A and u are so is measured when they are made, in f64, not
//! supposed. Radii hold what is lost by rounding to f32, too: a sum of d products is off by at most (d + 1) 2^-24 times the sum
//! of their sizes in any order, with fused products or without (Higham, Accuracy and Stability of Numerical Algorithms, 3.1).

use super::found::{UNIT, rounding};
use crate::math::lane_sum;
use crate::simd::dispatch;
use crate::tile::{Panels, RowBlock, Sink, multiply};

/// The most numbers of a code.
pub(super) const MOST: usize = 64;

/// The largest number of a code, and the least with the other sign.
pub(super) const LARGEST: f32 = 127.0;

/// Rows that the directions are found with.
const SAMPLE: usize = 4096;

/// Rounds of the search for directions.
const ROUNDS: usize = 10;

/// Rows longer than this, beside the centre, have no codes; nothing that is computed of others overflows.
const LONGEST: f64 = (1_u64 << 50) as f64;

/// The least step: its square is far above the least f32.
const LEAST_STEP: f32 = 1.0 / (1_u64 << 40) as f32;

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Basis {
    width: usize,
    len: usize,
    centre: Vec<f32>,
    /// A, r rows of d.
    directions: Panels,
    /// u; nothing where A leaves nothing over.
    height: Option<Vec<f32>>,
    origin: Vec<f32>,
    step: f32,
    stretch: f64,
}

/// What belongs to a code of integers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About {
    /// Sum of the squares of its integers.
    pub(super) norm: i32,
    /// Their sum.
    pub(super) sum: i32,
    /// How far it may lie from the image; infinite where it says nothing.
    pub(super) radius: f32,
}

/// Scratch of [`Basis::encode`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    centred: Vec<f32>,
    images: Vec<f32>,
}

impl Basis {
    /// Of the rows, of width d; nothing where they hold what is no number, or there are none.
    pub(super) fn of(rows: &[f32], d: usize) -> Option<Self> {
        let n = rows.len() / d.max(1);
        let picks = (0..n).step_by(n.div_ceil(SAMPLE).max(1)).map(|i| &rows[i * d..][..d]);
        let picks: Vec<&[f32]> = picks.filter(|row| lane_sum(row, |v| v * v).is_finite()).collect();
        if picks.is_empty() {
            return None;
        }
        let count = picks.len() as f64;
        let mut centre = vec![0.0_f64; d];
        for row in &picks {
            centre.iter_mut().zip(*row).for_each(|(sum, v)| *sum += f64::from(*v) / count);
        }
        let centre: Vec<f32> = centre.iter().map(|v| *v as f32).collect();
        let len = if d > MOST { MOST } else { d.next_multiple_of(4) };
        let (directions, height) = if d > MOST {
            let found = principal(&picks, &centre, d, len - 1);
            rotated(&found, d, len, true)
        } else {
            let own: Vec<f64> = (0..d * d).map(|i| f64::from(u8::from(i % (d + 1) == 0))).collect();
            rotated(&own, d, len, false)
        };
        let stretch = stretch(&directions, height.as_deref(), d, len)?;
        let directions = Panels::from_transposed(&directions, len, d);
        let origin = vec![0.0; len];
        let mut basis = Self { width: d, len, centre, directions, height, origin, step: 1.0, stretch };
        basis.fit(&picks.concat());
        basis.step.is_finite().then_some(basis)
    }

    /// Chooses origin and step for the images of those rows.
    fn fit(&mut self, rows: &[f32]) {
        let (mut scratch, r) = (Scratch::default(), self.len);
        self.images(rows, &mut scratch);
        for row in 0..rows.len() / self.width {
            self.raise(row, &mut scratch);
        }
        let n = scratch.images.len() / r;
        let mut means = vec![0.0_f64; r];
        for image in scratch.images.chunks_exact(r) {
            means.iter_mut().zip(image).for_each(|(mean, v)| *mean += f64::from(*v) / n as f64);
        }
        self.origin = means.iter().map(|v| *v as f32).collect();
        let largest = |image: &[f32]| {
            image.iter().zip(&self.origin).fold(0.0_f32, |most, (v, o)| most.max((v - o).abs()))
        };
        let mut sizes: Vec<f32> = scratch.images.chunks_exact(r).map(largest).collect();
        sizes.sort_unstable_by(f32::total_cmp);
        // Codes of a few rows that lie far out may be cut: their radii tell.
        let size = sizes.last().map_or(0.0, |most| most.min(2.0 * sizes[n / 2]));
        let far = self.centre.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
        // Rows that are all the same are given codes, too.
        self.step = (size.max(far / 1024.0) / LARGEST).max(LEAST_STEP);
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Numbers of a code, a multiple of four.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The squared length, in steps, that no difference of the codes of two rows exceeds whose squared distance, as it is
    /// measured, is at most `square`, and whose radii sum up to `radius`. Infinite where it is not known.
    #[inline(always)]
    pub(super) fn reach(&self, square: f32, radius: f64) -> f64 {
        // Squares below the least f32 may be lost, 2^-149 each; the least step is far above their root.
        let distance = (f64::from(square) * (1.0 + 2.0 * rounding(self.width))).sqrt();
        let steps = (self.stretch * distance + radius) / f64::from(self.step) + 1e-3;
        steps * steps * (1.0 + 1e-9)
    }

    /// Finds the code of each row. `each` is given its number, its integers and what belongs to them.
    pub(super) fn encode(
        &self,
        rows: &[f32],
        scratch: &mut Scratch,
        mut each: impl FnMut(usize, &[f32], About),
    ) {
        self.images(rows, scratch);
        for row in 0..rows.len() / self.width {
            let (square, lost) = self.raise(row, scratch);
            let image = &mut scratch.images[row * self.len..][..self.len];
            let about = dispatch(
                #[inline(always)]
                || self.quantise(image, square, lost),
            );
            each(row, image, about);
        }
    }

    /// The images but for the part outside of the directions.
    fn images(&self, rows: &[f32], scratch: &mut Scratch) {
        let (d, n) = (self.width, rows.len() / self.width);
        scratch.centred.resize(rows.len(), 0.0);
        scratch.images.resize(n * self.len, 0.0);
        for (centred, row) in scratch.centred.chunks_exact_mut(d).zip(rows.chunks_exact(d)) {
            for ((centred, v), centre) in centred.iter_mut().zip(row).zip(&self.centre) {
                *centred = v - centre;
            }
        }
        let block = RowBlock { data: &scratch.centred, stride: d, n_rows: n };
        multiply(&block, &self.directions, &mut Store { y: &mut scratch.images, n: self.len });
    }

    /// Adds the part outside of the directions to an image. Returns the squared length of the row and what rounding may have
    /// moved the image by.
    fn raise(&self, row: usize, scratch: &mut Scratch) -> (f32, f64) {
        let centred = &scratch.centred[row * self.width..][..self.width];
        let image = &mut scratch.images[row * self.len..][..self.len];
        dispatch(
            #[inline(always)]
            || {
                let square = lane_sum(centred, |v| v * v);
                let length = f64::from(square).sqrt() * 1.001;
                // A sum of products of each row of A with x is off by 2^-24 (d + 1) |A_i| |x|, all of them by that times
                // sqrt(r); three more roundings are those of x, and of what is added below.
                let part = (self.width + self.len + 8) as f64 * UNIT * (self.len as f64).sqrt();
                let lost = 1.1 * part * length;
                let Some(height) = &self.height else { return (square, lost) };
                let rest = (square - lane_sum(image, |v| v * v)).max(0.0).sqrt();
                for (v, u) in image.iter_mut().zip(height) {
                    *v += u * rest;
                }
                // |x|^2 and |A x|^2 are off by less than this, and |a - b| = |a^2 - b^2| / (a + b).
                let off = 3.0 * part * length * length;
                (square, lost + off.sqrt().min(off / f64::from(rest)))
            },
        )
    }

    /// Replaces an image by its code.
    #[inline(always)]
    fn quantise(&self, image: &mut [f32], square: f32, lost: f64) -> About {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer.
        let (step, scale) = (self.step, 1.0 / self.step);
        let mut errors = [0.0_f32; MOST];
        for ((v, origin), error) in image.iter_mut().zip(&self.origin).zip(&mut errors) {
            let offset = *v - origin;
            let code = ((offset * scale).clamp(-LARGEST, LARGEST) + ROUND) - ROUND;
            *error = offset - code * step;
            *v = code;
        }
        // Rounding of the error itself: of offset and of code * step, each within 2^-24 of at most 127 steps where nothing was
        // cut, in parts of the error where it was.
        let error = f64::from(lane_sum(&errors, |e| e * e)).sqrt() * 1.001;
        let radius = error + lost + f64::from(step) * 1e-3 * (self.len as f64).sqrt();
        let known = f64::from(square).sqrt() < LONGEST && radius.is_finite();
        if !known {
            image.fill(0.0);
            return About { norm: 0, sum: 0, radius: f32::INFINITY };
        }
        About {
            norm: lane_sum(image, |v| v * v) as i32,
            sum: lane_sum(image, |v| v) as i32,
            radius: (radius * (1.0 + 1e-6)) as f32,
        }
    }
}

struct Store<'a> {
    y: &'a mut [f32],
    n: usize,
}

impl Sink for Store<'_> {
    #[inline(always)]
    fn take(&mut self, row: usize, col: usize, sums: &[f32]) {
        self.y[row * self.n + col..][..sums.len()].copy_from_slice(sums);
    }
}

/// Numbers in -1..1, always the same.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Makes rows of width d orthogonal and of length 1, one after the other (Gram and Schmidt, twice). A row that lies in the span
/// of those before it is replaced by noise.
fn orthonormal(rows: &mut [f64], d: usize, noise: &mut Noise) {
    for i in 0..rows.len() / d {
        let (before, rest) = rows.split_at_mut(i * d);
        let row = &mut rest[..d];
        for _ in 0..8 {
            let whole = dot(row, row).sqrt();
            for _ in 0..2 {
                for other in before.chunks_exact(d) {
                    let part = dot(row, other);
                    row.iter_mut().zip(other).for_each(|(v, o)| *v -= part * o);
                }
            }
            let left = dot(row, row).sqrt();
            if left > 1e-9 * whole {
                row.iter_mut().for_each(|v| *v /= left);
                break;
            }
            row.iter_mut().for_each(|v| *v = noise.next());
        }
    }
}

/// Directions of the largest variance, `count` rows of width d, by orthogonal iteration. How good they are matters to speed
/// alone.
fn principal(picks: &[&[f32]], centre: &[f32], d: usize, count: usize) -> Vec<f64> {
    let n = picks.len();
    let largest = picks
        .iter()
        .flat_map(|row| row.iter().zip(centre))
        .fold(0.0_f32, |most, (v, c)| most.max((v - c).abs()));
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let mut columns = vec![0.0_f32; d * n];
    for (i, row) in picks.iter().enumerate() {
        for (j, (v, c)) in row.iter().zip(centre).enumerate() {
            columns[j * n + i] = (v - c) * scale;
        }
    }
    let mut covariance = vec![0.0_f32; d * d];
    let all = Panels::from_transposed(&columns, d, n);
    multiply(
        &RowBlock { data: &columns, stride: n, n_rows: d },
        &all,
        &mut Store { y: &mut covariance, n: d },
    );
    let covariance = Panels::from_transposed(&covariance, d, d);
    let mut noise = Noise(1);
    let mut rows: Vec<f64> = (0..count * d).map(|_| noise.next()).collect();
    orthonormal(&mut rows, d, &mut noise);
    let mut next = vec![0.0_f32; count * d];
    for _ in 0..ROUNDS {
        let now: Vec<f32> = rows.iter().map(|v| *v as f32).collect();
        let block = RowBlock { data: &now, stride: d, n_rows: count };
        multiply(&block, &covariance, &mut Store { y: &mut next, n: d });
        rows.iter_mut().zip(&next).for_each(|(v, next)| *v = f64::from(*next));
        orthonormal(&mut rows, d, &mut noise);
    }
    rows
}

/// A and u: directions, and where `with_height` one more, in a rotation of r.
fn rotated(directions: &[f64], d: usize, r: usize, with_height: bool) -> (Vec<f32>, Option<Vec<f32>>) {
    let mut noise = Noise(2);
    let mut rotation: Vec<f64> = (0..r * r).map(|_| noise.next()).collect();
    orthonormal(&mut rotation, r, &mut noise);
    // A little shorter than 1, so that rounding leaves no singular value above 1.
    let shorter = 1.0 - 1.0 / 4096.0;
    let mut a = vec![0.0_f32; r * d];
    for (a, turn) in a.chunks_exact_mut(d).zip(rotation.chunks_exact(r)) {
        for (j, v) in a.iter_mut().enumerate() {
            let sum: f64 = directions.chunks_exact(d).zip(turn).map(|(row, turn)| turn * row[j]).sum();
            *v = (sum * shorter) as f32;
        }
    }
    let height = || rotation.chunks_exact(r).map(|turn| (turn[r - 1] * shorter) as f32).collect();
    (a, with_height.then(height))
}

/// The factor by which images may lie farther apart than rows; nothing where A has singular values above 1, or u is longer.
///
/// The largest eigenvalue of a symmetric matrix is at most the largest sum of the sizes in a row. With u it is taken of
/// A Aᵀ + u uᵀ, which is nearly 1 and has none below those of A Aᵀ; without, of AᵀA.
fn stretch(a: &[f32], height: Option<&[f32]>, d: usize, r: usize) -> Option<f64> {
    let wide: Vec<f64> = a.iter().map(|v| f64::from(*v)).collect();
    let largest = |rows: &[f64], n: usize, width: usize, more: &dyn Fn(usize, usize) -> f64| {
        let row = |i: usize| -> f64 {
            let other =
                |j: usize| (dot(&rows[i * width..][..width], &rows[j * width..][..width]) + more(i, j)).abs();
            (0..n).map(other).sum()
        };
        (0..n).map(row).fold(0.0, f64::max)
    };
    let Some(u) = height else {
        let mut turned = vec![0.0; d * r];
        for (i, row) in wide.chunks_exact(d).enumerate() {
            row.iter().enumerate().for_each(|(j, v)| turned[j * r + i] = *v);
        }
        return (largest(&turned, d, r, &|_, _| 0.0) < 1.0 - 1e-6).then_some(1.0);
    };
    let along = |i: usize, j: usize| f64::from(u[i]) * f64::from(u[j]);
    if largest(&wide, r, d, &along) >= 1.0 - 1e-6 {
        return None;
    }
    let part = |j: usize| wide.chunks_exact(d).zip(u).map(|(row, u)| row[j] * f64::from(*u)).sum::<f64>();
    let across = (0..d).map(|j| part(j).powi(2)).sum::<f64>().sqrt();
    Some((1.0 + 2.0 * across).sqrt() + 1e-9)
}
