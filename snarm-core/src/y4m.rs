//! Raw video in 4:2:0 from a pipe, as GStreamer's `y4menc` writes it.
//!
//! What a header claims is believed as far as bytes follow: a frame takes memory as its bytes come.

use std::io::{BufRead, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, PixelFormat, Plane};

const WHAT: &str = "decoded video";

/// The longest line before a frame, in bytes.
const MOST_LINE: u64 = 1024;

/// The longest side of a frame, in pixels.
const MOST_SIDE: usize = 1 << 16;

/// Reads frames one by one into the same memory.
pub struct Y4m<R> {
    input: R,
    /// The clip that the frames come from.
    path: PathBuf,
    width: usize,
    height: usize,
    /// Frames a second, as a fraction.
    rate: (u32, u32),
    /// Known with the first frame.
    layout: Option<Layout>,
    data: Vec<u8>,
}

/// Bytes from row to row, and bytes to each plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    strides: [usize; 2],
    offsets: [usize; 3],
    size: usize,
}

impl Layout {
    /// Rows without gaps, as the format wants it.
    fn tight(width: usize, height: usize) -> Self {
        Self::new([width, width.div_ceil(2)], height, height.div_ceil(2))
    }

    /// Rows of a multiple of four bytes, an even number of them: GStreamer's memory, which `y4menc` of 1.22
    /// writes as it is.
    fn padded(width: usize, height: usize) -> Self {
        let round = |n: usize| n.next_multiple_of(4);
        Self::new([round(width), round(width.div_ceil(2))], height.next_multiple_of(2), height.div_ceil(2))
    }

    fn new(strides: [usize; 2], rows: usize, chroma_rows: usize) -> Self {
        let (luma, chroma) = (strides[0] * rows, strides[1] * chroma_rows);
        Self { strides, offsets: [0, luma, luma + chroma], size: luma + 2 * chroma }
    }
}

/// Frame rate of a clip that does not tell its own.
const FALLBACK_RATE: (u32, u32) = (25, 1);

impl<R: BufRead> Y4m<R> {
    /// Reads the header of the video that was decoded from the clip at `path`; `None` when there is not a single byte.
    ///
    /// # Errors
    /// When the header is no such header, names other samples than 4:2:0, or a side of none or more than 65536 pixels.
    pub fn open(mut input: R, path: &Path) -> Result<Option<Self>> {
        let line = line(&mut input, path)?;
        if line.is_empty() {
            return Ok(None);
        }
        let wrong =
            |expected: &str, found: &str| Error::wrong_file(WHAT, path, expected, format!("'{found}'"));
        let header = String::from_utf8_lossy(&line);
        let Some(fields) = header.trim_end().strip_prefix("YUV4MPEG2 ") else {
            let found: String = header.trim_end().chars().take(80).collect();
            return Err(wrong("a YUV4MPEG2 header", &found));
        };
        let (mut width, mut height, mut rate) = (0, 0, FALLBACK_RATE);
        for field in fields.split(' ') {
            match field.split_at_checked(1) {
                Some(("W", value)) => width = value.parse().unwrap_or(0),
                Some(("H", value)) => height = value.parse().unwrap_or(0),
                Some(("F", value)) => rate = parse_rate(value).unwrap_or(FALLBACK_RATE),
                Some(("C", value)) if !value.starts_with("420") => {
                    return Err(wrong("4:2:0 samples", value));
                }
                _ => {}
            }
        }
        if ![width, height].iter().all(|side| (1..=MOST_SIDE).contains(side)) {
            return Err(wrong(&format!("a width and a height of 1 to {MOST_SIDE}"), fields));
        }
        let path = path.to_owned();
        Ok(Some(Self { input, path, width, height, rate, layout: None, data: Vec::new() }))
    }

    /// Time of frame `i`, in nanoseconds.
    pub fn time(&self, i: u64) -> u64 {
        let (n, d) = self.rate;
        let time = u128::from(i) * u128::from(d) * 1_000_000_000 / u128::from(n);
        u64::try_from(time).unwrap_or(u64::MAX)
    }

