//! A frame with its detection drawn onto it, as a picture.

use anyhow::{Context, Result, anyhow, bail};
use snarm_core::Grid;
use snarm_core::dataset::Picture;
use snarm_core::detect::{Detection, Limits};
use snarm_core::frame::{Frame, FrameMut, PixelFormat, Plane};
use snarm_core::overlay::{MapView, Overlay, RegionBox, Scene, Style};

/// Draws detections; keeps what drawing needs from frame to frame.
pub(crate) struct Annotator {
    overlay: Overlay,
    style: Style,
    map: Vec<u8>,
}

impl Annotator {
    pub(crate) fn new() -> Self {
        Self::with_style(Style { border: true, ..Style::default() })
    }

    /// Draws in another style.
    pub(crate) fn with_style(style: Style) -> Self {
        Self { overlay: Overlay::new(), style, map: Vec::new() }
    }

    /// `frame` as RGB with heat map, contours, score and verdict.
    pub(crate) fn draw(&mut self, frame: &Frame<'_>, found: &Detection, limits: &Limits) -> Result<Picture> {
        let mut picture = to_rgb(frame)?;
        let samples = found.map.iter().map(|score| (score.clamp(0.0, 1.0) * 65535.0).round() as u16);
        self.map.clear();
        self.map.extend(samples.flat_map(u16::to_le_bytes));
        let Grid { rows, columns } = found.map_size;
        let regions: Vec<RegionBox> = found.regions.iter().map(region_box).collect();
        let scene = Scene {
            map: Some(MapView::gray16(&self.map, columns, rows, 2 * columns).map_err(|e| anyhow!("{e}"))?),
            rect: found.map_rect,
            regions: &regions,
            score: found.score,
            threshold: limits.threshold,
            pixel_threshold: limits.pixel_threshold,
            area: found.area,
            seen: found.seen,
            score_max: found.score_max,
            verdict: found.verdict.name(),
            ..Scene::default()
        };
        let (width, height) = (picture.width, picture.height);
        let mut canvas = FrameMut::rgb(&mut picture.data, width, height).map_err(|e| anyhow!("{e}"))?;
        self.overlay.draw(&mut canvas, &scene, &self.style).map_err(|e| anyhow!("{e}"))?;
        Ok(picture)
    }
}

fn region_box(region: &snarm_core::detect::Region) -> RegionBox {
    let rect = region.rect;
    RegionBox { x: rect.x, y: rect.y, w: rect.w, h: rect.h, score: region.score }
}

/// An RGB copy of an RGB or I420 frame, the two that inputs come as.
pub(crate) fn to_rgb(frame: &Frame<'_>) -> Result<Picture> {
    let (width, height) = (frame.width(), frame.height());
    let mut data = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        match (frame.format(), frame.planes()) {
            (PixelFormat::Rgb, [plane]) => {
                let row = plane.data.get(y * plane.stride..).and_then(|rest| rest.get(..3 * width));
                data.extend_from_slice(row.context("a row is too short")?);
            }
            (PixelFormat::I420, [luma, cb, cr]) => row_to_rgb(y, width, [luma, cb, cr], &mut data),
            (format, _) => bail!("expected an RGB or I420 frame, found {format:?}"),
        }
    }
    Ok(Picture { data, width, height })
}

/// Row `y` of a BT.601 frame in studio range, as clips are decoded to; chroma is taken from the nearest sample.
fn row_to_rgb(y: usize, width: usize, [luma, cb, cr]: [&Plane<'_>; 3], rgb: &mut Vec<u8>) {
    let at = |plane: &Plane<'_>, x: usize, y: usize| {
        plane.data.get(y * plane.stride + x).copied().map_or(0.0, f32::from)
    };
    for x in 0..width {
        let light = 1.164_383_6 * (at(luma, x, y) - 16.0);
        let (u, v) = (at(cb, x / 2, y / 2) - 128.0, at(cr, x / 2, y / 2) - 128.0);
        let mixed =
            [light + 1.596_026_8 * v, light - 0.391_762_3 * u - 0.812_967_6 * v, light + 2.017_232 * u];
        rgb.extend(mixed.map(|c| c.round().clamp(0.0, 255.0) as u8));
    }
}
