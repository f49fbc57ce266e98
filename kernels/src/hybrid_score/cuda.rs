//! A thread a token.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const MEAN_DISTANCES: Kernel = kernel!("hybrid_score.ptx", "mean_distances");
const HYBRID_SCORE: Kernel = kernel!("hybrid_score.ptx", "hybrid_score");

pub(super) fn mean_distances(squared: Slice<'_>, k: usize, distances: &SliceMut<'_>) -> Result<()> {
    let n = distances.len();
    let arguments = [squared.arg(), distances.arg(), Arg::size(n), Arg::size(k)];
    distances.queue().launch_each(&MEAN_DISTANCES, n, &arguments)
}

pub(super) fn hybrid_score(distances: Slice<'_>, squared: Slice<'_>, scores: &SliceMut<'_>) -> Result<()> {
    let n = scores.len();
    let arguments = [distances.arg(), squared.arg(), scores.arg(), Arg::size(n)];
    scores.queue().launch_each(&HYBRID_SCORE, n, &arguments)
}
