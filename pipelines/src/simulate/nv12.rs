//! Simulated frames in the format of cameras.

use anyhow::Result;
use snarm_core::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, PixelFormat, Plane};

/// A frame as cameras and decoders give it: BT.709 in studio range, chroma at half size.
pub(crate) struct Nv12 {
    luma: Vec<u8>,
    chroma: Vec<u8>,
    width: usize,
    height: usize,
}

impl Nv12 {
    /// Converts packed RGB; the chroma of a block is that of its first pixel.
    pub(crate) fn from_rgb(rgb: &[u8], width: usize, height: usize) -> Self {
        let (mut luma, mut chroma) = (Vec::with_capacity(width * height), Vec::new());
        for (i, pixel) in rgb.chunks_exact(3).enumerate() {
            let [r, g, b] = [0, 1, 2].map(|c| pixel.get(c).copied().map_or(0.0, f32::from));
            let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            luma.push((16.0 + y * 219.0 / 255.0).round() as u8);
            if (i / width).is_multiple_of(2) && (i % width).is_multiple_of(2) {
                chroma.push((128.0 + (b - y) / 1.8556 * 224.0 / 255.0).round() as u8);
                chroma.push((128.0 + (r - y) / 1.5748 * 224.0 / 255.0).round() as u8);
            }
        }
        Self { luma, chroma, width, height }
    }

    /// The frame, borrowed.
    pub(crate) fn frame(&self) -> Result<Frame<'_>> {
        let colorimetry =
            Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Limited, site: ChromaSite::LEFT };
        let planes = [
            Plane { data: &self.luma, stride: self.width },
            Plane { data: &self.chroma, stride: 2 * self.width.div_ceil(2) },
        ];
        let frame = Frame::new(PixelFormat::Nv12, self.width, self.height, &planes, colorimetry);
        frame.map_err(|e| anyhow::anyhow!("{e}"))
    }
}
