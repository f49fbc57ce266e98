//! Where each format keeps its samples: the one table that reading, drawing and their references share.

use crate::frame::{ColorRange, PixelFormat};

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
/// `(y >> shift_y) * stride + (x >> shift_x) * step + offset` of its plane; with [`Word::Third`] in word `x / 3` of row
/// `y`, and `step` is that of 16-bit words.
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
        Nv12 | Nv21 | I420 | Yv12 | Yuy2 | Uyvy | Y42b | Y444 | P01010Le | I42010Le | I42210Le | Y44410Le => {
            Family::Ycbcr
        }
        Gray8 | Gray16Le | Gray16Be | Gray10Le32 => Family::Grey,
    }
}

/// What a sample is stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// A byte.
    Byte,
    /// A 16-bit word, least significant byte first.
    Little,
    /// A 16-bit word, most significant byte first.
    Big,
    /// A third of a little-endian 32-bit word.
    Third,
}

/// How the samples of a format are stored: numbers of `bits` bits above `shift` unused ones of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    pub word: Word,
    pub bits: u32,
    pub shift: u32,
}

impl Samples {
    /// The largest sample.
    pub(crate) fn max(self) -> u16 {
        (u32::from(u16::MAX) >> (16 - self.bits)) as u16
    }

    /// What one step of an 8-bit sample is in samples of so many bits: studio range grows by whole bits, full range
    /// from the largest number to the largest.
    pub(crate) fn unit(self, range: ColorRange) -> f64 {
        match range {
            ColorRange::Limited => f64::from(1_u32 << (self.bits - 8)),
            ColorRange::Full => f64::from(self.max()) / 255.0,
        }
    }

    /// Chroma without colour.
    pub(crate) fn middle(self) -> f64 {
        f64::from(1_u32 << (self.bits - 1))
    }

    /// The sample of a 16-bit word.
    #[inline(always)]
    pub(crate) fn of_word(self, bytes: [u8; 2]) -> u16 {
        let word = if self.word == Word::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
        (word >> self.shift) & self.max()
    }

    /// Puts a sample into a 16-bit word, whose unused bits stay.
    #[inline(always)]
    pub(crate) fn into_word(self, bytes: &mut [u8; 2], sample: u16) {
        let big = self.word == Word::Big;
        let word = if big { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) };
        let word = (word & !(self.max() << self.shift)) | (sample << self.shift);
        *bytes = if big { word.to_be_bytes() } else { word.to_le_bytes() };
    }

    /// The sample of `channel` for pixel `(x, y)` of a plane.
    pub(crate) fn load(self, data: &[u8], stride: usize, channel: Channel, x: usize, y: usize) -> u16 {
        let at = channel.at(stride, x, y);
        match self.word {
            Word::Byte => u16::from(data[at]),
            Word::Little | Word::Big => self.of_word([data[at], data[at + 1]]),
            Word::Third => third(&data[y * stride..], x),
        }
    }

    /// Writes the sample of `channel` for pixel `(x, y)` of a plane; unused bits stay.
    pub(crate) fn store(
        self,
        data: &mut [u8],
        stride: usize,
        channel: Channel,
        [x, y]: [usize; 2],
        sample: u16,
    ) {
        let at = channel.at(stride, x, y);
        match self.word {
            Word::Byte => data[at] = sample as u8,
            Word::Little | Word::Big => {
                let mut word = [data[at], data[at + 1]];
                self.into_word(&mut word, sample);
                data[at..at + 2].copy_from_slice(&word);
            }
            Word::Third => set_third(&mut data[y * stride..], x, sample),
        }
    }
}

/// Sample `x` of a row of three 10-bit samples a word.
#[inline(always)]
pub(crate) fn third(row: &[u8], x: usize) -> u16 {
    let Some(word) = row[x / 3 * 4..].first_chunk() else { return 0 };
    (u32::from_le_bytes(*word) >> (x % 3 * 10)) as u16 & 0x3ff
}

/// Sets sample `x` of a row of three 10-bit samples a word.
#[inline(always)]
pub(crate) fn set_third(row: &mut [u8], x: usize, sample: u16) {
    let Some(word) = row[x / 3 * 4..].first_chunk_mut() else { return };
    let shift = x % 3 * 10;
    *word = ((u32::from_le_bytes(*word) & !(0x3ff << shift)) | u32::from(sample) << shift).to_le_bytes();
}

/// How the samples of `format` are stored.
pub(crate) fn samples(format: PixelFormat) -> Samples {
    use PixelFormat::*;
    let (word, bits, shift) = match format {
        P01010Le => (Word::Little, 10, 6),
        I42010Le | I42210Le | Y44410Le => (Word::Little, 10, 0),
        Gray16Le => (Word::Little, 16, 0),
        Gray16Be => (Word::Big, 16, 0),
        Gray10Le32 => (Word::Third, 10, 0),
        _ => (Word::Byte, 8, 0),
    };
    Samples { word, bits, shift }
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
        Y42b => [luma(1, 0), chroma(1, 1, 0, 0), chroma(2, 1, 0, 0)],
        P01010Le => [luma(2, 0), chroma(1, 4, 0, 1), chroma(1, 4, 2, 1)],
        I42010Le => [luma(2, 0), chroma(1, 2, 0, 1), chroma(2, 2, 0, 1)],
        I42210Le => [luma(2, 0), chroma(1, 2, 0, 0), chroma(2, 2, 0, 0)],
        Y444 => [0, 1, 2].map(|plane| Channel { plane, ..luma(1, 0) }),
        Y44410Le => [0, 1, 2].map(|plane| Channel { plane, ..luma(2, 0) }),
        Gray8 => packed(1, [0; 3]),
        Gray16Le | Gray16Be | Gray10Le32 => packed(2, [0; 3]),
    }
}
