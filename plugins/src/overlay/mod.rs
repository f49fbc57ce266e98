//! `snarmoverlay`: draws what `snarmdetect` found.
/**
 * SECTION:element-snarmoverlay
 * @title: snarmoverlay
 * @short_description: draws heat map, contours and score
 * @see_also: snarmdetect, snarmbank
 *
 * Reads the `SnarmAnomalyMeta` of each buffer and draws into the frame, in its own format and only where there is
 * something to draw. The colours of the heat map stand for fixed scores, so that a good part looks the same in every
 * frame. Frames without the meta, or that were not analysed, pass untouched unless #GstSnarmOverlay:hold-time says
 * otherwise. Where only a part of the frame was looked at, its edge is drawn.
 *
 * Where downstream draws `GstVideoOverlayComposition` itself (it lists the meta in its answer to the ALLOCATION query,
 * as `glimagesink` and `gloverlaycompositor` do), or where frames cannot be drawn on (GPU memory, other formats), the
 * overlay is attached instead: #GstSnarmOverlay:render-mode.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! videoconvert ! autovideosink
 * ]|
 * Shows what is found in front of a camera.
 * |[
 * gst-launch-1.0 -e filesrc location=line.mp4 ! decodebin ! snarmdetect bank-location=part.bank ! snarmoverlay draw=contours+boxes+score ! videoconvert ! x264enc ! matroskamux ! filesink location=annotated.mkv
 * ]|
 * Records with contours and boxes, without the heat map.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! glimagesink
 * ]|
 * Leaves the drawing to the GPU.
 *
 * Since: plugins-snarm-0.1.0
 */
mod attach;
mod caps;
mod draw;
mod drawing;
mod imp;
mod scene;
mod settings;

use gst::glib;
use gst::prelude::*;
use snarm_core::overlay;

pub use draw::Draw;

glib::wrapper! {
    /// The element `snarmoverlay`.
    pub struct SnarmOverlay(ObjectSubclass<imp::SnarmOverlay>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Colours of the heat map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmColormap")]
pub enum Colormap {
    /// Blue, green, yellow, red.
    #[default]
    #[enum_value(name = "Turbo: blue, green, yellow, red", nick = "turbo")]
    Turbo,
    /// Black, purple, orange, yellow.
    #[enum_value(name = "Inferno: black, purple, orange, yellow", nick = "inferno")]
    Inferno,
    /// Purple, green, yellow.
    #[enum_value(name = "Viridis: purple, green, yellow", nick = "viridis")]
    Viridis,
    /// Blue, cyan, yellow, red.
    #[enum_value(name = "Jet: blue, cyan, yellow, red", nick = "jet")]
    Jet,
    /// Black to white.
    #[enum_value(name = "Gray: black to white", nick = "gray")]
    Gray,
}

impl From<Colormap> for overlay::Colormap {
    fn from(colormap: Colormap) -> Self {
        match colormap {
            Colormap::Turbo => Self::Turbo,
            Colormap::Inferno => Self::Inferno,
            Colormap::Viridis => Self::Viridis,
            Colormap::Jet => Self::Jet,
            Colormap::Gray => Self::Gray,
        }
    }
}

/// Where the label is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmPosition")]
pub enum Position {
    /// Upper left corner.
    #[default]
    #[enum_value(name = "Top left: upper left corner", nick = "top-left")]
    TopLeft,
    /// Upper right corner.
    #[enum_value(name = "Top right: upper right corner", nick = "top-right")]
    TopRight,
    /// Lower left corner.
    #[enum_value(name = "Bottom left: lower left corner", nick = "bottom-left")]
    BottomLeft,
    /// Lower right corner.
    #[enum_value(name = "Bottom right: lower right corner", nick = "bottom-right")]
    BottomRight,
    /// Nowhere.
    #[enum_value(name = "Off: neither label nor bar", nick = "off")]
    Off,
}

impl From<Position> for overlay::Position {
    fn from(position: Position) -> Self {
        match position {
            Position::TopLeft => Self::TopLeft,
            Position::TopRight => Self::TopRight,
            Position::BottomLeft => Self::BottomLeft,
            Position::BottomRight => Self::BottomRight,
            Position::Off => Self::Off,
        }
    }
}

/// What the colours of the heat map stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmHeatmapRange")]
pub enum Range {
    /// The same scores in every frame.
    #[default]
    #[enum_value(name = "Fixed: from heatmap-min to heatmap-max in every frame", nick = "fixed")]
    Fixed,
    /// The lowest and the highest score of each frame.
    #[enum_value(
        name = "Auto: from the lowest to the highest score of each frame, good ones too",
        nick = "auto"
    )]
    Auto,
}

/// How overlays leave the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmRenderMode")]
pub enum RenderMode {
    /// As downstream can.
    #[default]
    #[enum_value(
        name = "Auto: attach where downstream draws compositions or pixels cannot be drawn on, else blend",
        nick = "auto"
    )]
    Auto,
    /// Into the pixels.
    #[enum_value(name = "Blend: draw into the pixels", nick = "blend")]
    Blend,
    /// Beside the pixels.
    #[enum_value(name = "Attach: as GstVideoOverlayComposition beside the pixels", nick = "attach")]
    Attach,
}

/// Metadata that is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmOverlaySource")]
pub enum Source {
    /// What is there.
    #[default]
    #[enum_value(name = "Auto: SnarmAnomalyMeta, else regions of interest", nick = "auto")]
    Auto,
    /// Ours.
    #[enum_value(name = "Snarm: SnarmAnomalyMeta of snarmdetect", nick = "snarm")]
    Snarm,
    /// Anybody's regions.
    #[enum_value(
        name = "Roi: GstVideoRegionOfInterestMeta of any element, as boxes (draw=boxes)",
        nick = "roi"
    )]
    Roi,
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    for api in [
        Draw::static_type(),
        Colormap::static_type(),
        Position::static_type(),
        Range::static_type(),
        RenderMode::static_type(),
        Source::static_type(),
    ] {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "snarmoverlay", gst::Rank::NONE, SnarmOverlay::static_type())
}
