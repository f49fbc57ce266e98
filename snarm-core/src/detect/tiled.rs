//! From the features of the tiles of one frame to its raw map.

use std::time::Instant;

use super::postprocess::RawMap;
use super::times::StageTimes;
use crate::bank::Memory;
use crate::encoder::Features;
use crate::error::Result;
use crate::models::Model;
use crate::view::Seen;

/// Scores each tile by itself, against the rows of `memory` that are not of the image `unlike`, and stitches the scores to
/// the map `raw`. Returns the raw image score and the highest raw pixel score of the frame.
///
/// # Errors
/// When the features do not fit the model or the memory.
pub(crate) fn score<'a>(
    model: &mut dyn Model,
    raw: &mut RawMap,
    seen: &Seen,
    features: impl Fn(usize) -> Result<Features<'a>>,
    memory: Option<&Memory>,
    unlike: Option<u32>,
    times: &mut StageTimes,
) -> Result<(f64, f64)> {
    raw.begin(&seen.mosaic);
    for tile in 0..seen.mosaic.tiles() {
        let all_seen = Some(&[][..]);
        let Some(ignored) = seen.ignored.as_ref().map_or(all_seen, |ignored| ignored.of_tile(tile)) else {
            continue;
        };
        let scores = model.score(&features(tile)?, memory, unlike, ignored, times)?;
        let start = Instant::now();
        raw.add(tile, scores, seen)?;
        times.add("postprocess", start.elapsed());
    }
    let start = Instant::now();
    let scores = raw.end(seen)?;
    times.add("postprocess", start.elapsed());
    Ok(scores)
}