    /// The next frame, until the next call; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, is no frame or not a whole one.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>> {
        let line = line(&mut self.input, &self.path)?;
        if line.is_empty() {
            return Ok(None);
        }
        if !line.starts_with(b"FRAME") {
            return Err(self.wrong("a frame", "other bytes"));
        }
        self.data.clear();
        let layout = match self.layout {
            Some(layout) => {
                self.read_up_to(layout.size)?;
                layout
            }
            None => self.first()?,
        };
        self.layout = Some(layout);
        self.frame(layout).map(Some)
    }

    /// Reads until the frame has so many bytes.
    fn read_up_to(&mut self, size: usize) -> Result<()> {
        let rest = size.saturating_sub(self.data.len());
        // No memory is taken before there is something to put there.
        let read = self.input.by_ref().take(rest as u64).read_to_end(&mut self.data);
        match read.map_err(|e| self.unreadable(e))? {
            read if read == rest => Ok(()),
            _ => Err(self
                .wrong(&format!("a whole frame of {size} bytes"), &format!("its first {}", self.data.len()))),
        }
    }

    /// Reads the first frame and finds out whether its rows are padded: without padding, the next frame or the
    /// end follows at once.
    fn first(&mut self) -> Result<Layout> {
        let (tight, padded) =
            (Layout::tight(self.width, self.height), Layout::padded(self.width, self.height));
        self.read_up_to(tight.size)?;
        let follows = loop {
            match self.input.fill_buf() {
                Ok(bytes) => break bytes.is_empty() || bytes.starts_with(b"FRAME"),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreadable(e)),
            }
        };
        if tight == padded || follows {
            return Ok(tight);
        }
        self.read_up_to(padded.size)?;
        Ok(padded)
    }

    fn frame(&self, layout: Layout) -> Result<Frame<'_>> {
        let plane = |i: usize, stride: usize| Plane {
            data: self.data.get(layout.offsets[i]..).unwrap_or_default(),
            stride,
        };
        let [luma, chroma] = layout.strides;
        let planes = [plane(0, luma), plane(1, chroma), plane(2, chroma)];
        // The pipeline converts to BT.601 in studio range, since the header has no word for colour.
        let colorimetry =
            Colorimetry { matrix: ColorMatrix::BT601, range: ColorRange::Limited, site: ChromaSite::LEFT };
        Ok(Frame::new(PixelFormat::I420, self.width, self.height, &planes, colorimetry)?)
    }

    fn wrong(&self, expected: &str, found: &str) -> Error {
        Error::wrong_file(WHAT, &self.path, expected, found)
    }

    fn unreadable(&self, reason: std::io::Error) -> Error {
        Error::read(WHAT, &self.path, reason)
    }
}

/// The next line, or the beginning of a long one.
fn line(input: &mut impl BufRead, path: &Path) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    let read = input.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
    read.map_err(|e| Error::read(WHAT, path, e))?;
    Ok(line)
}

fn parse_rate(text: &str) -> Option<(u32, u32)> {
    let (n, d) = text.split_once(':')?;
    let rate = (n.parse().ok()?, d.parse().ok()?);
    (rate.0 > 0 && rate.1 > 0).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(width: usize, height: usize, layout: Layout, frames: usize) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 C420 W{width} H{height} Ip F30000:1001 A1:1\n").into_bytes();
        for i in 0..frames {
            bytes.extend(b"FRAME\n");
            bytes.extend(std::iter::repeat_n(i as u8 + 1, layout.size));
        }
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Option<Y4m<&[u8]>>> {
        Y4m::open(bytes, Path::new("clip.mp4"))
    }

    fn check(width: usize, height: usize, layout: Layout, frames: usize) {
        let bytes = stream(width, height, layout, frames);
        let mut video = open(&bytes).unwrap().unwrap();
        for i in 0..frames {
            let frame = video.next_frame().unwrap().unwrap();
            assert_eq!((frame.width(), frame.height()), (width, height));
            assert!(frame.planes().iter().all(|plane| plane.data[0] == i as u8 + 1));
        }
        assert!(video.next_frame().unwrap().is_none());
        assert_eq!(video.time(30), 1_001_000_000);
    }

    #[test]
    fn rows_are_read_with_and_without_padding() {
        for (width, height) in [(16, 8), (17, 9), (18, 10), (324, 6)] {
            check(width, height, Layout::tight(width, height), 3);
            check(width, height, Layout::tight(width, height), 1);
            check(width, height, Layout::padded(width, height), 3);
        }
        assert_eq!(Layout::padded(17, 9).size, 320);
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(open(b"").unwrap().is_none());
        for (bytes, expected) in [
            (&b"RIFF....\n"[..], "expected a YUV4MPEG2 header"),
            (b"YUV4MPEG2 C444 W4 H4 F1:1\n", "expected 4:2:0"),
            (b"YUV4MPEG2 C420 H4 F1:1\n", "expected a width and a height"),
        ] {
            let message = open(bytes).err().unwrap().to_string();
            assert!(message.contains(expected) && message.ends_with(": clip.mp4"), "{message}");
        }
        let bytes = stream(16, 8, Layout::tight(16, 8), 1);
        let mut cut = open(&bytes[..bytes.len() - 1]).unwrap().unwrap();
        let message = cut.next_frame().err().unwrap().to_string();
        assert!(message.contains("a whole frame of 192 bytes, found its first 191"), "{message}");
    }

    /// What a header claims takes no memory, and no number in it is too large to be refused.
    #[test]
    fn huge_sizes_are_refused_and_large_ones_take_what_follows() {
        for sizes in
            ["W65537 H4", "W4 H18446744073709551615", "W18446744073709551615 H2", "W99999999999999999999 H1"]
        {
            let message =
                open(format!("YUV4MPEG2 C420 {sizes}\nFRAME\n").as_bytes()).err().unwrap().to_string();
            assert!(message.contains("expected a width and a height of 1 to 65536"), "{message}");
        }
        let mut huge = open(b"YUV4MPEG2 C420 W65536 H65535 F1:4294967295\nFRAME\n12345").unwrap().unwrap();
        let message = huge.next_frame().err().unwrap().to_string();
        assert!(message.contains("a whole frame of 6442385408 bytes, found its first 5"), "{message}");
        assert!(huge.data.capacity() < 1 << 20, "{} bytes", huge.data.capacity());
        assert_eq!(huge.time(u64::MAX), u64::MAX);
    }
}
