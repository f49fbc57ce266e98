//! Frame to network input: reads any of the 26 formats with their strides, resamples, converts the colour and
//! normalises, without an RGB frame in between.
//!
//! `out[c, oy, ox] = (rgb[c] / 255 - mean[c]) / std[c]`, where `rgb` in 0..255 is the resampled colour.
//! [`Fit::Full`] and [`Fit::Letterbox`] resample with an antialiased triangle (for n source samples and m
//! results: scale = n/m, support = max(scale, 1), result o is centred on (o + 0.5) * scale; weights sum to 1),
//! luma and chroma each on its own grid, chroma at its exact site; matrix, range and the clamp to 0..255 follow on
//! the small result. [`Fit::Paper`] repeats OpenCV's 8-bit `INTER_LINEAR` to a larger square and its central
//! crop, bit by bit; Y'CbCr and grey pixels become 8-bit RGB as they are fetched, chroma replicated.
//!
//! Samples of more than 8 bits count in steps of an 8-bit one: studio range grows by whole bits (10 bits: `v / 4`), full
//! range from the largest number to the largest (10 bits: `v * 255 / 1023`). Unused bits of a word do not count.
//!
//! A frame that is stored turned or mirrored ([`Orientation`]) gives what its upright picture would give: region and
//! placement are those of the upright picture. It is resampled as it is stored, and the small result is turned, so that
//! [`Fit::Paper`] may round differently by one of 256 levels.
//!
//! # Shapes
//! `out` is `(3, rows, columns)`, planar, row-major.
//!
//! It knows no models: size, mean and deviation are given. It allocates when geometry, format or colorimetry of
//! the frames change, and not in between. Work is spread over the rayon pool of the caller.

mod cpu;
mod cuda;
mod filter;
mod paper;
pub mod reference;
mod triangle;

#[cfg(test)]
mod tests;

use crate::device::{BufferViewMut, apart};
use crate::error::{Error, Result, check_len};
use crate::frame::{Colorimetry, DeviceFrame, Frame, Orientation, PixelFormat};
use crate::grid::Grid;
use paper::PaperPlan;
use triangle::TrianglePlan;

const OP: &str = "preprocess";

/// How a frame is placed in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The whole frame squeezed to the output.
    Full,
    /// The whole frame, aspect kept, centred; the rest holds the mean colour, which is 0 when normalised.
    Letterbox,
    /// The frame squeezed to `resize` x `resize` by OpenCV's 8-bit bilinear, then the central square of it. Only for
    /// square outputs.
    Paper {
        /// Side of the square before the crop.
        resize: usize,
    },
}

impl Fit {
    /// The published crop: 7/8 of the resized square (448 before a crop of 392).
    pub fn paper(side: usize) -> Self {
        Self::Paper { resize: (side * 8 + 3) / 7 }
    }
}

/// A rectangle as fractions of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// The whole frame.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
}

/// A rectangle in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRect {
    /// Left edge.
    pub x: usize,
    /// Upper edge.
    pub y: usize,
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl PixelRect {
    /// The same as fractions of a frame of `width` x `height`.
    pub fn fractions(self, width: usize, height: usize) -> Rect {
        let (w, h) = (width as f64, height as f64);
        Rect {
            x: self.x as f64 / w,
            y: self.y as f64 / h,
            w: self.width as f64 / w,
            h: self.height as f64 / h,
        }
    }
}

/// Where the picture lies: `inner` of the output shows `source` of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// Part of the output that holds picture, in output pixels; the rest holds 0.
    pub inner: PixelRect,
    /// Part of the frame that it shows, as fractions of the frame.
    pub source: Rect,
}

/// What the network wants to see.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PreprocessSpec {
    /// Size of the output, in pixels.
    pub size: Grid,
    /// Placement of the frame in it.
    pub fit: Fit,
    /// Part of the frame that is looked at; its edges are rounded to whole pixels.
    pub region: Rect,
    /// Mean of each channel, for colours in 0..1.
    pub mean: [f32; 3],
    /// Deviation of each channel, for colours in 0..1.
    pub std: [f32; 3],
}

