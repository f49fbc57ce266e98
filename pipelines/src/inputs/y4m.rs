//! Raw video from a pipe, as GStreamer's `y4menc` writes it.

use std::io::{BufRead, Read};

use anyhow::{Context, Result, bail, ensure};
use snarm_core::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, PixelFormat, Plane};

/// Reads frames one by one into the same memory.
pub(crate) struct Y4m<R> {
    input: R,
    width: usize,
    height: usize,
    /// Frames a second, as a fraction.
    rate: (u64, u64),
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
const FALLBACK_RATE: (u64, u64) = (25, 1);

impl<R: BufRead> Y4m<R> {
    /// Reads the header; `None` when there is not a single byte.
    pub(crate) fn open(mut input: R) -> Result<Option<Self>> {
        let mut line = Vec::new();
        input.by_ref().take(1024).read_until(b'\n', &mut line).context("cannot read decoded video")?;
        if line.is_empty() {
            return Ok(None);
        }
        let header = String::from_utf8_lossy(&line).into_owned();
        let Some(fields) = header.trim_end().strip_prefix("YUV4MPEG2 ") else {
            bail!("decoded video: expected a YUV4MPEG2 header, found '{}'", header.trim_end());
        };
        let (mut width, mut height, mut rate) = (0, 0, FALLBACK_RATE);
        for field in fields.split(' ') {
            match field.split_at_checked(1) {
                Some(("W", value)) => width = value.parse().unwrap_or(0),
                Some(("H", value)) => height = value.parse().unwrap_or(0),
                Some(("F", value)) => rate = parse_rate(value).unwrap_or(FALLBACK_RATE),
                Some(("C", value)) => {
                    ensure!(
                        value.starts_with("420"),
                        "decoded video: expected 4:2:0 samples, found '{value}'"
                    );
                }
                _ => {}
            }
        }
        ensure!(width > 0 && height > 0, "decoded video: expected a width and a height, found '{fields}'");
        Ok(Some(Self { input, width, height, rate, layout: None, data: Vec::new() }))
    }

    /// Time of frame `i`, in nanoseconds.
    pub(crate) fn time(&self, i: u64) -> u64 {
        let (n, d) = self.rate;
        (u128::from(i) * u128::from(d) * 1_000_000_000 / u128::from(n)) as u64
    }

    /// The next frame, until the next call; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>> {
        let mut line = Vec::new();
        self.input.by_ref().take(1024).read_until(b'\n', &mut line).context("cannot read decoded video")?;
        if line.is_empty() {
            return Ok(None);
        }
        ensure!(line.starts_with(b"FRAME"), "decoded video: expected a frame, found other bytes");
        let layout = match self.layout {
            Some(layout) => {
                self.read_more(layout.size)?;
                layout
            }
            None => self.first()?,
        };
        self.layout = Some(layout);
        self.frame(layout).map(Some)
    }

    fn read_more(&mut self, size: usize) -> Result<()> {
        self.data.resize(size, 0);
        self.input
            .read_exact(&mut self.data)
            .context("decoded video: expected a whole frame, found its beginning")
    }

    /// Reads the first frame and finds out whether its rows are padded: without padding, the next frame or the
    /// end follows at once.
    fn first(&mut self) -> Result<Layout> {
        let (tight, padded) =
            (Layout::tight(self.width, self.height), Layout::padded(self.width, self.height));
        self.read_more(tight.size)?;
        let follows = self.input.fill_buf().context("cannot read decoded video")?;
        if tight == padded || follows.is_empty() || follows.starts_with(b"FRAME") {
            return Ok(tight);
        }
        let mut rest = vec![0; padded.size - tight.size];
        self.input
            .read_exact(&mut rest)
            .context("decoded video: expected a whole frame, found its beginning")?;
        self.data.extend(rest);
        Ok(padded)
    }

    fn frame(&self, layout: Layout) -> Result<Frame<'_>> {
        let plane = |i: usize, stride: usize| Plane { data: &self.data[layout.offsets[i]..], stride };
        let [luma, chroma] = layout.strides;
        let planes = [plane(0, luma), plane(1, chroma), plane(2, chroma)];
        // The pipeline converts to BT.601 in studio range, since the header has no word for colour.
        let colorimetry =
            Colorimetry { matrix: ColorMatrix::BT601, range: ColorRange::Limited, site: ChromaSite::LEFT };
        let frame = Frame::new(PixelFormat::I420, self.width, self.height, &planes, colorimetry);
        frame.map_err(|e| anyhow::anyhow!("decoded video: {e}"))
    }
}

fn parse_rate(text: &str) -> Option<(u64, u64)> {
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

    fn check(width: usize, height: usize, layout: Layout, frames: usize) {
        let bytes = stream(width, height, layout, frames);
        let mut video = Y4m::open(bytes.as_slice()).unwrap().unwrap();
        for i in 0..frames {
            let frame = video.next().unwrap().unwrap();
            assert_eq!((frame.width(), frame.height()), (width, height));
            assert!(frame.planes().iter().all(|plane| plane.data[0] == i as u8 + 1));
        }
        assert!(video.next().unwrap().is_none());
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
        assert!(Y4m::open(&b""[..]).unwrap().is_none());
        for (bytes, expected) in [
            (&b"RIFF....\n"[..], "expected a YUV4MPEG2 header"),
            (b"YUV4MPEG2 C444 W4 H4 F1:1\n", "expected 4:2:0"),
            (b"YUV4MPEG2 C420 H4 F1:1\n", "expected a width and a height"),
        ] {
            let message = Y4m::open(bytes).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
        let bytes = stream(16, 8, Layout::tight(16, 8), 1);
        let mut cut = Y4m::open(&bytes[..bytes.len() - 1]).unwrap().unwrap();
        assert!(cut.next().is_err());
    }
}
