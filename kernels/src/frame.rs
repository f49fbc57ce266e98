//! A video frame as the kernels see it: borrowed planes with strides and the meaning of their samples.

use crate::device::cuda::{Slice, SliceMut};
use crate::device::{Buffer, Place, apart};
use crate::error::{Error, Result};
use crate::grid::Grid;

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
    /// 4:2:2, planes Y, Cb, Cr.
    Y42b,
    /// 4:4:4, planes Y, Cb, Cr.
    Y444,
    /// As NV12, with 10 bits in the high bits of little-endian 16-bit words.
    P01010Le,
    /// As I420, with 10 bits in the low bits of little-endian 16-bit words.
    I42010Le,
    /// As Y42B, with 10 bits in the low bits of little-endian 16-bit words.
    I42210Le,
    /// As Y444, with 10 bits in the low bits of little-endian 16-bit words.
    Y44410Le,
    /// One luma byte a pixel.
    Gray8,
    /// One little-endian 16-bit luma sample a pixel.
    Gray16Le,
    /// One big-endian 16-bit luma sample a pixel.
    Gray16Be,
    /// Three 10-bit luma samples in each little-endian 32-bit word, the first in its lowest bits.
    Gray10Le32,
}

impl PixelFormat {
    /// Every format, in the order in which the elements prefer them.
    pub const ALL: [PixelFormat; 26] = [
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
        Self::Y42b,
        Self::Y444,
        Self::P01010Le,
        Self::I42010Le,
        Self::I42210Le,
        Self::Y44410Le,
        Self::Gray8,
        Self::Gray16Le,
        Self::Gray16Be,
        Self::Gray10Le32,
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
            (Self::Nv12 | Self::Nv21 | Self::I420 | Self::Yv12 | Self::Y42b | Self::Gray8, 0) => {
                Some((width, height))
            }
            (Self::Nv12 | Self::Nv21, 1) => Some((2 * half_w, half_h)),
            (Self::I420 | Self::Yv12, 1 | 2) => Some((half_w, half_h)),
            (Self::Yuy2 | Self::Uyvy, 0) => Some((4 * half_w, height)),
            (Self::Y42b, 1 | 2) => Some((half_w, height)),
            (Self::Y444, 0..=2) => Some((width, height)),
            (Self::P01010Le | Self::I42010Le | Self::I42210Le | Self::Gray16Le | Self::Gray16Be, 0) => {
                Some((2 * width, height))
            }
            (Self::P01010Le, 1) => Some((4 * half_w, half_h)),
            (Self::I42010Le, 1 | 2) => Some((2 * half_w, half_h)),
            (Self::I42210Le, 1 | 2) => Some((2 * half_w, height)),
            (Self::Y44410Le, 0..=2) => Some((2 * width, height)),
            (Self::Gray10Le32, 0) => Some((4 * width.div_ceil(3), height)),
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

/// How the picture that a frame stores is turned and mirrored to be upright: `upright(x, y)` is `stored(y', x')` where
/// `transposed`, else `stored(x', y')`, with `x'` counted from the right where `mirrored_x`, and `y'` from below where
/// `mirrored_y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Orientation {
    /// Whether rows of the stored frame are columns of the upright one.
    pub transposed: bool,
    /// Whether columns are counted from the right edge of the upright picture.
    pub mirrored_x: bool,
    /// Whether rows are counted from its lower edge.
    pub mirrored_y: bool,
}

impl Orientation {
    /// The frame is stored upright.
    pub const UPRIGHT: Self = Self { transposed: false, mirrored_x: false, mirrored_y: false };
    /// The stored frame has to be turned clockwise by 90 degrees.
    pub const ROTATE_90: Self = Self { transposed: true, mirrored_x: true, mirrored_y: false };
    /// The stored frame has to be turned by 180 degrees.
    pub const ROTATE_180: Self = Self { transposed: false, mirrored_x: true, mirrored_y: true };
    /// The stored frame has to be turned clockwise by 270 degrees.
    pub const ROTATE_270: Self = Self { transposed: true, mirrored_x: false, mirrored_y: true };

