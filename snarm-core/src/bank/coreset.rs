//! Thinning of collected descriptors.

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::coreset::greedy;
use snarm_kernels::linear::{Panels, Then, linear};

use super::Reduction;
use crate::error::Result;
use crate::memory;

/// Width in which the greedy search measures distances.
const PROJECTED: usize = 128;

/// Points whose mean distance is the starting score of the greedy search.
const STARTS: usize = 10;

/// Picks `capacity` of the descriptors, rows of `width`: all where there are no more, in their order. `progress` hears
/// the number of picks now and then.
pub(super) fn thin(
    features: &[f32],
    width: usize,
    capacity: usize,
    reduction: Reduction,
    mut rng: ChaCha8Rng,
    progress: &mut (dyn FnMut(usize) + Send),
) -> Result<Vec<u32>> {
    let n = features.len() / width;
    if n <= capacity {
        return Ok((0..n as u32).collect());
    }
    if reduction != Reduction::Greedy {
        let mut chosen = index::sample(&mut rng, n, capacity).into_vec();
        chosen.sort_unstable();
        return Ok(chosen.into_iter().map(|pick| pick as u32).collect());
    }
    // What is projected, and for each what the search knows of it.
    memory::check("the search for a bank's vectors", n * (PROJECTED + 8) * size_of::<f32>())?;
    let weight = projection(width, &mut rng);
    let starts = index::sample(&mut rng, n, STARTS.min(n)).into_vec();
    let mut projected = vec![0.0; n * PROJECTED];
    snarm_kernels::threads::install(|| -> Result<Vec<u32>> {
        linear(features, &weight, &[0.0; PROJECTED], Then::Store, &mut projected)?;
        let mut each = |done| {
            progress(done);
            true
        };
        Ok(greedy(&projected, PROJECTED, &starts, capacity, &mut each)?)
    })?
}

/// A fresh linear layer without bias, as PatchCore draws it: evenly from -1/sqrt(width) to 1/sqrt(width).
fn projection(width: usize, rng: &mut ChaCha8Rng) -> Panels {
    let bound = 1.0 / (width as f32).sqrt();
    let weight: Vec<f32> = (0..PROJECTED * width).map(|_| rng.random_range(-bound..bound)).collect();
    Panels::from_transposed(&weight, PROJECTED, width)
}
