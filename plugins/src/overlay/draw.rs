//! The flags of the property `draw`.
#![allow(missing_docs, reason = "the flags attribute drops the docs of what it declares")]

use gst::glib;

/// What is drawn.
#[glib::flags(name = "GstSnarmDraw")]
pub enum Draw {
    /// The anomaly map in colours.
    #[flags_value(name = "Heatmap: pixel scores in colours", nick = "heatmap")]
    HEATMAP = 1 << 0,
    /// Outlines of the regions.
    #[flags_value(name = "Contours: outlines where pixel scores pass their threshold", nick = "contours")]
    CONTOURS = 1 << 1,
    /// Boxes around the regions.
    #[flags_value(name = "Boxes: a box around each region", nick = "boxes")]
    BOXES = 1 << 2,
    /// The label with verdict and score.
    #[flags_value(name = "Score: a label with verdict and score", nick = "score")]
    SCORE = 1 << 3,
    /// The score against its threshold.
    #[flags_value(name = "Bar: the score against its threshold", nick = "bar")]
    BAR = 1 << 4,
    /// A border around the frame.
    #[flags_value(name = "Border: a frame in the colour of the verdict", nick = "border")]
    BORDER = 1 << 5,
    /// Edge of the analysed part.
    #[flags_value(
        name = "Roi: edge of the part that was analysed, where that is not the whole frame",
        nick = "roi"
    )]
    ROI = 1 << 6,
}
