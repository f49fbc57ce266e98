//! What the user can choose about the drawing.

pub use super::colormap::Colormap;

/// Corner of the frame in which the label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Position {
    /// Upper left.
    #[default]
    TopLeft,
    /// Upper right.
    TopRight,
    /// Lower left.
    BottomLeft,
    /// Lower right.
    BottomRight,
    /// Nowhere: neither label nor bar.
    Off,
}

/// What is drawn and how. Colours are `0xAARRGGBB`.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// Draw the map as colours.
    pub heatmap: bool,
    /// Draw lines around what lies above the pixel threshold.
    pub contours: bool,
    /// Draw a box around each region.
    pub boxes: bool,
    /// Draw the label.
    pub score: bool,
    /// Draw the score against its threshold.
    pub bar: bool,
    /// Draw a border around the frame in the colour of the verdict.
    pub border: bool,
    /// Draw the edge of the part of the frame that was looked at, where that is not the whole frame.
    pub roi: bool,
    /// Opacity of the heat map, 0..1.
    pub heatmap_alpha: f64,
    /// Colours of the heat map.
    pub colormap: Colormap,
    /// Map value at which the heat map begins; below 0 the pixel threshold. Nothing is drawn under it.
    pub heatmap_min: f64,
    /// Map value of the last colour.
    pub heatmap_max: f64,
    /// Stretch the colours over the values of each frame instead: also a good part then shows some heat.
    pub heatmap_auto: bool,
    /// Colour of contours; 0 for that of the verdict.
    pub contour_color: u32,
    /// Colour of boxes, bar and border; 0 for that of the verdict.
    pub box_color: u32,
    /// Colour of text.
    pub text_color: u32,
    /// Colour of the plate behind text.
    pub background_color: u32,
    /// Width of lines in pixels; 0 to follow the height of the frame.
    pub contour_width: u32,
    /// Pixels of one point of the typeface, rounded to a whole number; 0 to follow the height of the frame.
    pub font_scale: f64,
    /// Text of the label: names of [`super::FIELDS`] in braces are replaced; `{score:.2}`, `{area:.1%}`, `{frame:06}`
    /// and `{verdict:>10}` are shown with two decimals, as percents, filled up with zeros and aligned to the right. A
    /// text that [`super::check_label`] refuses is shown as it is.
    pub label_format: String,
    /// Corner of the label.
    pub position: Position,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            heatmap: true,
            contours: true,
            boxes: false,
            score: true,
            bar: false,
            border: false,
            roi: true,
            heatmap_alpha: 0.5,
            colormap: Colormap::Turbo,
            heatmap_min: -1.0,
            heatmap_max: 1.0,
            heatmap_auto: false,
            contour_color: 0,
            box_color: 0,
            text_color: 0xffff_ffff,
            background_color: 0xb812_161b,
            contour_width: 0,
            font_scale: 0.0,
            label_format: "{verdict} {score:.2}".into(),
            position: Position::TopLeft,
        }
    }
}

/// A colour with alpha, as R, G, B, A.
pub(super) type Rgba = [u8; 4];

/// `0xAARRGGBB` as bytes.
pub(super) fn rgba(argb: u32) -> Rgba {
    let [a, r, g, b] = argb.to_be_bytes();
    [r, g, b, a]
}

/// Colour of a verdict.
pub(super) fn verdict_color(verdict: &str) -> Rgba {
    match verdict {
        "normal" => [64, 192, 112, 255],
        "uncertain" => [245, 176, 48, 255],
        "anomalous" => [235, 64, 60, 255],
        _ => [150, 158, 168, 255],
    }
}

/// Sizes and colours that hold for one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// Width of lines in pixels.
    pub line: usize,
    /// Pixels of one point of the typeface.
    pub point: usize,
    pub contour: Rgba,
    pub accent: Rgba,
    pub text: Rgba,
    pub plate: Rgba,
}

impl Look {
    pub(super) fn new(style: &Style, height: usize, verdict: &str) -> Self {
        let or_verdict = |argb: u32| if argb == 0 { verdict_color(verdict) } else { rgba(argb) };
        let point = match style.font_scale {
            scale if scale > 0.0 => (scale.round() as usize).clamp(1, 64),
            _ => height.div_ceil(270).max(1),
        };
        let line = match style.contour_width {
            0 => ((height as f64 / 400.0).round() as usize).max(1),
            width => width.min(256) as usize,
        };
        Self {
            line,
            point,
            contour: or_verdict(style.contour_color),
            accent: or_verdict(style.box_color),
            text: rgba(style.text_color),
            plate: rgba(style.background_color),
        }
    }
}
