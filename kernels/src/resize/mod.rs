//! 8-bit resizes that repeat two widely used libraries byte by byte, for images of interleaved channels.
//!
//! [`OpencvLinear`] is OpenCV's `INTER_LINEAR` (no antialias): source coordinate `c = (d + 0.5) * src/dst - 0.5` in
//! f32, weights rounded to 11 bits, two roundings on the vertical axis. [`PilBilinear`] is Pillow's `BILINEAR`
//! (antialiased triangle): weights of 22 bits, horizontal pass to 8 bits first, then the vertical one. What trained
//! weights saw came from one of the two, and scores move when the other is used.
//!
//! # Shapes
//! Source `(src.height, src.width, channels)` to destination `(dst.height, dst.width, channels)`, without padding.
//!
//! # Errors
//! A side or the number of channels is 0, an image has another length than its shape, or lives on a device.

mod opencv;
mod pil;
pub mod reference;

#[cfg(test)]
mod tests;

pub use opencv::OpencvLinear;
pub(crate) use opencv::{Axis, Lines, vertical};
pub use pil::PilBilinear;

use crate::device::BufferView;
use crate::error::{Error, Result};

/// Size of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A square.
    pub fn square(side: usize) -> Self {
        Self { width: side, height: side }
    }

    /// Bytes of an image of this size.
    pub fn bytes(self, channels: usize) -> usize {
        self.width * self.height * channels
    }
}

/// Resizes one image as OpenCV does. For many images of one size keep an [`OpencvLinear`].
///
/// # Errors
/// As the module.
pub fn opencv_linear<'a>(
    image: impl Into<BufferView<'a, u8>>,
    src: Size,
    dst: Size,
    channels: usize,
) -> Result<Vec<u8>> {
    let mut out = vec![0; dst.bytes(channels)];
    OpencvLinear::new(src, dst, channels)?.run(image.into(), &mut out)?;
    Ok(out)
}

/// Resizes one image as Pillow does. For many images of one size keep a [`PilBilinear`].
///
/// # Errors
/// As the module.
pub fn pil_bilinear<'a>(
    image: impl Into<BufferView<'a, u8>>,
    src: Size,
    dst: Size,
    channels: usize,
) -> Result<Vec<u8>> {
    let mut out = vec![0; dst.bytes(channels)];
    PilBilinear::new(src, dst, channels)?.run(image.into(), &mut out)?;
    Ok(out)
}

/// Refuses empty images.
fn check_sizes(src: Size, dst: Size, channels: usize) -> Result<()> {
    if src.bytes(channels) > 0 && dst.bytes(channels) > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        op: "resize",
        expected: "sides and channels of at least 1".into(),
        found: format!("{src:?} to {dst:?}, {channels} channels"),
    })
}
