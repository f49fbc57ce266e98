//! From samples to the batch of a step: turned maps, jitter, the navigator's split, and the residuals that follow from it.

use std::sync::Arc;

use snarm_kernels::magnify::magnify;
use snarm_kernels::residual::residual;
use snarm_kernels::row_dot::row_dot;
use snarm_kernels::sigmoid::sigmoid;

use super::samples::Sample;
use super::{Batch, Without};
use crate::error::Result;
use crate::models::snarm::{Matching, Navigation, TRUSTED_FRACTION};
use crate::training::Variables;
use crate::training::random::{key, mix, normal_pair};

/// Ways to lay a square map: four turns, each also mirrored.
pub(super) const TURNS: u64 = 8;

/// How one sample enters a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Way the map is laid, below [`TURNS`].
    pub(super) turn: u64,
    /// Size of the jitter.
    pub(super) jitter: f32,
    /// Key of its random numbers.
    pub(super) key: u64,
}

impl Entry {
    /// As it is.
    pub(super) fn plain(key: u64) -> Self {
        Self { turn: 0, jitter: 0.0, key }
    }
}

/// Makes batches.
pub(super) struct Assembler {
    grid: usize,
    side: usize,
    width: usize,
    without: Without,
    navigation: Navigation,
    intra: Matching,
    q: Vec<f32>,
    descriptors: Vec<f32>,
    residuals: Vec<f32>,
    transformed: Vec<f32>,
}

impl Assembler {
    pub(super) fn new(grid: usize, side: usize, width: usize, without: Without) -> Self {
        Self {
            grid,
            side,
            width,
            without,
            navigation: Navigation::default(),
            intra: Matching::new(width),
            q: Vec::new(),
            descriptors: Vec::new(),
            residuals: Vec::new(),
            transformed: Vec::new(),
        }
    }

    /// The batch of these samples, split by the navigator as it is now, on the device of the variables.
    pub(super) fn batch(&mut self, samples: &[(Arc<Sample>, Entry)], variables: &Variables) -> Result<Batch> {
        let weight = variables.values("simple_predictor.weight")?;
        let bias = variables.values("simple_predictor.bias")?.first().copied().unwrap_or_default();
        let (mut inter, mut intra, mut hard, mut masks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (sample, entry) in samples {
            self.lay(sample, entry);
            jitter(&mut self.descriptors, &mut self.residuals, self.width, entry);
            self.transformed.resize(self.residuals.len(), 0.0);
            residual(&self.residuals, self.width, &mut self.transformed)?;
            magnify(&mut self.transformed, self.width, sample.gain)?;
            self.split(&weight, bias, entry.key)?;
            inter.extend_from_slice(&self.transformed);
            let (trusted, others) = (self.navigation.trusted(), self.navigation.hard());
            if self.without.intra {
                intra.resize(inter.len(), 0.0);
            } else {
                self.intra.with_trusted(&self.descriptors, trusted)?;
                let first = intra.len();
                intra.extend_from_slice(self.intra.transformed());
                magnify(&mut intra[first..], self.width, sample.gain)?;
            }
            hard.push(others.to_vec());
            let place = |i| turned(i, self.side, entry.turn);
            masks.extend((0..self.side * self.side).map(|i| sample.mask[place(i)]));
        }
        Batch::new(inter, intra, &hard, masks, self.grid, self.side)?.to_device(variables.device())
    }

    /// What is left out.
    pub(super) fn without(&self) -> Without {
        self.without
    }

    /// Intra-residuals of the sample that was brought into the batch last.
    pub(super) fn intra(&self) -> &Matching {
        &self.intra
    }

    /// Rows of the sample in the order of the turned map.
    fn lay(&mut self, sample: &Sample, entry: &Entry) {
        for (to, from) in
            [(&mut self.descriptors, &sample.descriptors), (&mut self.residuals, &sample.residuals)]
        {
            to.clear();
            for token in 0..self.grid * self.grid {
                let place = turned(token, self.grid, entry.turn);
                to.extend(from[place * self.width..][..self.width].iter().map(|v| v.to_f32()));
            }
        }
    }

    /// Finds trusted and hard tokens.
    fn split(&mut self, weight: &[f32], bias: f32, key: u64) -> Result<()> {
        let tokens = self.grid * self.grid;
        if self.without.navigator {
            // Rows of one value are waypoints of that value.
            let random: Vec<f32> = (0..tokens as u64).map(|i| (mix(key ^ mix(i)) >> 40) as f32).collect();
            self.navigation.run(&random, 1, None, &[])?;
            debug_assert!(
                (self.navigation.trusted().len() as f64 - tokens as f64 * TRUSTED_FRACTION).abs() < 1.0
            );
            return Ok(());
        }
        self.q.resize(tokens, 0.0);
        row_dot(&self.transformed, weight, bias, &mut self.q)?;
        sigmoid(&mut self.q)?;
        self.navigation.run(&self.transformed, self.width, Some(&self.q), &[])
    }
}

/// Place in a square map of what lies at `i` after the turn.
fn turned(i: usize, side: usize, turn: u64) -> usize {
    let (row, col) = (i / side, i % side);
    let (row, col) = if turn & 4 != 0 { (col, row) } else { (row, col) };
    let row = if turn & 1 != 0 { side - 1 - row } else { row };
    let col = if turn & 2 != 0 { side - 1 - col } else { col };
    row * side + col
}

/// Equation 15: the same normal noise on descriptors and residuals, each times the length of its row over its width.
fn jitter(descriptors: &mut [f32], residuals: &mut [f32], width: usize, entry: &Entry) {
    if entry.jitter == 0.0 {
        return;
    }
    let noise_key = key(entry.key, &[0]);
    let rows = descriptors.chunks_exact_mut(width).zip(residuals.chunks_exact_mut(width));
    for (token, (descriptor, residual)) in rows.enumerate() {
        let size = |row: &[f32]| {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            entry.jitter * length / width as f32
        };
        let (to_descriptor, to_residual) = (size(descriptor), size(residual));
        let pairs = descriptor.chunks_mut(2).zip(residual.chunks_mut(2));
        for (i, (descriptor, residual)) in pairs.enumerate() {
            let noise = normal_pair(noise_key, (token * width.div_ceil(2) + i) as u64);
            for (noise, (d, r)) in noise.iter().zip(descriptor.iter_mut().zip(residual)) {
                *d += noise * to_descriptor;
                *r += noise * to_residual;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::encoder::seeded::values;
    use crate::training::decoder::variables;

    #[test]
    fn every_turn_is_another_permutation() {
        let mut all: Vec<Vec<usize>> =
            (0..TURNS).map(|turn| (0..25).map(|i| turned(i, 5, turn)).collect()).collect();
        for places in &all {
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..25).collect::<Vec<_>>());
        }
        assert_eq!(all[0], (0..25).collect::<Vec<_>>());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), TURNS as usize);
    }