impl PreprocessSpec {
    /// The whole frame, with the means and deviations of ImageNet.
    pub fn imagenet(size: Grid, fit: Fit) -> Self {
        Self { size, fit, region: Rect::WHOLE, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    }

    /// Elements of the output, `3 * rows * columns`.
    pub fn output_len(&self) -> usize {
        3 * self.size.cells()
    }

    /// Where the upright picture of `width` x `height` lies in the output, and which part of it is seen.
    pub fn placement(&self, width: usize, height: usize) -> Placement {
        let Grid { rows, columns } = self.size;
        let all = PixelRect { x: 0, y: 0, width: columns, height: rows };
        let r = self.source_rect(width, height);
        let mut shown = [r.x as f64, r.y as f64, r.width as f64, r.height as f64];
        let inner = match self.fit {
            Fit::Full => all,
            Fit::Letterbox => {
                let is_wider = columns * r.height <= rows * r.width;
                let (full, length) = if is_wider { (columns, r.width) } else { (rows, r.height) };
                let fitted = |n: usize, most: usize| {
                    ((n as f64 * full as f64 / length as f64).round() as usize).clamp(1, most)
                };
                let (width, height) = (fitted(r.width, columns), fitted(r.height, rows));
                PixelRect { x: (columns - width) / 2, y: (rows - height) / 2, width, height }
            }
            Fit::Paper { resize } => {
                let first = paper::crop_start(resize, columns) as f64 / resize as f64;
                let part = columns as f64 / resize as f64;
                shown = [
                    shown[0] + first * shown[2],
                    shown[1] + first * shown[3],
                    part * shown[2],
                    part * shown[3],
                ];
                all
            }
        };
        let (w, h) = (width as f64, height as f64);
        Placement {
            inner,
            source: Rect { x: shown[0] / w, y: shown[1] / h, w: shown[2] / w, h: shown[3] / h },
        }
    }

    /// The region in whole pixels of a frame, at least one pixel and inside it.
    pub fn source_rect(&self, width: usize, height: usize) -> PixelRect {
        let span = |first: f64, length: f64, n: usize| {
            let start = ((first * n as f64).round() as usize).min(n - 1);
            let end = (((first + length) * n as f64).round() as usize).clamp(start + 1, n);
            (start, end - start)
        };
        let (x, width) = span(self.region.x, self.region.w, width);
        let (y, height) = span(self.region.y, self.region.h, height);
        PixelRect { x, y, width, height }
    }

    fn check(&self) -> Result<()> {
        let wrong =
            |expected: &str, found: String| Err(Error::Shape { op: OP, expected: expected.into(), found });
        let Grid { rows, columns } = self.size;
        if rows == 0 || columns == 0 {
            return wrong("at least one row and column", self.size.to_string());
        }
        if let Fit::Paper { resize } = self.fit {
            if rows != columns {
                return wrong("a square output for the published crop", self.size.to_string());
            }
            if resize < columns {
                return wrong("a resize of at least the side", format!("resize {resize}, side {columns}"));
            }
        }
        if self.std.iter().any(|&s| s.is_nan() || s <= 0.0) {
            return wrong("positive deviations", format!("{:?}", self.std));
        }
        let Rect { x, y, w, h } = self.region;
        if !(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 1.0 + 1e-9 && y + h <= 1.0 + 1e-9) {
            return wrong("a region inside 0..1", format!("{:?}", self.region));
        }
        Ok(())
    }
}

/// Everything of a frame that a plan depends on. Strides are not part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Geometry {
    format: PixelFormat,
    width: usize,
    height: usize,
    colorimetry: Colorimetry,
    orientation: Orientation,
}

impl Geometry {
    fn of(frame: &Frame) -> Self {
        Self {
            format: frame.format(),
            width: frame.width(),
            height: frame.height(),
            colorimetry: frame.colorimetry(),
            orientation: frame.orientation(),
        }
    }
}

/// Where a frame is read and where its picture goes, both as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Part of the frame that is read.
    source: PixelRect,
    /// Size of the output, before it is turned.
    size: Grid,
    /// Part of the output that it fills, before the output is turned.
    inner: PixelRect,
    /// With [`Fit::Paper`], first column and row of the crop.
    crop: [usize; 2],
}

