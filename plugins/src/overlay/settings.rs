//! What the user asks for: the core's style, with GStreamer's types where the properties need them.

use snarm_core::Error;
use snarm_core::overlay::Style;

use super::{Colormap, Draw, Position, Range, RenderMode, Source};

/// What is drawn unless the user says otherwise.
pub(super) const DEFAULT_DRAW: Draw = Draw::HEATMAP.union(Draw::CONTOURS).union(Draw::SCORE).union(Draw::ROI);

/// The properties that can be set.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) draw: Draw,
    pub(super) heatmap_alpha: f64,
    pub(super) colormap: Colormap,
    pub(super) heatmap_range: Range,
    pub(super) heatmap_min: f64,
    pub(super) heatmap_max: f64,
    pub(super) contour_color: u32,
    pub(super) box_color: u32,
    pub(super) text_color: u32,
    pub(super) background_color: u32,
    pub(super) contour_width: u32,
    pub(super) font_scale: f64,
    pub(super) label_format: String,
    pub(super) position: Position,
    pub(super) only_anomalous: bool,
    pub(super) hold_time: u64,
    pub(super) render_mode: RenderMode,
    pub(super) source: Source,
}

impl Default for Settings {
    fn default() -> Self {
        let style = Style::default();
        Self {
            draw: DEFAULT_DRAW,
            heatmap_alpha: style.heatmap_alpha,
            colormap: Colormap::default(),
            heatmap_range: Range::default(),
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
            only_anomalous: false,
            hold_time: 0,
            render_mode: RenderMode::default(),
            source: Source::default(),
        }
    }
}

impl Settings {
    /// Refuses a heat map whose first colour stands for a higher score than its last one. The first one may stand for
    /// the pixel threshold of a frame, which is not always known.
    ///
    /// # Errors
    /// When heat is drawn between such scores.
    pub(super) fn check_heat(&self, pixel_threshold: Option<f64>) -> Result<(), Error> {
        if !self.draw.contains(Draw::HEATMAP) || self.heatmap_range == Range::Auto {
            return Ok(());
        }
        let (first, what) = match pixel_threshold {
            _ if self.heatmap_min >= 0.0 => (self.heatmap_min, "heatmap-min"),
            Some(threshold) => (threshold, "the pixel threshold"),
            None => return Ok(()),
        };
        if first <= self.heatmap_max {
            return Ok(());
        }
        let expected = format!("at least {what}, {first}");
        Err(Error::Setting { name: "heatmap-max", expected, found: self.heatmap_max.to_string() })
    }

    /// The core's style.
    pub(super) fn style(&self) -> Style {
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
            heatmap_auto: self.heatmap_range == Range::Auto,
            heatmap_min: self.heatmap_min,
            heatmap_max: self.heatmap_max,
            contour_color: self.contour_color,
            box_color: self.box_color,
            text_color: self.text_color,
            background_color: self.background_color,
            contour_width: self.contour_width,
            font_scale: self.font_scale,
            label_format: self.label_format.clone(),
            position: self.position.into(),
        }
    }
}
