//! A video frame as the kernels see it: borrowed planes with strides and the meaning of their samples.

use crate::error::{Error, Result};

/// Sample layout of a frame, named as GStreamer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 3 bytes a pixel: R, G, B.
    Rgb,
    /// 3 bytes a pixel: B, G, R.
    Bgr,
    /// 4 bytes a pixel: R, G, B, unused.
    Rgbx,
    /// 4 bytes a pixel: B, G, R, unused.
    Bgrx,
    /// 4 bytes a pixel: unused, R, G, B.
    Xrgb,
    /// 4 bytes a pixel: unused, B, G, R.
    Xbgr,
    /// 4 bytes a pixel: R, G, B, alpha.
    Rgba,
    /// 4 bytes a pixel: B, G, R, alpha.
    Bgra,
    /// 4 bytes a pixel: alpha, R, G, B.
    Argb,
    /// 4 bytes a pixel: alpha, B, G, R.
    Abgr,
    /// 4:2:0, a luma plane and a plane of interleaved Cb, Cr.
    Nv12,
    /// 4:2:0, a luma plane and a plane of interleaved Cr, Cb.
    Nv21,
    /// 4:2:0, planes Y, Cb, Cr.
    I420,
    /// 4:2:0, planes Y, Cr, Cb.
    Yv12,
    /// 4:2:2 packed: Y0, Cb, Y1, Cr.
    Yuy2,
    /// 4:2:2 packed: Cb, Y0, Cr, Y1.
    Uyvy,
    /// One luma byte a pixel.
    Gray8,
    /// One little-endian 16-bit luma sample a pixel.
    Gray16Le,
}

impl PixelFormat {
    /// Every format, in the order in which the elements prefer them.
    pub const ALL: [PixelFormat; 18] = [
        Self::Rgb,
        Self::Bgr,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
        Self::Nv12,
        Self::Nv21,
        Self::I420,
        Self::Yv12,
        Self::Yuy2,
        Self::Uyvy,
        Self::Gray8,
        Self::Gray16Le,
    ];

    /// Bytes that one row of plane `plane` holds for a frame `width` pixels wide, and the number of its rows
    /// for a frame `height` pixels high; `None` where the format has no such plane.
    pub fn plane_size(self, plane: usize, width: usize, height: usize) -> Option<(usize, usize)> {
        let (half_w, half_h) = (width.div_ceil(2), height.div_ceil(2));
        match (self, plane) {
            (Self::Rgb | Self::Bgr, 0) => Some((3 * width, height)),
            (
                Self::Rgbx
                | Self::Bgrx
                | Self::Xrgb
                | Self::Xbgr
                | Self::Rgba
                | Self::Bgra
                | Self::Argb
                | Self::Abgr,
                0,
            ) => Some((4 * width, height)),
            (Self::Nv12 | Self::Nv21 | Self::I420 | Self::Yv12 | Self::Gray8, 0) => Some((width, height)),
            (Self::Nv12 | Self::Nv21, 1) => Some((2 * half_w, half_h)),
            (Self::I420 | Self::Yv12, 1 | 2) => Some((half_w, half_h)),
            (Self::Yuy2 | Self::Uyvy, 0) => Some((4 * half_w, height)),
            (Self::Gray16Le, 0) => Some((2 * width, height)),
            _ => None,
        }
    }

    /// Number of planes.
    pub fn n_planes(self) -> usize {
        (0..3).take_while(|&plane| self.plane_size(plane, 2, 2).is_some()).count()
    }
}

/// The matrix between R'G'B' and Y'CbCr, given by its luma weights of red and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColorMatrix {
    /// Luma weight of red.
    pub kr: f32,
    /// Luma weight of blue.
    pub kb: f32,
}

impl ColorMatrix {
    /// ITU-R BT.601.
    pub const BT601: Self = Self { kr: 0.299, kb: 0.114 };
    /// ITU-R BT.709.
    pub const BT709: Self = Self { kr: 0.2126, kb: 0.0722 };
    /// ITU-R BT.2020.
    pub const BT2020: Self = Self { kr: 0.2627, kb: 0.0593 };
    /// SMPTE 240M.
    pub const SMPTE240M: Self = Self { kr: 0.212, kb: 0.087 };
    /// FCC.
    pub const FCC: Self = Self { kr: 0.30, kb: 0.11 };
}

/// Whether samples use the whole range of their type or the studio range (16..235 luma, 16..240 chroma).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorRange {
    /// 0..255.
    Full,
    /// 16..235 and 16..240.
    Limited,
}

/// Where a subsampled chroma sample lies among its luma samples, in luma pixels from the first one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChromaSite {
    /// Horizontal offset: 0 when co-sited with the left pixel, 0.5 when centred.
    pub x: f32,
    /// Vertical offset: 0 when co-sited with the upper row, 0.5 when centred. Unused by 4:2:2.
    pub y: f32,
}

