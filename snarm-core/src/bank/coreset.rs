//! Thinning of collected descriptors.

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::coreset::{Start, greedy};
use snarm_kernels::linear::{Panels, Then, linear};

use super::Reduction;
use crate::error::Result;

/// Width in which the greedy search measures distances.
const PROJECTED: usize = 128;

/// Points whose mean distance is the starting score of the greedy search.
const STARTS: usize = 10;

/// Thins descriptors in two steps, from one sequence of picks: first those of the first `known` descriptors, then
/// those of all. The picks of the second step include those of the first.
pub(super) struct Thinning<'a> {
    features: &'a [f32],
    width: usize,
    reduction: Reduction,
    rng: ChaCha8Rng,
    /// Descriptors in the width of the greedy search; empty where nothing has to be measured.
    projected: Vec<f32>,
    picks: Vec<u32>,
}

impl<'a> Thinning<'a> {
    /// Over `features`, rows of `width`.
    pub(super) fn new(
        features: &'a [f32],
        width: usize,
        capacity: usize,
        reduction: Reduction,
        mut rng: ChaCha8Rng,
    ) -> Result<Self> {
        let n = features.len() / width;
        let mut projected = Vec::new();
        if reduction == Reduction::Greedy && n > capacity {
            let weight = projection(width, &mut rng);
            projected.resize(n * PROJECTED, 0.0);
            snarm_kernels::threads::install(|| {
                linear(features, &weight, &[0.0; PROJECTED], Then::Store, &mut projected)
            })??;
        }
        Ok(Self { features, width, reduction, rng, projected, picks: Vec::new() })
    }

    /// Picks until there are `capacity` of the first `known` descriptors, and returns all picks, in order.
    pub(super) fn pick(
        &mut self,
        known: usize,
        capacity: usize,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<&[u32]> {
        let count = capacity.min(known);
        if self.reduction != Reduction::Greedy || self.projected.is_empty() {
            self.pick_at_random(known, count);
            return Ok(&self.picks);
        }
        let points = &self.projected[..known * PROJECTED];
        let starts = index::sample(&mut self.rng, known, STARTS.min(known)).into_vec();
        let start =
            if self.picks.is_empty() { Start::MeanDistance(&starts) } else { Start::Picks(&self.picks) };
        self.picks = snarm_kernels::threads::install(|| {
            greedy(points, PROJECTED, start, count, &mut |done| {
                progress(done);
                true
            })
        })??;
        Ok(&self.picks)
    }

    /// The picked rows.
    pub(super) fn rows(&self) -> Vec<f32> {
        let row = |pick: &u32| &self.features[*pick as usize * self.width..][..self.width];
        self.picks.iter().flat_map(row).copied().collect()
    }

    fn pick_at_random(&mut self, known: usize, count: usize) {
        let mut free = vec![true; known];
        self.picks.iter().for_each(|pick| free[*pick as usize] = false);
        let free: Vec<u32> = (0..known as u32).filter(|i| free[*i as usize]).collect();
        let missing = count.saturating_sub(self.picks.len()).min(free.len());
        let mut chosen = index::sample(&mut self.rng, free.len(), missing).into_vec();
        chosen.sort_unstable();
        self.picks.extend(chosen.into_iter().map(|i| free[i]));
    }
}

/// A fresh linear layer without bias, as PatchCore draws it: evenly from -1/sqrt(width) to 1/sqrt(width).
fn projection(width: usize, rng: &mut ChaCha8Rng) -> Panels {
    let bound = 1.0 / (width as f32).sqrt();
    let weight: Vec<f32> = (0..PROJECTED * width).map(|_| rng.random_range(-bound..bound)).collect();
    Panels::from_transposed(&weight, PROJECTED, width)
}
