//! Whether a file is whole, by what its container says of itself. GStreamer ends a clip that breaks off as it ends a whole
//! one, passes over what is damaged in Ogg, and reads the first of several clips that were put behind each other.
//!
//! What these formats say is read: AVI, MP4 and QuickTime, Matroska, Ogg, FLV and YUV4MPEG2. Of others, such as transport
//! streams, nothing tells where they should end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Most parts of a file that are looked at, but for pages and frames, each of which is as long as it says.
const MOST_PARTS: usize = 1_000_000;

/// Longest line of a YUV4MPEG2 file, in bytes.
const MOST_LINE: usize = 1024;

/// Boxes of MP4 and QuickTime files that stand beside each other.
const BOXES: [&[u8; 4]; 14] = [
    b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"pnot", b"mfra", b"sidx", b"styp",
    b"uuid", b"meta", b"udta",
];

/// What a clip lacks, or holds that is not read; nothing where it cannot be known.
pub(crate) fn lacks(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    look(BufReader::new(file), length).ok().flatten()
}

fn look(input: impl Read + Seek, length: u64) -> io::Result<Option<String>> {
    let mut parts = Parts { input, length };
    let Some(begin) = parts.at::<12>(0)? else { return Ok(None) };
    match begin {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' '] => parts.avi(),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => parts.boxes(),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => parts.matroska(),
        [b'O', b'g', b'g', b'S', ..] => parts.ogg(),
        [b'F', b'L', b'V', 1, ..] => parts.flv(),
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', b'2', b' ', ..] => parts.y4m(),
        _ => Ok(None),
    }
}

/// The file ends before what it says it holds.
fn is_cut(end: u64, length: u64) -> Option<String> {
    (end > length)
        .then(|| format!("expected the {end} bytes that the clip states, found {length}: it was cut short"))
}

fn breaks_off(what: &str, at: u64) -> String {
    format!(
        "expected a whole clip, found {what} at byte {at} that the end of the file breaks off: it was cut short"
    )
}

fn is_second(at: u64) -> String {
    format!("expected one clip, found another one behind it, from byte {at} on, which is not read")
}

/// A file as parts behind each other.
struct Parts<R> {
    input: R,
    length: u64,
}