    /// All eight.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|i| Self { transposed: i & 4 != 0, mirrored_x: i & 1 != 0, mirrored_y: i & 2 != 0 })
    }

    /// The way back: what turns an upright frame into the stored one.
    #[must_use]
    pub fn inverse(self) -> Self {
        let Self { transposed, mirrored_x, mirrored_y } = self;
        if transposed { Self { transposed, mirrored_x: mirrored_y, mirrored_y: mirrored_x } } else { self }
    }

    /// Width and height of the upright picture of a stored `width` x `height`, or the other way round.
    pub fn size<T>(self, width: T, height: T) -> (T, T) {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// The start and length, in x and in y, that parts of the upright picture have in the stored frame. Each part is
    /// given by its start, its length and the length of the whole.
    pub fn stored<T: Copy + std::ops::Sub<Output = T>>(self, x: (T, T, T), y: (T, T, T)) -> [(T, T); 2] {
        let mirror = |(start, length, all): (T, T, T), mirrored| {
            (if mirrored { all - start - length } else { start }, length)
        };
        let (x, y) = (mirror(x, self.mirrored_x), mirror(y, self.mirrored_y));
        if self.transposed { [y, x] } else { [x, y] }
    }

    /// The grid that the stored picture has for an upright one, or the other way round.
    #[must_use]
    pub const fn grid(self, upright: Grid) -> Grid {
        if self.transposed { upright.transposed() } else { upright }
    }

    /// Turns stored values of `size`, row by row, into the upright ones, in place; these have the size of [`Self::grid`].
    /// `scratch` is kept between calls, and holds what is transposed where rows and columns differ in number.
    ///
    /// # Panics
    /// When there are fewer values than cells.
    pub fn turn<T: Copy>(self, values: &mut [T], size: Grid, scratch: &mut Vec<T>) {
        let values = &mut values[..size.cells()];
        if values.is_empty() {
            return;
        }
        let Grid { rows, columns } = self.grid(size);
        if self.transposed && rows == columns {
            for y in 1..rows {
                for x in 0..y {
                    values.swap(y * columns + x, x * columns + y);
                }
            }
        } else if self.transposed {
            scratch.clear();
            scratch.extend_from_slice(values);
            for (y, row) in values.chunks_exact_mut(columns).enumerate() {
                let stored = scratch[y..].iter().step_by(rows);
                row.iter_mut().zip(stored).for_each(|(value, stored)| *value = *stored);
            }
        }
        if self.mirrored_x {
            values.chunks_exact_mut(columns).for_each(<[T]>::reverse);
        }
        if self.mirrored_y {
            for y in 0..rows / 2 {
                let (above, below) = values.split_at_mut((rows - 1 - y) * columns);
                above[y * columns..][..columns].swap_with_slice(&mut below[..columns]);
            }
        }
    }
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
    orientation: Orientation,
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
        let orientation = Orientation::UPRIGHT;
        Ok(Self { format, width, height, planes: all, colorimetry, orientation })
    }

