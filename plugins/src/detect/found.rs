//! What was found in a frame, and with which bank.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use snarm_core::bank::Calibration;
use snarm_core::detect::Limits;
use snarm_core::light::Quality;
use snarm_core::results::Resolution;
use snarm_core::view::Crop;

use super::ThresholdMode;
use super::drift::Ranges;
use crate::lock;
use crate::meta::AnomalyMeta;

/// What was found in a frame.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) meta: AnomalyMeta,
    /// Light and sharpness of the frame, where they are known.
    pub(super) quality: Option<Quality>,
    /// The mask as a picture of 0 and 1.
    #[cfg(feature = "analytics")]
    pub(super) mask: Option<gst::Buffer>,
}

/// What is said of a bank while it is in use.
#[derive(Debug)]
pub(super) struct InUse {
    pub(super) location: PathBuf,
    pub(super) generation: u32,
    pub(super) load_time: Duration,
    pub(super) bank_id: String,
    pub(super) model_id: String,
    pub(super) limits: Limits,
    pub(super) calibration: Calibration,
    pub(super) crop: Crop,
    /// The learned ranges of light and sharpness, as multiples of what is usual, where they are known.
    pub(super) ranges: Option<Ranges>,
    /// Why its thresholds are not those of the tiles in use, if they are not.
    pub(super) doubt_of_tiles: Option<String>,
    /// Why its threshold is a guess, if it is.
    pub(super) doubt: Option<String>,
    /// Value of the property `bank-info`.
    pub(super) info: gst::Structure,
    /// The threshold that was asked for last, by mode, target and frames a second.
    pub(super) asked: Mutex<Option<(ThresholdMode, [f64; 2], f64)>>,
}

impl InUse {
    /// A threshold of this bank, which is found once: it takes longer than the rest of what is done for a frame.
    pub(super) fn threshold(
        &self,
        mode: ThresholdMode,
        asked: [f64; 2],
        find: impl FnOnce(&Calibration) -> f64,
    ) -> f64 {
        let mut last = lock(&self.asked);
        match *last {
            Some((of, with, threshold)) if of == mode && with == asked => threshold,
            _ => {
                let threshold = find(&self.calibration);
                *last = Some((mode, asked, threshold));
                threshold
            }
        }
    }
}

impl Found {
    /// The same result for a later frame that was not looked at.
    pub(super) fn stale(&self, number: u64, info: &gst_video::VideoInfo) -> Self {
        let mut found = self.clone();
        found.meta.analysed = false;
        found.meta.stale = true;
        found.meta.frame_number = number;
        found.meta.latency = 0;
        found.meta.resolution = Resolution { width: info.width(), height: info.height() };
        found
    }
}