impl ChromaSite {
    /// MPEG-2 and H.264's default: left, vertically centred.
    pub const LEFT: Self = Self { x: 0.0, y: 0.5 };
    /// JPEG and MPEG-1: centred both ways.
    pub const CENTER: Self = Self { x: 0.5, y: 0.5 };
    /// BT.2020: on the upper left pixel.
    pub const TOP_LEFT: Self = Self { x: 0.0, y: 0.0 };
}

/// How Y'CbCr samples become R'G'B'. RGB formats ignore all of it; grey formats use the range alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colorimetry {
    /// Luma weights.
    pub matrix: ColorMatrix,
    /// Range of the samples.
    pub range: ColorRange,
    /// Chroma position.
    pub site: ChromaSite,
}

impl Colorimetry {
    /// What GStreamer assumes of RGB and grey frames without a colorimetry field.
    pub const FULL_RANGE: Self =
        Self { matrix: ColorMatrix::BT601, range: ColorRange::Full, site: ChromaSite::CENTER };
}

/// One plane of a frame that is only read.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The samples, first row first.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A frame that is only read.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    planes: [Plane<'a>; 3],
    colorimetry: Colorimetry,
}

impl<'a> Frame<'a> {
    /// Describes a frame over borrowed planes.
    ///
    /// # Errors
    /// When a side is zero, the number of planes is not the format's, or a plane is too small for its stride.
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        planes: &[Plane<'a>],
        colorimetry: Colorimetry,
    ) -> Result<Self> {
        check_planes(format, width, height, planes.iter().map(|p| (p.data.len(), p.stride)))?;
        let mut all = [Plane { data: &[], stride: 0 }; 3];
        all[..planes.len()].copy_from_slice(planes);
        Ok(Self { format, width, height, planes: all, colorimetry })
    }

    /// A tightly packed RGB frame, as image decoders give it.
    ///
    /// # Errors
    /// When `data` is not `3 * width * height` bytes.
    pub fn rgb(data: &'a [u8], width: usize, height: usize) -> Result<Self> {
        let plane = Plane { data, stride: 3 * width };
        Self::new(PixelFormat::Rgb, width, height, &[plane], Colorimetry::FULL_RANGE)
    }

    /// Sample layout.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The planes of the format.
    pub fn planes(&self) -> &[Plane<'a>] {
        &self.planes[..self.format.n_planes()]
    }

    /// Meaning of the samples.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }
}

/// One plane of a frame that is drawn on.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// The samples, first row first.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A frame that is drawn on.
#[derive(Debug)]
pub struct FrameMut<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    planes: [PlaneMut<'a>; 3],
    colorimetry: Colorimetry,
}

impl<'a> FrameMut<'a> {
    /// Describes a frame over borrowed planes.
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn new<const N: usize>(
        format: PixelFormat,
        width: usize,
        height: usize,
        planes: [PlaneMut<'a>; N],
        colorimetry: Colorimetry,
    ) -> Result<Self> {
        check_planes(format, width, height, planes.iter().map(|p| (p.data.len(), p.stride)))?;
        let mut given = planes.into_iter();
        let all = std::array::from_fn(|_| given.next().unwrap_or(PlaneMut { data: &mut [], stride: 0 }));
        Ok(Self { format, width, height, planes: all, colorimetry })
    }

    /// A tightly packed RGB frame.
    ///
    /// # Errors
    /// When `data` is not `3 * width * height` bytes.
    pub fn rgb(data: &'a mut [u8], width: usize, height: usize) -> Result<Self> {
        let plane = PlaneMut { data, stride: 3 * width };
        Self::new(PixelFormat::Rgb, width, height, [plane], Colorimetry::FULL_RANGE)
    }

    /// Sample layout.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The planes of the format.
    pub fn planes_mut(&mut self) -> &mut [PlaneMut<'a>] {
        &mut self.planes[..self.format.n_planes()]
    }

    /// Meaning of the samples.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }
}

/// Checks that every plane has room for its rows.
fn check_planes(
    format: PixelFormat,
    width: usize,
    height: usize,
    planes: impl ExactSizeIterator<Item = (usize, usize)>,
) -> Result<()> {
    let wrong = |expected: String, found: String| Err(Error::Shape { op: "frame", expected, found });
    if width == 0 || height == 0 {
        return wrong("a width and a height of at least 1".into(), format!("{width}x{height}"));
    }
    if planes.len() != format.n_planes() {
        return wrong(format!("{} planes of {format:?}", format.n_planes()), planes.len().to_string());
    }
    for (i, (len, stride)) in planes.enumerate() {
        let Some((row, rows)) = format.plane_size(i, width, height) else { continue };
        let needed = stride * (rows - 1) + row;
        if stride < row || len < needed {
            return wrong(
                format!(
                    "plane {i} of {format:?} {width}x{height} with a stride of at least {row} and {needed} bytes"
                ),
                format!("stride {stride} and {len} bytes"),
            );
        }
    }
    Ok(())
}