    /// The same frame, stored in another orientation.
    #[must_use]
    pub fn with_orientation(self, orientation: Orientation) -> Self {
        Self { orientation, ..self }
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

    /// How the stored picture is turned to be upright.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Width and height of the upright picture in pixels.
    pub fn upright_size(&self) -> (usize, usize) {
        self.orientation.size(self.width, self.height)
    }
}

/// A frame in the memory of a device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceFrame<'a> {
    format: PixelFormat,
    width: usize,
    height: usize,
    /// Each plane and its stride.
    planes: [(Slice<'a>, usize); 3],
    colorimetry: Colorimetry,
    orientation: Orientation,
}

impl<'a> DeviceFrame<'a> {
    /// Describes a frame over planes of bytes in the memory of a device.
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        planes: &[(Slice<'a>, usize)],
        colorimetry: Colorimetry,
    ) -> Result<Self> {
        check_planes(format, width, height, planes.iter().map(|(data, stride)| (data.len(), *stride)))?;
        let Some(first) = planes.first() else {
            let expected = "a plane".to_owned();
            return Err(Error::Shape { op: "frame", expected, found: "none".to_owned() });
        };
        let planes = std::array::from_fn(|i| *planes.get(i).unwrap_or(first));
        let orientation = Orientation::UPRIGHT;
        Ok(Self { format, width, height, planes, colorimetry, orientation })
    }

    /// The same frame, stored in another orientation.
    #[must_use]
    pub fn with_orientation(self, orientation: Orientation) -> Self {
        Self { orientation, ..self }
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

    /// The planes of the format, and their strides.
    pub fn planes(&self) -> impl Iterator<Item = (Slice<'a>, usize)> {
        self.planes.into_iter().take(self.format.n_planes())
    }

    /// Meaning of the samples.
    pub fn colorimetry(&self) -> Colorimetry {
        self.colorimetry
    }

    /// How the stored picture is turned to be upright.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }
}

/// A frame, wherever it lives.
#[derive(Debug, Clone, Copy)]
pub enum AnyFrame<'a> {
    /// In the host's memory.
    Host(Frame<'a>),
    /// In the memory of a device.
    Device(DeviceFrame<'a>),
}

impl AnyFrame<'_> {
    /// How the stored picture is turned to be upright.
    pub fn orientation(&self) -> Orientation {
        match self {
            Self::Host(frame) => frame.orientation(),
            Self::Device(frame) => frame.orientation(),
        }
    }

    /// Width and height of the upright picture in pixels.
    pub fn upright_size(&self) -> (usize, usize) {
        match self {
            Self::Host(frame) => frame.upright_size(),
            Self::Device(frame) => frame.orientation.size(frame.width, frame.height),
        }
    }

    /// The frame in the host's memory.
    ///
    /// # Errors
    /// When it is in that of a device.
    pub fn host(&self) -> Result<&Frame<'_>> {
        match self {
            Self::Host(frame) => Ok(frame),
            Self::Device(_) => Err(apart("frame")),
        }
    }
}

impl<'a> From<&Frame<'a>> for AnyFrame<'a> {
    fn from(frame: &Frame<'a>) -> Self {
        Self::Host(*frame)
    }
}

impl<'a> From<&DeviceFrame<'a>> for AnyFrame<'a> {
    fn from(frame: &DeviceFrame<'a>) -> Self {
        Self::Device(*frame)
    }
}

/// Copies of the planes of frames in the memory of a device, which is taken when it grows.
#[derive(Debug)]
pub struct Upload {
    planes: [Buffer<u8>; 3],
}

impl Upload {
    /// For a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn new(place: &Place) -> Result<Self> {
        let plane = || Buffer::new(place, 0);
        Ok(Self { planes: [plane()?, plane()?, plane()?] })
    }

