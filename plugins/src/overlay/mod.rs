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
 * otherwise. Where only a part of the frame was looked at, its edge is drawn. Where the stream is tagged with
 * `image-orientation`, labels are drawn such that they can be read where the frame is shown upright. A buffer that cannot be
 * drawn on passes as it is: the first of a run is a warning, and `unreadable` in #GstSnarmOverlay:stats counts them all.
 *
 * What other elements found is drawn too: #GstSnarmOverlay:source=roi boxes their regions of interest. Built with the
 * feature `analytics` (GStreamer 1.26), `source=analytics` draws a `GstAnalyticsRelationMeta`: region 0 of a
 * segmentation is background and the rest heat and contours, objects are boxes, and the class of the frame with its
 * confidence are the label's verdict and score.
 *
 * Where downstream draws `GstVideoOverlayComposition` itself (it lists the meta in its answer to the ALLOCATION query,
 * as `glimagesink` and `gloverlaycompositor` do), or where frames cannot be drawn on (GL memory, other formats), the
 * overlay is attached instead: #GstSnarmOverlay:render-mode. Frames in CUDA memory are drawn on where they are,
 * or by the CPU, after a download and one warning, where the GPU cannot.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! videoconvert ! autovideosink
 * ]|
 * Shows what is found in front of a camera.
 * |[
 * gst-launch-1.0 -e filesrc location=line.mp4 ! decodebin ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay draw=contours+boxes+score ! videoconvert ! x264enc ! matroskamux ! filesink location=annotated.mkv
 * ]|
 * Records with contours and boxes, without the heat map.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! glimagesink
 * ]|
 * Leaves the drawing to the GPU.
 *
 * Since: plugins-snarm-0.1.0
 */
#[cfg(feature = "analytics")]
mod analytics;
mod attach;
mod caps;
mod draw;
mod drawing;
mod imp;
mod others;
mod scene;
mod settings;
mod state;

use gst::glib;
use gst::prelude::*;
use snarm_core::overlay;

use crate::meta;
use crate::properties::choices;

pub use draw::Draw;

glib::wrapper! {
    /// The element `snarmoverlay`.
    pub struct SnarmOverlay(ObjectSubclass<imp::SnarmOverlay>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

choices! {
    /// Colours of the heat map.
    Colormap, "GstSnarmColormap" for overlay::Colormap;
    #[default]
    Turbo, "turbo", "Turbo: blue, green, yellow, red";
    Inferno, "inferno", "Inferno: black, purple, orange, yellow";
    Viridis, "viridis", "Viridis: purple, green, yellow";
    Jet, "jet", "Jet: blue, cyan, yellow, red";
    Gray, "gray", "Gray: black to white";
}

choices! {
    /// Where the label is drawn.
    Position, "GstSnarmPosition" for overlay::Position;
    #[default]
    TopLeft, "top-left", "Top left: upper left corner";
    TopRight, "top-right", "Top right: upper right corner";
    BottomLeft, "bottom-left", "Bottom left: lower left corner";
    BottomRight, "bottom-right", "Bottom right: lower right corner";
    Off, "off", "Off: neither label nor bar";
}

choices! {
    /// What the colours of the heat map stand for.
    Range, "GstSnarmHeatmapRange";
    #[default]
    Fixed, "fixed", "Fixed: from heatmap-min to heatmap-max in every frame";
    Auto, "auto", "Auto: from the lowest to the highest score of each frame, good ones too";
}

choices! {
    /// How overlays leave the element.
    RenderMode, "GstSnarmRenderMode";
    #[default]
    Auto, "auto", "Auto: attach where downstream draws compositions or pixels cannot be drawn on, else blend";
    Blend, "blend", "Blend: draw into the pixels";
    Attach, "attach", "Attach: as GstVideoOverlayComposition beside the pixels";
}

#[cfg(not(feature = "analytics"))]
choices! {
    /// Metadata that is drawn.
    Source, "GstSnarmOverlaySource";
    #[default]
    Auto, "auto", "Auto: SnarmAnomalyMeta, else regions of interest";
    Snarm, "snarm", "Snarm: SnarmAnomalyMeta of snarmdetect";
    Roi, "roi", "Roi: GstVideoRegionOfInterestMeta of any element, as boxes (draw=boxes)";
}

#[cfg(feature = "analytics")]
choices! {
    /// Metadata that is drawn.
    Source, "GstSnarmOverlaySource";
    #[default]
    Auto, "auto", "Auto: SnarmAnomalyMeta, else GstAnalyticsRelationMeta, else regions of interest";
    Snarm, "snarm", "Snarm: SnarmAnomalyMeta of snarmdetect";
    Roi, "roi", "Roi: GstVideoRegionOfInterestMeta of any element, as boxes (draw=boxes)";
    Analytics, "analytics", "Analytics: GstAnalyticsRelationMeta of any element: segmentation, objects, class of the frame";
}

impl Source {
    /// The metadata that is missed most, and an element that attaches it.
    fn missed(self) -> [&'static str; 2] {
        match self {
            #[cfg(feature = "analytics")]
            Self::Analytics => ["GstAnalyticsRelationMeta", "an analytics element"],
            _ => [meta::NAME, "snarmdetect"],
        }
    }
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
