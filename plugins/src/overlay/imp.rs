//! Glue between GStreamer and [`Overlay`].
#![allow(
    unused_lifetimes,
    missing_docs,
    reason = "written by the Properties derive; the blurbs are the docs"
)]

use std::sync::{LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use snarm_core::overlay::{Overlay, Style};

use super::{Colormap, Draw, Position, scene};
use crate::{frame, lock, meta};

/// Frames without a meta after which the user is told.
const MISSING: u32 = 100;

/// What is drawn unless the user says otherwise.
const DEFAULT_DRAW: Draw = Draw::HEATMAP.union(Draw::CONTOURS).union(Draw::SCORE);

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmoverlay", gst::DebugColorFlags::empty(), Some("SNARM overlay"))
});

/// What the user asks for: the core's style, with GStreamer's types where the properties need them.
#[derive(Debug, Clone)]
struct Settings {
    draw: Draw,
    heatmap_alpha: f64,
    colormap: Colormap,
    heatmap_min: f64,
    heatmap_max: f64,
    contour_color: u32,
    box_color: u32,
    text_color: u32,
    background_color: u32,
    contour_width: u32,
    font_scale: f64,
    label_format: String,
    position: Position,
}

impl Default for Settings {
    fn default() -> Self {
        let style = Style::default();
        Self {
            draw: DEFAULT_DRAW,
            heatmap_alpha: style.heatmap_alpha,
            colormap: Colormap::default(),
            heatmap_min: style.heatmap_min,
            heatmap_max: style.heatmap_max,
            contour_color: style.contour_color,
            box_color: style.box_color,
            text_color: style.text_color,
            background_color: style.background_color,
            contour_width: style.contour_width,
            font_scale: style.font_scale,
            label_format: style.label_format,
            position: Position::default(),
        }
    }
}

impl Settings {
    /// The core's style.
    fn into_style(self) -> Style {
        Style {
            heatmap: self.draw.contains(Draw::HEATMAP),
            contours: self.draw.contains(Draw::CONTOURS),
            boxes: self.draw.contains(Draw::BOXES),
            score: self.draw.contains(Draw::SCORE),
            bar: self.draw.contains(Draw::BAR),
            border: self.draw.contains(Draw::BORDER),
            roi: self.draw.contains(Draw::ROI),
            heatmap_alpha: self.heatmap_alpha,
            colormap: self.colormap.into(),
            heatmap_min: self.heatmap_min,
            heatmap_max: self.heatmap_max,
            contour_color: self.contour_color,
            box_color: self.box_color,
            text_color: self.text_color,
            background_color: self.background_color,
            contour_width: self.contour_width,
            font_scale: self.font_scale,
            label_format: self.label_format,
            position: self.position.into(),
        }
    }
}

/// What lives from start to stop.
#[derive(Default)]
struct State {
    info: Option<gst_video::VideoInfo>,
    overlay: Overlay,
    /// Frames without a meta since the start or the last one with a meta.
    missing: u32,
    told: bool,
}

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
        blurb = "Text of the label: {verdict}, {score}, {threshold}, {area} and {regions} are replaced; {score:.2} gives two decimals")]
    #[property(name = "position", get, set, type = Position, member = position, mutable_playing, default,
        nick = "Position", blurb = "Corner of the label and the bar")]
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

impl SnarmOverlay {
    /// Draws what the meta of `buffer` says.
    fn draw(&self, buffer: &mut gst::BufferRef) -> Result<(), gst::ErrorMessage> {
        let style = lock(&self.settings).clone().into_style();
        let mut state = lock(&self.state);
        let Some(found) = meta::read(buffer) else {
            self.missed(&mut state);
            return Ok(());
        };
        state.missing = 0;
        let State { info: Some(info), overlay, .. } = &mut *state else {
            return Err(gst::error_msg!(gst::CoreError::Negotiation, ("a frame came before its caps")));
        };
        if !found.analysed {
            return Ok(());
        }
        let samples = found.map.as_ref().and_then(|map| map.map_readable().ok());
        let boxes = scene::boxes(&found);
        let scene = scene::scene(&found, samples.as_ref(), &boxes);
        // Mapping for writing copies what others read too, so it is left until there is something to draw.
        if overlay.paint(info.width() as usize, info.height() as usize, &scene, &style).is_empty() {
            return Ok(());
        }
        frame::with_frame_mut(buffer, info, |frame| Ok(overlay.draw(frame, &scene, &style)?))
    }

    /// Counts frames without a meta and tells the user once.
    fn missed(&self, state: &mut State) {
        state.missing += 1;
        if state.missing >= MISSING && !state.told {
            state.told = true;
            gst::element_imp_warning!(
                self,
                gst::StreamError::Failed,
                ("{MISSING} frames without {}: is snarmdetect upstream?", meta::NAME)
            );
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmOverlay {
    const NAME: &'static str = "GstSnarmOverlay";
    type Type = super::SnarmOverlay;
    type ParentType = gst_base::BaseTransform;
}

#[glib::derived_properties]
impl ObjectImpl for SnarmOverlay {
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
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(frame::pad_templates);
        TEMPLATES.as_slice()
    }
}

impl BaseTransformImpl for SnarmOverlay {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        lock(&self.state).info = Some(frame::video_info(incaps)?);
        Ok(())
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