impl<R: Read + Seek> Parts<R> {
    /// Bytes from a place on; nothing where the file ends before.
    fn at<const N: usize>(&mut self, place: u64) -> io::Result<Option<[u8; N]>> {
        if place.checked_add(N as u64).is_none_or(|end| end > self.length) {
            return Ok(None);
        }
        let mut bytes = [0; N];
        self.input.seek(SeekFrom::Start(place))?;
        self.input.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Chunks `RIFF`, the first of which is a clip and those behind it, `AVIX`, go on with it.
    fn avi(&mut self) -> io::Result<Option<String>> {
        let mut at = 0;
        for _ in 0..MOST_PARTS {
            let Some([b'R', b'I', b'F', b'F', a, b, c, d, kind @ ..]) = self.at::<12>(at)? else { break };
            if at > 0 && &kind == b"AVI " {
                return Ok(Some(is_second(at)));
            }
            let size = u32::from_le_bytes([a, b, c, d]);
            // A writer that could not go back to it has left it so.
            if size == 0 || size == u32::MAX {
                break;
            }
            let end = at + 8 + u64::from(size);
            if end > self.length {
                return Ok(is_cut(end, self.length));
            }
            at = end.next_multiple_of(2);
        }
        Ok(None)
    }

    /// The outermost boxes of MP4 and QuickTime, one movie among them.
    fn boxes(&mut self) -> io::Result<Option<String>> {
        let (mut at, mut movies) = (0_u64, 0);
        for _ in 0..MOST_PARTS {
            let Some([a, b, c, d, name @ ..]) = self.at::<8>(at)? else { break };
            if !BOXES.contains(&&name) {
                break;
            }
            let size = match u32::from_be_bytes([a, b, c, d]) {
                // To the end of the file.
                0 => break,
                1 => match self.at(at + 8)? {
                    Some(size) => u64::from_be_bytes(size),
                    None => return Ok(Some(breaks_off("a box", at))),
                },
                size => u64::from(size),
            };
            movies += usize::from(&name == b"moov");
            if movies > 1 {
                return Ok(Some(is_second(at)));
            }
            let Some(end) = at.checked_add(size).filter(|_| size >= 8) else { break };
            if end > self.length {
                return Ok(is_cut(end, self.length));
            }
            at = end;
        }
        Ok(None)
    }

    /// The header, and the segment behind it, which is all of the clip.
    fn matroska(&mut self) -> io::Result<Option<String>> {
        let Some((size, head)) = self.size(4)? else { return Ok(None) };
        let Some(segment) = size.and_then(|size| size.checked_add(4 + head)) else { return Ok(None) };
        let Some([0x18, 0x53, 0x80, 0x67]) = self.at(segment)? else { return Ok(None) };
        let Some((Some(size), head)) = self.size(segment + 4)? else { return Ok(None) };
        Ok((segment + 4 + head).checked_add(size).and_then(|end| is_cut(end, self.length)))
    }

    /// A size of Matroska, where it is known, and the bytes that it is written with.
    fn size(&mut self, at: u64) -> io::Result<Option<(Option<u64>, u64)>> {
        let Some([first]) = self.at(at)? else { return Ok(None) };
        let n = u64::from(first.leading_zeros()) + 1;
        if n > 8 {
            return Ok(None);
        }
        let mut size = u64::from(first) & ((1 << (8 - n)) - 1);
        for i in 1..n {
            let Some([byte]) = self.at(at + i)? else { return Ok(None) };
            size = size << 8 | u64::from(byte);
        }
        let unknown = (1 << (7 * n)) - 1;
        Ok(Some(((size != unknown).then_some(size), n)))
    }

    /// Tags, each behind the length of the one before.
    fn flv(&mut self) -> io::Result<Option<String>> {
        let Some([.., a, b, c, d]) = self.at::<9>(0)? else { return Ok(None) };
        let mut at = u64::from(u32::from_be_bytes([a, b, c, d])) + 4;
        // As many as there is room for.
        while at < self.length {
            let end = match self.at(at)? {
                // Audio, video, data; a filter or encryption is one bit more.
                Some([kind, a, b, c, _, _, _, _, _, _, _]) if [8, 9, 18].contains(&(kind & 0x1f)) => {
                    at + 11 + u64::from(u32::from_be_bytes([0, a, b, c]))
                }
                Some(_) => return Ok(None),
                None => self.length + 1,
            };
            if end > self.length {
                return Ok(Some(breaks_off("a tag", at)));
            }
            at = end + 4;
        }
        Ok(None)
    }

    /// Frames, each a line and as many bytes as the size of the pictures tells.
    fn y4m(&mut self) -> io::Result<Option<String>> {
        let Some((header, mut at)) = self.line(0)? else { return Ok(None) };
        let Some(size) = frame_size(&header) else { return Ok(None) };
        while at < self.length {
            let Some((line, start)) = self.line(at)? else {
                // A line of any other length is none.
                let is_end = self.length - at < MOST_LINE as u64;
                return Ok(is_end.then(|| breaks_off("a frame", at)));
            };
            if !line.starts_with(b"FRAME") {
                return Ok(Some(format!(
                    "expected a whole clip, found something other than a frame at byte {at}: it is damaged"
                )));
            }
            let end = start.saturating_add(size);
            if end > self.length {
                return Ok(Some(breaks_off("a frame", at)));
            }
            at = end;
        }
        Ok(None)
    }

    /// A line and where the next one begins.
    fn line(&mut self, at: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        self.input.seek(SeekFrom::Start(at))?;
        let (mut line, mut byte) = (Vec::new(), [0]);
        while line.len() < MOST_LINE && self.input.read(&mut byte)? == 1 {
            if byte == *b"\n" {
                let next = at + line.len() as u64 + 1;
                return Ok(Some((line, next)));
            }
            line.extend(byte);
        }
        Ok(None)
    }

    /// Pages, each with a sum of its bytes and a number in its stream.
    fn ogg(&mut self) -> io::Result<Option<String>> {
        let (mut at, mut has_data) = (0, false);
        // The number of the next page of a stream, and whether its last one was there.
        let mut streams: BTreeMap<[u8; 4], (u32, bool)> = BTreeMap::new();
        let damaged = |at: u64| {
            Some(format!(
                "expected a whole clip, found damage at byte {at}: frames from there on may be missing, or wrong"
            ))
        };
        while at < self.length {
            let Some(head) = self.at::<27>(at)? else { return Ok(Some(breaks_off("a page", at))) };
            let [b'O', b'g', b'g', b'S', 0, flags, _, _, _, _, _, _, _, _, rest @ ..] = head else {
                return Ok(damaged(at));
            };
            let [s0, s1, s2, s3, n0, n1, n2, n3, c0, c1, c2, c3, segments] = rest;
            let (serial, number) = ([s0, s1, s2, s3], u32::from_le_bytes([n0, n1, n2, n3]));
            let mut page = head.to_vec();
            page[22..26].fill(0);
            // Lengths of what the page holds, and then that.
            let is_whole = self.take(&mut page, u64::from(segments))? && {
                let size = page.iter().skip(27).map(|byte| u64::from(*byte)).sum();
                self.take(&mut page, size)?
            };
            if !is_whole {
                return Ok(Some(breaks_off("a page", at)));
            }
            if sum(&page) != u32::from_le_bytes([c0, c1, c2, c3]) {
                return Ok(damaged(at));
            }
            let (is_first, is_last) = (flags & 2 != 0, flags & 4 != 0);
            if is_first && has_data {
                return Ok(Some(is_second(at)));
            }
            has_data |= !is_first;
            let known = streams.entry(serial).or_insert((number, false));
            if known.0 != number {
                return Ok(damaged(at));
            }
            *known = (number.wrapping_add(1), is_last);
            at += page.len() as u64;
        }
        let lacks = streams.values().any(|(_, is_over)| !is_over);
        Ok(lacks.then(|| {
            "expected the last page of each stream, found an end without it: it was cut short".to_owned()
        }))
    }

    /// Reads on; false where the file ends before.
    fn take(&mut self, page: &mut Vec<u8>, n: u64) -> io::Result<bool> {
        Ok(self.input.by_ref().take(n).read_to_end(page)? as u64 == n)
    }
}

/// Bytes of a frame by the header of a YUV4MPEG2 file, where its layout is known.
fn frame_size(header: &[u8]) -> Option<u64> {
    let header = std::str::from_utf8(header).ok()?;
    let field = |letter: char| header.split(' ').skip(1).find_map(|word| word.strip_prefix(letter));
    let (width, height) = (field('W')?.parse::<u64>().ok()?, field('H')?.parse::<u64>().ok()?);
    let (across, down) = match field('C').unwrap_or("420") {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => (2, 2),
        "422" => (2, 1),
        "444" => (1, 1),
        "411" => (4, 1),
        "mono" => return width.checked_mul(height),
        _ => return None,
    };
    let colours = width.div_ceil(across).checked_mul(height.div_ceil(down))?.checked_mul(2)?;
    width.checked_mul(height)?.checked_add(colours)
}

/// What each byte adds to the sum of a page of Ogg.
const SUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 };
            bit += 1;
        }
        sums[byte] = sum;
        byte += 1;
    }
    sums
};

