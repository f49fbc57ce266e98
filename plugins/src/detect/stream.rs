//! What the element remembers of a stream: frames that wait, the last result, and what the worker is given.

use std::collections::VecDeque;

use super::found::Found;
use super::settings::Settings;
use crate::frame::Layout;
use crate::orientation::Turning;

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is analysed.
    Analyse,
    /// It gets the last result.
    Repeat,
    /// It gets none: there is nothing to see, or nobody wants to.
    Leave,
}

/// A frame inside the element.
pub(super) struct Frame {
    pub(super) buffer: gst::Buffer,
    pub(super) number: u64,
    pub(super) turn: Turn,
}

/// What lives from start to stop.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) info: Option<gst_video::VideoInfo>,
    pub(super) turning: Turning,
    /// The last result, for frames that get no own.
    pub(super) last: Option<Found>,
    /// Frames in order; the first is at the worker.
    pub(super) held: VecDeque<Frame>,
    /// Number of the next frame.
    pub(super) frames: u64,
    /// Frames until the next one is analysed.
    pub(super) wait: u32,
    /// Whether the last frame that was to be analysed could not be read.
    pub(super) broken: bool,
    /// Whether the user knows that the threshold is missing.
    pub(super) told_threshold: bool,
    /// Whether the user knows that the lower threshold is above the threshold.
    pub(super) told_band: bool,
    /// Whether a frame was kept back since the last one that went on.
    pub(super) discont: bool,
    /// What downstream said to frames that the worker sent, for upstream to hear.
    pub(super) failed: Option<gst::FlowError>,
}

impl Stream {
    /// What comes now has nothing to do with the last result: the next frame is analysed.
    pub(super) fn forget_result(&mut self) {
        (self.last, self.wait) = (None, 0);
    }
}

/// A frame for the worker.
pub(super) struct Job {
    pub(super) buffer: gst::Buffer,
    pub(super) layout: Layout,
    pub(super) settings: Settings,
    pub(super) number: u64,
}

/// What became of it.
pub(super) type Outcome = Result<Found, gst::ErrorMessage>;