impl Place {
    fn new(spec: &PreprocessSpec, geometry: &Geometry) -> Self {
        let orientation = geometry.orientation;
        let (width, height) = orientation.size(geometry.width, geometry.height);
        let stored = |rect: PixelRect, (width, height): (usize, usize)| {
            let [(x, w), (y, h)] =
                orientation.stored((rect.x, rect.width, width), (rect.y, rect.height, height));
            PixelRect { x, y, width: w, height: h }
        };
        let crop = match spec.fit {
            Fit::Paper { resize } => {
                let side = spec.size.columns;
                let first = paper::crop_start(resize, side);
                orientation.stored((first, side, resize), (first, side, resize)).map(|(first, _)| first)
            }
            Fit::Full | Fit::Letterbox => [0, 0],
        };
        let Grid { rows, columns } = spec.size;
        Self {
            source: stored(spec.source_rect(width, height), (width, height)),
            size: orientation.grid(spec.size),
            inner: stored(spec.placement(width, height).inner, (columns, rows)),
            crop,
        }
    }
}

#[derive(Debug)]
enum Plan {
    Triangle(Box<TrianglePlan>),
    Paper(Box<PaperPlan>),
}

/// Reads frames into network inputs, with tables and scratch kept from frame to frame.
#[derive(Debug)]
pub struct Preprocessor {
    spec: PreprocessSpec,
    plan: Option<(Geometry, Plan)>,
    /// A plane of a rectangle that is transposed.
    scratch: Vec<f32>,
    on_device: Option<cuda::Plan>,
}

impl Preprocessor {
    /// A preprocessor for one kind of output. The first frame makes the tables for its geometry.
    ///
    /// # Errors
    /// When there are no rows or columns, a paper output is not square or larger than its resize, a deviation is not
    /// positive, or the region is empty or leaves the frame.
    pub fn new(spec: PreprocessSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self { spec, plan: None, scratch: Vec::new(), on_device: None })
    }

    /// What the output is.
    pub fn spec(&self) -> &PreprocessSpec {
        &self.spec
    }

    /// Reads one frame. A frame with another size, format or colorimetry than the last makes new tables first.
    ///
    /// # Shapes
    /// `out`: `(3, rows, columns)`.
    ///
    /// # Errors
    /// When `out` has another length, or lives on a device, where [`Self::run_there`] writes.
    pub fn run<'a>(&mut self, frame: &Frame, out: impl Into<BufferViewMut<'a>>) -> Result<()> {
        let out = out.into().host(OP)?;
        check_len(OP, "an output", self.spec.output_len(), out.len())?;
        let geometry = Geometry::of(frame);
        let kept = self.plan.take().filter(|(planned, _)| *planned == geometry);
        let (_, plan) = self.plan.insert(kept.unwrap_or_else(|| (geometry, plan_for(&self.spec, geometry))));
        match plan {
            Plan::Triangle(plan) => plan.run(frame, out),
            Plan::Paper(plan) => plan.run(frame, out),
        }
        let orientation = frame.orientation();
        if orientation != Orientation::UPRIGHT {
            let size = orientation.grid(self.spec.size);
            for plane in out.chunks_exact_mut(size.cells()) {
                orientation.turn(plane, size, &mut self.scratch);
            }
        }
        Ok(())
    }
}

impl Preprocessor {
    /// As [`Self::run`], of a frame in the memory of a device.
    ///
    /// # Errors
    /// When `out` has another length or lives elsewhere than the frame, the device lacks the memory or fails.
    pub fn run_there<'a>(
        &mut self,
        frame: &DeviceFrame<'_>,
        out: impl Into<BufferViewMut<'a>>,
    ) -> Result<()> {
        let out = out.into();
        check_len(OP, "an output", self.spec.output_len(), out.len())?;
        let BufferViewMut::Cuda(out) = out else { return Err(apart(OP)) };
        let geometry = Geometry {
            format: frame.format(),
            width: frame.width(),
            height: frame.height(),
            colorimetry: frame.colorimetry(),
            orientation: frame.orientation(),
        };
        let kept = self.on_device.take().filter(|plan| plan.fits(geometry));
        let plan = match kept {
            Some(plan) => plan,
            None => cuda::Plan::new(&self.spec, geometry, out.queue())?,
        };
        self.on_device.insert(plan).run(frame, self.spec.size.cells(), &out)
    }
}

fn plan_for(spec: &PreprocessSpec, geometry: Geometry) -> Plan {
    let place = Place::new(spec, &geometry);
    match spec.fit {
        Fit::Full | Fit::Letterbox => Plan::Triangle(Box::new(TrianglePlan::new(spec, geometry, place))),
        Fit::Paper { resize } => Plan::Paper(Box::new(PaperPlan::new(spec, resize, geometry, place))),
    }
}