    #[test]
    fn jitter_is_the_same_noise_on_both_and_as_large_as_its_row() {
        let (mut f, mut r) = (values("f", 400 * 64, 0.0, 2.0), values("r", 400 * 64, 0.0, 0.1));
        let (f0, r0) = (f.clone(), r.clone());
        jitter(&mut f, &mut r, 64, &Entry { turn: 0, jitter: 3.0, key: 7 });
        let length = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>().sqrt();
        let mut square = 0.0;
        for i in 0..400 {
            let row = i * 64..(i + 1) * 64;
            let (scale_f, scale_r) =
                (3.0 * length(&f0[row.clone()]) / 64.0, 3.0 * length(&r0[row.clone()]) / 64.0);
            for j in row {
                let (a, b) = ((f[j] - f0[j]) / scale_f, (r[j] - r0[j]) / scale_r);
                assert!((a - b).abs() < 1e-3, "{a} {b}");
                square += a * a;
            }
        }
        assert!((square / 25_600.0 - 1.0).abs() < 0.03, "{square}");
    }

    fn sample(grid: usize, side: usize, width: usize) -> Sample {
        let half = |name: &str| {
            values(name, grid * grid * width, 0.0, 1.0).iter().map(|v| f16::from_f32(*v)).collect()
        };
        let mask = (0..side * side).map(|i| u8::from(i % side < side / 3)).collect();
        let visible = snarm_kernels::preprocess::PixelRect { x: 0, y: 0, width: side, height: side };
        Sample {
            descriptors: half("d"),
            residuals: half("r"),
            mask,
            visible,
            gain: 1.0,
            distances: Vec::new(),
            level: None,
        }
    }

    #[test]
    fn a_turned_sample_has_turned_residuals_and_mask() {
        let (grid, side, width) = (6, 12, 8);
        let shape = crate::models::snarm::decoder::Shape { width, channels: 4, branches: 1 };
        let (variables, _) = variables(&shape, 1).unwrap();
        let mut assembler = Assembler::new(grid, side, width, Without::NOTHING);
        let sample = Arc::new(sample(grid, side, width));
        let mut batch = |turn| {
            let entry = Entry { turn, ..Entry::plain(1) };
            let batch = assembler.batch(&[(Arc::clone(&sample), entry)], &variables).unwrap();
            let rows = |t: &candle_core::Tensor| t.to_vec2::<f32>().unwrap();
            (rows(&batch.inter), rows(&batch.intra), batch.target.masks.to_vec())
        };
        let (inter, intra, mask) = batch(0);
        for turn in 1..TURNS {
            let (inter_t, intra_t, mask_t) = batch(turn);
            for i in 0..grid * grid {
                assert_eq!(inter_t[i], inter[turned(i, grid, turn)]);
                assert_eq!(intra_t[i], intra[turned(i, grid, turn)]);
            }
            assert!((0..side * side).all(|i| mask_t[i] == mask[turned(i, side, turn)]));
        }
    }

    #[test]
    fn what_is_left_out_is_left_out() {
        let (grid, side, width) = (6, 12, 8);
        let shape = crate::models::snarm::decoder::Shape { width, channels: 4, branches: 1 };
        let (variables, _) = variables(&shape, 1).unwrap();
        let sample = Arc::new(sample(grid, side, width));
        let split = |without: Without, key: u64| {
            let mut assembler = Assembler::new(grid, side, width, without);
            let batch = assembler.batch(&[(Arc::clone(&sample), Entry::plain(key))], &variables).unwrap();
            let intra = batch.intra.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (assembler.navigation.hard().to_vec(), intra.iter().any(|v| *v != 0.0))
        };
        let (hard, has_intra) = split(Without::NOTHING, 1);
        assert!(has_intra && hard.len() == 9 && split(Without::NOTHING, 2).0 == hard);
        assert!(!split(Without { intra: true, ..Without::NOTHING }, 1).1);
        let random = Without { navigator: true, ..Without::NOTHING };
        assert!(split(random, 1).0 == split(random, 1).0 && split(random, 1).0 != split(random, 2).0);
    }
}
