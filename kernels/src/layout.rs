//! Where each format keeps its samples: the one table that reading, drawing and their references share.

use crate::frame::PixelFormat;

/// What the three channels of a format mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Channels R, G, B.
    Rgb,
    /// Channels Y, Cb, Cr.
    Ycbcr,
    /// One channel, luma, listed three times.
    Grey,
}

/// Where the samples of one channel lie. The sample of pixel `(x, y)` starts at byte
/// `(y >> shift_y) * stride + (x >> shift_x) * step + offset` of its plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    pub plane: usize,
    pub step: usize,
    pub offset: usize,
    pub shift_x: usize,
    pub shift_y: usize,
}

impl Channel {
    /// Byte position of the sample of pixel `(x, y)`.
    #[inline(always)]
    pub(crate) fn at(&self, stride: usize, x: usize, y: usize) -> usize {
        (y >> self.shift_y) * stride + (x >> self.shift_x) * self.step + self.offset
    }

    /// Samples of the channel in a line of `n` pixels, for the given subsampling shift.
    pub(crate) fn count(n: usize, shift: usize) -> usize {
        n.div_ceil(1 << shift)
    }
}

/// Meaning of the channels of `format`.
pub(crate) fn family(format: PixelFormat) -> Family {
    use PixelFormat::*;
    match format {
        Rgb | Bgr | Rgbx | Bgrx | Xrgb | Xbgr | Rgba | Bgra | Argb | Abgr => Family::Rgb,
        Nv12 | Nv21 | I420 | Yv12 | Yuy2 | Uyvy => Family::Ycbcr,
        Gray8 | Gray16Le => Family::Grey,
    }
}

/// Whether samples are little-endian 16-bit numbers instead of bytes.
pub(crate) fn is_16_bit(format: PixelFormat) -> bool {
    format == PixelFormat::Gray16Le
}

/// The channels of `format`: R, G, B or Y, Cb, Cr or luma three times.
pub(crate) fn channels(format: PixelFormat) -> [Channel; 3] {
    use PixelFormat::*;
    let packed = |step, offsets: [usize; 3]| {
        offsets.map(|offset| Channel { plane: 0, step, offset, shift_x: 0, shift_y: 0 })
    };
    let luma = |step, offset| Channel { plane: 0, step, offset, shift_x: 0, shift_y: 0 };
    let chroma = |plane, step, offset, shift_y| Channel { plane, step, offset, shift_x: 1, shift_y };
    match format {
        Rgb => packed(3, [0, 1, 2]),
        Bgr => packed(3, [2, 1, 0]),
        Rgbx | Rgba => packed(4, [0, 1, 2]),
        Bgrx | Bgra => packed(4, [2, 1, 0]),
        Xrgb | Argb => packed(4, [1, 2, 3]),
        Xbgr | Abgr => packed(4, [3, 2, 1]),
        Nv12 => [luma(1, 0), chroma(1, 2, 0, 1), chroma(1, 2, 1, 1)],
        Nv21 => [luma(1, 0), chroma(1, 2, 1, 1), chroma(1, 2, 0, 1)],
        I420 => [luma(1, 0), chroma(1, 1, 0, 1), chroma(2, 1, 0, 1)],
        Yv12 => [luma(1, 0), chroma(2, 1, 0, 1), chroma(1, 1, 0, 1)],
        Yuy2 => [luma(2, 0), chroma(0, 4, 1, 0), chroma(0, 4, 3, 0)],
        Uyvy => [luma(2, 1), chroma(0, 4, 0, 0), chroma(0, 4, 2, 0)],
        Gray8 => packed(1, [0; 3]),
        Gray16Le => packed(2, [0; 3]),
    }
}
