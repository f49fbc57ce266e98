//! What elements other than ours attached to a buffer.

use snarm_core::overlay::RegionBox;
use snarm_core::view::Rect;

/// What other elements attached.
#[derive(Debug, Clone, Default)]
pub(super) struct Others {
    pub(super) boxes: Vec<RegionBox>,
    /// Of the boxes.
    pub(super) labels: Vec<String>,
    pub(super) mask: Option<Mask>,
    /// The class of the frame, and how likely it is.
    pub(super) class: Option<(String, f64)>,
}

/// A mask as a map of 0 and 1.
#[derive(Debug, Clone)]
pub(super) struct Mask {
    pub(super) map: gst::Buffer,
    /// The part of the frame under it.
    pub(super) rect: Rect,
    /// Part of the frame where it is 1.
    pub(super) area: f64,
}
