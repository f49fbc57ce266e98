//! Glue between GStreamer and the core's overlay: properties, and what the base class calls.
#![allow(
    unused_lifetimes,
    missing_docs,
    reason = "written by the Properties derive; the blurbs are the docs"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use snarm_core::overlay::Style;

use super::settings::{DEFAULT_DRAW, Settings};
use super::state::{Figures, State, Way};
use super::{Colormap, Draw, Position, Range, RenderMode, Source, caps};
use crate::properties::properties;
use crate::{frame, lock};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmoverlay", gst::DebugColorFlags::empty(), Some("SNARM overlay"))
});

/// Implementation of the element.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::SnarmOverlay)]
pub struct SnarmOverlay {
    #[property(name = "draw", get, set, type = Draw, member = draw, mutable_playing,
        default_value = DEFAULT_DRAW,
        nick = "Draw", blurb = "What is drawn")]
    #[property(name = "heatmap-alpha", get, set, type = f64, member = heatmap_alpha, mutable_playing, controllable,
        minimum = 0.0, maximum = 1.0, default_value = 0.5,
        nick = "Heat map alpha", blurb = "Opacity of the heat map, 0-1")]
    #[property(name = "colormap", get, set, type = Colormap, member = colormap, mutable_playing, default,
        nick = "Colour map", blurb = "Colours of the heat map")]
    #[property(name = "heatmap-range", get, set, type = Range, member = heatmap_range, mutable_playing, default,
        nick = "Heat map range", blurb = "Which pixel scores the first and the last colour stand for")]
    #[property(name = "heatmap-min", get, set, type = f64, member = heatmap_min, mutable_playing,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Heat map minimum",
        blurb = "Pixel score of the first colour, 0-1; lower scores are not drawn (-1 = the pixel threshold)")]
    #[property(name = "heatmap-max", get, set, type = f64, member = heatmap_max, mutable_playing,
        minimum = 0.0, maximum = 1.0, default_value = 1.0,
        nick = "Heat map maximum", blurb = "Pixel score of the last colour, 0-1")]
    #[property(name = "contour-color", get, set, type = u32, member = contour_color, mutable_playing,
        default_value = 0,
        nick = "Contour colour", blurb = "Colour of contours as 0xAARRGGBB (0 = that of the verdict)")]
    #[property(name = "box-color", get, set, type = u32, member = box_color, mutable_playing,
        default_value = 0,
        nick = "Box colour", blurb = "Colour of boxes, bar and border as 0xAARRGGBB (0 = that of the verdict)")]
    #[property(name = "text-color", get, set, type = u32, member = text_color, mutable_playing,
        default_value = 0xffff_ffff,
        nick = "Text colour", blurb = "Colour of text as 0xAARRGGBB")]
    #[property(name = "background-color", get, set, type = u32, member = background_color, mutable_playing,
        default_value = Style::default().background_color,
        nick = "Background colour", blurb = "Colour of the plate behind text as 0xAARRGGBB")]
    #[property(name = "contour-width", get, set, type = u32, member = contour_width, mutable_playing,
        maximum = 256, default_value = 0,
        nick = "Contour width", blurb = "Width of lines in pixels (0 = by the height of the frame)")]
    #[property(name = "font-scale", get, set, type = f64, member = font_scale, mutable_playing,
        minimum = 0.0, maximum = 64.0, default_value = 0.0,
        nick = "Font scale",
        blurb = "Pixels of one point of the typeface, rounded to a whole number (0 = by the height of the frame)")]
    #[property(name = "label-format", get, set, type = String, member = label_format, mutable_playing,
        default_value = Some("{verdict} {score:.2}"),
        nick = "Label format",
        blurb = "Text of the label; {verdict}, {score}, {score_max}, {threshold}, {area}, {regions}, {frame}, {latency} (in ms) and {source} are replaced, with formats such as {score:.2}, {area:.1%}, {frame:06} and {verdict:>10}; {{ and }} are braces")]
    #[property(name = "position", get, set, type = Position, member = position, mutable_playing, default,
        nick = "Position", blurb = "Corner of the label and the bar")]
    #[property(name = "only-anomalous", get, set, type = bool, member = only_anomalous, mutable_playing,
        nick = "Only anomalous", blurb = "Draw on anomalous frames alone and leave the others untouched")]
    #[property(name = "hold-time", get, set, type = u64, member = hold_time, mutable_playing,
        nick = "Hold time",
        blurb = "Time in nanoseconds for which a result is drawn on following frames that were not analysed (0 = not at all)")]
    #[property(name = "render-mode", get, set, type = RenderMode, member = render_mode, mutable_ready, default,
        nick = "Render mode", blurb = "Whether overlays are blended into the pixels or attached for whoever shows the frame")]
    #[property(name = "source", get, set, type = Source, member = source, mutable_playing, default,
        nick = "Source", blurb = "Metadata that is drawn")]
    pub(super) settings: Mutex<Settings>,
    pub(super) figures: Mutex<Figures>,
    pub(super) state: Mutex<State>,
    /// What downstream said may not hold any more.
    pub(super) reconfigured: AtomicBool,
}