/// The sum of a page of Ogg, a CRC of 32 bits from its highest one on.
fn sum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum: u32, byte| sum << 8 ^ SUMS[usize::from((sum >> 24) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<String> {
        look(io::Cursor::new(bytes), bytes.len() as u64).unwrap()
    }

    /// A clip that is whole, each shorter one, and two behind each other.
    fn check(whole: &[u8], is_known_as_cut: impl Fn(usize) -> bool, second: Option<&str>) {
        assert_eq!(of(whole), None);
        for n in 0..whole.len() {
            let said = of(&whole[..n]);
            assert_eq!(said.is_some(), is_known_as_cut(n), "{n} of {}: {said:?}", whole.len());
            assert!(said.is_none_or(|said| said.ends_with("it was cut short")), "{n}");
        }
        let said = of(&[whole, whole].concat());
        assert!(
            second.is_none_or(|second| said.as_ref().is_some_and(|said| said.contains(second))),
            "{said:?}"
        );
    }

    #[test]
    fn clips_of_avi_are_as_long_as_they_say() {
        let riff = |kind: &[u8; 4], inside: usize| {
            let size = 4 + inside as u32;
            [b"RIFF", &size.to_le_bytes(), kind.as_slice(), &vec![7; inside], &vec![0; inside % 2]].concat()
        };
        let first = riff(b"AVI ", 20);
        check(&first, |n| n >= 12, Some("another one behind it, from byte 32 on"));
        // The parts of large ones.
        let large = [riff(b"AVI ", 21), riff(b"AVIX", 30)].concat();
        assert_eq!(of(&large), None);
        assert!(of(&large[..large.len() - 1]).is_some());
        // Recordings that nobody has finished, and notes behind a clip.
        assert_eq!(of(&[b"RIFF\0\0\0\0AVI ".as_slice(), &[7; 9]].concat()), None);
        assert_eq!(of(&[first.as_slice(), &[0; 99]].concat()), None);
    }

    #[test]
    fn boxes_are_as_long_as_they_say() {
        let boxed = |name: &[u8; 4], inside: usize| {
            [&(8 + inside as u32).to_be_bytes(), name.as_slice(), &vec![7; inside]].concat()
        };
        let clip = [boxed(b"ftyp", 8), boxed(b"moov", 9), boxed(b"moof", 9), boxed(b"mdat", 30)].concat();
        let ends = [16, 33, 50];
        // Between boxes, and in what is no box yet, nothing is known.
        let is_known = |n: usize| n >= 12 && !ends.iter().any(|end| (*end..end + 8).contains(&n));
        check(&clip, is_known, Some("another one behind it, from byte 104 on"));
        let large = [boxed(b"ftyp", 8), b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x20".to_vec(), vec![7; 16]].concat();
        assert_eq!(of(&large), None);
        assert!(of(&large[..large.len() - 1]).is_some());
        assert_eq!(of(&[clip.as_slice(), b"\xff\xff\xff\xffjunk"].concat()), None);
        assert_eq!(of(&[boxed(b"ftyp", 8), b"\0\0\0\0mdat1234".to_vec()].concat()), None);
    }

    #[test]
    fn segments_of_matroska_are_as_long_as_they_say() {
        let header = b"\x1a\x45\xdf\xa3\x84abcd\x18\x53\x80\x67";
        let clip = [header.as_slice(), b"\x40\x05", b"56789"].concat();
        check(&clip, |n| n >= header.len() + 2, None);
        // A stream has no length.
        let live = [header.as_slice(), b"\x01\xff\xff\xff\xff\xff\xff\xff", b"56"].concat();
        assert_eq!(of(&live), None);
        assert_eq!(of(b"\x1a\x45\xdf\xa3\x00abcdefgh"), None);
    }

    #[test]
    fn tags_of_flv_are_whole() {
        let tag = |size: u8| [&[9, 0, 0, size], [0; 7].as_slice(), &vec![5; size as usize], &[0; 4]].concat();
        let clip = [b"FLV\x01\x01\0\0\0\x09\0\0\0\0".as_slice(), &tag(20), &tag(3)].concat();
        // The length of a tag that stands behind it is missed by nobody.
        check(&clip, |n| n > 13 && !(44..=48).contains(&n) && n < 62, None);
    }

    #[test]
    fn frames_of_raw_video_are_whole() {
        let frame = [b"FRAME Ip\n".as_slice(), &[7; 6 + 2 * 2]].concat();
        let clip = [b"YUV4MPEG2 W3 H2 F10:1\n".as_slice(), &frame, &frame].concat();
        let ends = [22, 22 + frame.len()];
        check(
            &clip,
            |n| n > 22 && !ends.contains(&n),
            Some("something other than a frame at byte 60: it is damaged"),
        );
        assert_eq!(frame_size(b"YUV4MPEG2 W3 H2 C444"), Some(18));
        assert_eq!(frame_size(b"YUV4MPEG2 W3 H2 Cmono"), Some(6));
        assert_eq!(frame_size(b"YUV4MPEG2 W3 H2 C420p10"), None);
        assert_eq!(frame_size(b"YUV4MPEG2 W18446744073709551615 H2"), None);
    }

    fn page(flags: u8, serial: u32, number: u32, inside: &[u8]) -> Vec<u8> {
        let mut page =
            [b"OggS\0".as_slice(), &[flags], &[0; 8], &serial.to_le_bytes(), &number.to_le_bytes(), &[0; 4]]
                .concat();
        page.extend([[1, inside.len() as u8].as_slice(), inside].concat());
        let sum = sum(&page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        page
    }

    #[test]
    fn pages_of_ogg_are_whole_and_none_is_missing() {
        // The CRC of the format's own documentation: polynomial 0x04c11db7, no inversion.
        assert_eq!(sum(b"123456789"), 0x89a1_897f);
        let pages = [
            page(2, 5, 0, b"head"),
            page(2, 6, 0, b"sound"),
            page(0, 5, 1, b"frames"),
            page(4, 6, 1, b"a"),
            page(4, 5, 2, b"more"),
        ];
        let clip = pages.concat();
        check(&clip, |n| n >= 12, Some("another one behind it"));
        let gap = [&pages[0], &pages[1], &pages[3], &pages[4]].map(Vec::as_slice).concat();
        assert!(of(&gap).unwrap().contains("found damage at byte"));
        let mut wrong = clip.clone();
        wrong[70] ^= 1;
        assert!(of(&wrong).unwrap().contains("found damage at byte 65"), "{:?}", of(&wrong));
    }
}
