//! What the element remembers from frame to frame.

use snarm_core::overlay::{Overlay, Style};

use super::scene::Found;
use crate::cuda::Brush;
use crate::orientation::Turning;

/// How overlays leave the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Way {
    /// Downstream has not been asked since the caps changed.
    #[default]
    Unknown,
    /// Blended into the pixels.
    Blend,
    /// Attached as a composition.
    Attach,
}

/// What lives from start to stop.
#[derive(Default)]
pub(super) struct State {
    pub(super) info: Option<gst_video::VideoInfo>,
    pub(super) way: Way,
    /// Downstream was asked and takes no compositions.
    pub(super) blend_only: bool,
    pub(super) overlay: Overlay,
    pub(super) brush: Brush,
    pub(super) style: Style,
    /// The last result, and the time of its frame.
    pub(super) held: Option<(Found, Option<gst::ClockTime>)>,
    /// Frames without a meta since the start or the last one with a meta.
    pub(super) missing: u32,
    pub(super) told_missing: bool,
    pub(super) told_shape: bool,
    /// Whether the user knows that the scores of the heat map contradict each other.
    pub(super) told_heat: bool,
    /// Whether the last frame that was to be drawn on could not be.
    pub(super) broken: bool,
    pub(super) turning: Turning,
}

impl State {
    /// Forgets the result that is held.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    /// Takes what an event says of how frames are turned. A result of frames that were turned in another way is of no use.
    pub(super) fn hear(&mut self, event: &gst::Event) {
        if self.turning.hear(event) {
            self.forget();
        }
    }
}

/// Counts for the property `stats`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) frames: u64,
    pub(super) drawn: u64,
    pub(super) held: u64,
    pub(super) without_meta: u64,
    pub(super) unreadable: u64,
    pub(super) geometry_mismatch: bool,
    pub(super) attached: bool,
}