impl SnarmOverlay {
    /// Getter of `stats`.
    fn stats(&self) -> gst::Structure {
        let figures = *lock(&self.figures);
        gst::Structure::builder("snarm-overlay-stats")
            .field("frames", figures.frames)
            .field("drawn", figures.drawn)
            .field("held", figures.held)
            .field("without-meta", figures.without_meta)
            .field("unreadable", figures.unreadable)
            .field("geometry-mismatch", figures.geometry_mismatch)
            .field("attached", figures.attached)
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmOverlay {
    const NAME: &'static str = "GstSnarmOverlay";
    type Type = super::SnarmOverlay;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for SnarmOverlay {
    properties! {
        SnarmOverlay, paths [];
        "stats", "Statistics", "Structure snarm-overlay-stats: frames, drawn, held, without-meta, unreadable (frames that could not be drawn on), geometry-mismatch (whether the last frame had another shape than the analysed one), attached" => stats;
    }

    fn constructed(&self) {
        self.parent_constructed();
        // Otherwise the base class takes the GAP flag off the buffers that pass.
        self.obj().set_gap_aware(true);
    }
}

impl GstObjectImpl for SnarmOverlay {}

impl ElementImpl for SnarmOverlay {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SNARM overlay",
                "Filter/Editor/Video",
                "Draws heat map, contours and score",
                crate::AUTHOR,
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(caps::pad_templates);
        TEMPLATES.as_slice()
    }
}

impl BaseTransformImpl for SnarmOverlay {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.begin()
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let mut state = lock(&self.state);
        state.info = Some(frame::video_info(incaps)?);
        state.way = Way::Unknown;
        if self.reconfigured.swap(false, Ordering::Relaxed) {
            state.blend_only = false;
        }
        Ok(())
    }

    fn transform_caps(
        &self,
        direction: gst::PadDirection,
        caps: &gst::Caps,
        filter: Option<&gst::Caps>,
    ) -> Option<gst::Caps> {
        let mode = lock(&self.settings).render_mode;
        // While a frame is drawn its thread asks nothing, and whoever else asks may get the wider answer.
        let known = self.state.try_lock().is_ok_and(|state| state.blend_only);
        let blend_only = known && !self.reconfigured.load(Ordering::Relaxed);
        let all = caps::transform(direction, caps, mode, blend_only);
        Some(match filter {
            Some(filter) => filter.intersect_with_mode(&all, gst::CapsIntersectMode::First),
            None => all,
        })
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Caps {
            self.reconfigured.store(true, Ordering::Relaxed);
        }
        if self.begins_anew(&event) {
            lock(&self.state).forget();
        }
        // Others come from other threads and must not wait for a frame.
        if event.is_serialized() {
            lock(&self.state).hear(&event);
        }
        self.parent_sink_event(event)
    }

    fn src_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Reconfigure {
            // Downstream may be another, and the event may come while it is being asked.
            self.reconfigured.store(true, Ordering::Relaxed);
        }
        self.parent_src_event(event)
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        frame::propose_allocation(self, query)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        frame::sync_values(&*self.obj(), &CAT, buffer);
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.draw(buffer).map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::error!(CAT, imp = self, "{error}");
            self.post_error_message(error);
            gst::FlowError::Error
        })
    }
}