    /// Copies a frame of the host.
    ///
    /// # Errors
    /// When the place is no device, or the device lacks the memory.
    pub fn copy(&mut self, frame: &Frame<'_>) -> Result<DeviceFrame<'_>> {
        for (own, plane) in self.planes.iter_mut().zip(frame.planes()) {
            own.resize(plane.data.len())?;
            own.write(plane.data)?;
        }
        let [first, second, third] = self.planes.each_ref().map(|plane| plane.view().there("frame"));
        let strides =
            std::array::from_fn::<_, 3, _>(|i| frame.planes().get(i).map_or(0, |plane| plane.stride));
        let planes = [(first?, strides[0]), (second?, strides[1]), (third?, strides[2])];
        let planes = &planes[..frame.planes().len()];
        let Frame { format, width, height, colorimetry, orientation, .. } = *frame;
        Ok(DeviceFrame::new(format, width, height, planes, colorimetry)?.with_orientation(orientation))
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

/// A frame in the memory of a device that is drawn on.
#[derive(Debug)]
pub struct DeviceFrameMut<'a> {
    frame: DeviceFrame<'a>,
}

impl<'a> DeviceFrameMut<'a> {
    /// Describes a frame over planes of bytes in the memory of a device.
    ///
    /// # Errors
    /// As [`Frame::new`].
    pub fn new(
        format: PixelFormat,
        width: usize,
        height: usize,
        planes: Vec<(SliceMut<'a>, usize)>,
        colorimetry: Colorimetry,
    ) -> Result<Self> {
        let planes: Vec<_> = planes.into_iter().map(|(data, stride)| (data.into_slice(), stride)).collect();
        Ok(Self { frame: DeviceFrame::new(format, width, height, &planes, colorimetry)? })
    }

    /// Sample layout.
    pub fn format(&self) -> PixelFormat {
        self.frame.format
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.frame.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.frame.height
    }

    /// Meaning of the samples.
    pub fn colorimetry(&self) -> Colorimetry {
        self.frame.colorimetry
    }

    /// A plane of the format, and its stride. What is written there is nobody else's.
    pub(crate) fn plane(&self, plane: usize) -> (Slice<'a>, usize) {
        self.frame.planes[plane]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_moves_every_value_to_its_place_and_its_inverse_moves_it_back() {
        for orientation in Orientation::all() {
            for (rows, columns) in [(1, 1), (2, 2), (5, 5), (1, 4), (4, 1), (3, 5), (7, 2)] {
                let size = Grid { rows, columns };
                let upright = orientation.grid(size);
                let (stored, mut scratch): (Vec<usize>, _) = ((0..size.cells()).collect(), Vec::new());
                let mut turned = stored.clone();
                orientation.turn(&mut turned, size, &mut scratch);
                for y in 0..upright.rows {
                    for x in 0..upright.columns {
                        let [(sx, _), (sy, _)] =
                            orientation.stored((x, 1, upright.columns), (y, 1, upright.rows));
                        let found = turned[y * upright.columns + x];
                        assert_eq!(found, stored[sy * columns + sx], "{orientation:?} {size}");
                    }
                }
                orientation.inverse().turn(&mut turned, upright, &mut scratch);
                assert_eq!(turned, stored, "{orientation:?} {size}");
                let takes_scratch = orientation.transposed && rows != columns;
                assert_eq!(scratch.capacity() > 0, takes_scratch, "{orientation:?} {size}");
            }
        }
    }

    #[test]
    fn what_is_empty_can_be_turned() {
        for orientation in Orientation::all() {
            for size in [Grid::square(0), Grid { rows: 0, columns: 3 }, Grid { rows: 3, columns: 0 }] {
                orientation.turn::<u8>(&mut [], size, &mut Vec::new());
            }
        }
    }

    #[test]
    fn clockwise_is_clockwise() {
        // a b      c a
        // c d  ->  d b
        let mut square = ['a', 'b', 'c', 'd'];
        Orientation::ROTATE_90.turn(&mut square, Grid::square(2), &mut Vec::new());
        assert_eq!(square, ['c', 'a', 'd', 'b']);
        // a b c      d a
        // d e f  ->  e b
        //            f c
        let mut rectangle = ['a', 'b', 'c', 'd', 'e', 'f'];
        Orientation::ROTATE_90.turn(&mut rectangle, Grid { rows: 2, columns: 3 }, &mut Vec::new());
        assert_eq!(rectangle, ['d', 'a', 'e', 'b', 'f', 'c']);
        assert_eq!(Orientation::ROTATE_90.inverse(), Orientation::ROTATE_270);
        assert_eq!(Orientation::ROTATE_90.size(3, 2), (2, 3));
    }
}
