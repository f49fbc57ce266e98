//! Raw video in 4:2:0 from a pipe: YUV4MPEG2, with comments that carry what the format has no word for. `XLENGTH` in the
//! header is the length of the clip; `XTIME` and `XDURATION` of a frame are the time of the stream at which it is shown,
//! and how long, all in nanoseconds. Another header may follow a frame where the size changes.
//!
//! What a header claims is believed as far as bytes follow: a frame takes memory as its bytes come.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry, Frame, PixelFormat, Plane};

const WHAT: &str = "decoded video";

/// What a header begins with.
const HEADER: &str = "YUV4MPEG2 ";

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
    /// Length of the clip in nanoseconds, where it tells.
    length: Option<u64>,
    /// When the last frame ends, in nanoseconds.
    end: u64,
    data: Vec<u8>,
}

/// A frame, and its place in the stream.
#[derive(Debug)]
pub struct Shown<'a> {
    /// When it is shown, in nanoseconds: the stream's own time, or else the end of the frame before.
    pub time: u64,
    /// How long it is shown, in nanoseconds.
    pub duration: u64,
    /// The picture.
    pub frame: Frame<'a>,
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
        let (path, data) = (path.to_owned(), Vec::new());
        let mut video =
            Self { input, path, width: 0, height: 0, rate: FALLBACK_RATE, length: None, end: 0, data };
        video.read_header(&line)?;
        Ok(Some(video))
    }

    /// Length of the clip in nanoseconds, where it tells.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next frame, until the next call; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, is no frame or not a whole one, and when a header before it cannot be used.
    pub fn next_frame(&mut self) -> Result<Option<Shown<'_>>> {
        let mut start = line(&mut self.input, &self.path)?;
        if start.starts_with(HEADER.as_bytes()) {
            self.read_header(&start)?;
            start = line(&mut self.input, &self.path)?;
        }
        if start.is_empty() {
            return Ok(None);
        }
        if !start.starts_with(b"FRAME") {
            return Err(self.wrong("a frame", "other bytes"));
        }
        let start = String::from_utf8_lossy(&start);
        let number = |name: &str| {
            let value = start.split_whitespace().find_map(|word| word.strip_prefix(name));
            value.and_then(|value| value.parse::<u64>().ok())
        };
        let (n, d) = self.rate;
        let regular = u64::from(d) * 1_000_000_000 / u64::from(n);
        let (time, duration) =
            (number("XTIME=").unwrap_or(self.end), number("XDURATION=").unwrap_or(regular));
        self.end = time.saturating_add(duration);
        let size = self.width * self.height + 2 * self.width.div_ceil(2) * self.height.div_ceil(2);
        self.data.clear();
        self.read_up_to(size)?;
        Ok(Some(Shown { time, duration, frame: self.frame()? }))
    }

    fn read_header(&mut self, line: &[u8]) -> Result<()> {
        let header = String::from_utf8_lossy(line);
        let Some(fields) = header.trim_end().strip_prefix(HEADER) else {
            let found: String = header.trim_end().chars().take(80).collect();
            return Err(self.wrong("a YUV4MPEG2 header", &format!("'{found}'")));
        };
        let (mut width, mut height, mut rate) = (0, 0, FALLBACK_RATE);
        for field in fields.split(' ') {
            match field.split_at_checked(1) {
                Some(("W", value)) => width = value.parse().unwrap_or(0),
                Some(("H", value)) => height = value.parse().unwrap_or(0),
                Some(("F", value)) => rate = parse_rate(value).unwrap_or(FALLBACK_RATE),
                Some(("C", value)) if !value.starts_with("420") => {
                    return Err(self.wrong("4:2:0 samples", &format!("'{value}'")));
                }
                Some(("X", value)) => {
                    let length = value.strip_prefix("LENGTH=").and_then(|length| length.parse().ok());
                    self.length = length.filter(|length| *length > 0).or(self.length);
                }
                _ => {}
            }
        }
        if ![width, height].iter().all(|side| (1..=MOST_SIDE).contains(side)) {
            let expected = format!("a width and a height of 1 to {MOST_SIDE}");
            return Err(self.wrong(&expected, &format!("'{fields}'")));
        }
        (self.width, self.height, self.rate) = (width, height, rate);
        Ok(())
    }

    /// Reads until the frame has so many bytes.
    fn read_up_to(&mut self, size: usize) -> Result<()> {
        let rest = size.saturating_sub(self.data.len());
        // No memory is taken before there is something to put there.
        let read = self.input.by_ref().take(rest as u64).read_to_end(&mut self.data);
        match read.map_err(|e| Error::read(WHAT, &self.path, e))? {
            read if read == rest => Ok(()),
            _ => Err(self
                .wrong(&format!("a whole frame of {size} bytes"), &format!("its first {}", self.data.len()))),
        }
    }

    fn frame(&self) -> Result<Frame<'_>> {
        let (luma, chroma) = (self.width, self.width.div_ceil(2));
        let blue = luma * self.height;
        let red = blue + chroma * self.height.div_ceil(2);
        let plane =
            |offset: usize, stride| Plane { data: self.data.get(offset..).unwrap_or_default(), stride };
        let planes = [plane(0, luma), plane(blue, chroma), plane(red, chroma)];
        // The pipeline converts to BT.601 in studio range, since the header has no word for colour.
        let colorimetry =
            Colorimetry { matrix: ColorMatrix::BT601, range: ColorRange::Limited, site: ChromaSite::LEFT };
        Ok(Frame::new(PixelFormat::I420, self.width, self.height, &planes, colorimetry)?)
    }

    fn wrong(&self, expected: &str, found: &str) -> Error {
        Error::wrong_file(WHAT, &self.path, expected, found)
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

    fn stream(width: usize, height: usize, frames: usize) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 C420 W{width} H{height} Ip F30000:1001 A1:1\n").into_bytes();
        for i in 0..frames {
            bytes.extend(b"FRAME\n");
            let size = width * height + 2 * width.div_ceil(2) * height.div_ceil(2);
            bytes.extend(std::iter::repeat_n(i as u8 + 1, size));
        }
        bytes
    }

    fn open(bytes: &[u8]) -> Result<Option<Y4m<&[u8]>>> {
        Y4m::open(bytes, Path::new("clip.mp4"))
    }

    #[test]
    fn frames_of_any_size_are_read() {
        for (width, height) in [(16, 8), (17, 9), (18, 10), (324, 6)] {
            let bytes = stream(width, height, 3);
            let mut video = open(&bytes).unwrap().unwrap();
            for i in 0..3 {
                let frame = video.next_frame().unwrap().unwrap().frame;
                assert_eq!((frame.width(), frame.height()), (width, height));
                assert!(frame.planes().iter().all(|plane| plane.data[0] == i as u8 + 1));
            }
            assert!(video.next_frame().unwrap().is_none());
        }
    }

    #[test]
    fn times_are_those_of_the_stream_and_counted_where_it_tells_none() {
        let mut video = open(
            b"YUV4MPEG2 W2 H2 F10:1 XLENGTH=70\nFRAME XTIME=5 XDURATION=7\n123456FRAME\n123456\
              FRAME XTIME=900\n123456YUV4MPEG2 W4 H1\nFRAME XTIME=901 XDURATION=1\n12345678",
        )
        .unwrap()
        .unwrap();
        assert_eq!(video.length(), Some(70));
        let mut shown = Vec::new();
        while let Some(Shown { time, duration, frame }) = video.next_frame().unwrap() {
            shown.push((time, duration, frame.width()));
        }
        let tenth = 100_000_000;
        assert_eq!(shown, [(5, 7, 2), (12, tenth, 2), (900, tenth, 2), (901, 1, 4)]);
        assert_eq!(video.length(), Some(70));
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
        let bytes = stream(16, 8, 1);
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
        let late = format!("YUV4MPEG2 W2 H2 XLENGTH={}\nFRAME XTIME={}\n123456", u64::MAX, u64::MAX);
        let mut late = open(late.as_bytes()).unwrap().unwrap();
        assert_eq!(late.next_frame().unwrap().map(|shown| shown.time), Some(u64::MAX));
    }
}
