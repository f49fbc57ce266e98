//! Where the time of a decoder goes.

use std::time::{Duration, Instant};

/// Wall-clock time of each part of one frame, over all branches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Residuals to channels, and these to the four orders.
    pub embed: Duration,
    /// Norms and convolutions of the blocks.
    pub convolve: Duration,
    /// The Mamba mixers on the hard tokens.
    pub mix: Duration,
    /// The dilated convolutions of the views.
    pub dilate: Duration,
    /// Logits to the map of probabilities.
    pub average: Duration,
}

impl Times {
    /// Names and times in the order of the decoder.
    pub fn parts(&self) -> [(&'static str, Duration); 5] {
        [
            ("embed", self.embed),
            ("convolve", self.convolve),
            ("mix", self.mix),
            ("dilate", self.dilate),
            ("average", self.average),
        ]
    }
}

/// Adds the time since `start` to a part, and starts anew.
pub(super) fn lap(start: &mut Instant, part: &mut Duration) {
    let now = Instant::now();
    *part += now - *start;
    *start = now;
}
