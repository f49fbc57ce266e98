//! How many pictures a file holds: pages of a TIFF file, frames of an animated PNG or WebP file, pictures behind each other.
//! Decoders give the first one and say nothing of the others.

use std::io::{BufRead, Read, Result, Seek, SeekFrom};

/// Most pages of a TIFF file and chunks of another one that are counted.
const MOST: usize = 1 << 20;

/// Tags of TIFF files: what a page is, and which bit of a byte comes first.
const SUBFILE: u16 = 254;
const OLD_SUBFILE: u16 = 255;
const FILL_ORDER: u16 = 266;

/// Why the first picture of a file is not all of it, or not what it shows; nothing where it is. What was expected, and what
/// was found. The input stands at its beginning again.
///
/// # Errors
/// When the input cannot be read; an end that comes too soon is none.
pub(super) fn fault(input: &mut (impl BufRead + Seek)) -> Result<Option<(&'static str, String)>> {
    let begin = read::<12>(input, 0)?;
    let (count, kind) = match begin {
        Some([0x89, b'P', b'N', b'G', ..]) => (of_png(input)?, "frames of an animated PNG file"),
        Some([b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P']) => {
            (of_webp(input)?, "frames of an animated WebP file")
        }
        _ => {
            let tiff = of_tiff(input)?.unwrap_or_default();
            if tiff.is_reversed {
                let expected = "bytes whose highest bit comes first (FillOrder 1)";
                return Ok(Some((expected, "FillOrder 2 in a TIFF file".to_owned())));
            }
            (tiff.pages, "pages of a TIFF file")
        }
    };
    input.seek(SeekFrom::Start(0))?;
    Ok((count > 1).then(|| (ONE, format!("{count} {kind}"))))
}

/// What a file is to hold.
pub(super) const ONE: &str = "a file of one picture";

/// What a TIFF file says of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tiff {
    /// Pages, without smaller copies and masks of others.
    pages: usize,
    /// Whether the lowest bit of a byte comes first.
    is_reversed: bool,
}

/// Looks at the pages of a TIFF file; nothing where it is none.
fn of_tiff(input: &mut (impl BufRead + Seek)) -> Result<Option<Tiff>> {
    let found = match read(input, 0)? {
        Some([b'I', b'I', 42, 0]) => Some(Ends { is_big: false, is_wide: false }),
        Some([b'M', b'M', 0, 42]) => Some(Ends { is_big: true, is_wide: false }),
        Some([b'I', b'I', 43, 0]) => Some(Ends { is_big: false, is_wide: true }),
        Some([b'M', b'M', 0, 43]) => Some(Ends { is_big: true, is_wide: true }),
        _ => None,
    };
    found.map(|ends| ends.pages(input)).transpose()
}

/// How numbers of a TIFF file are written: from the highest byte on, and places in it in eight bytes.
#[derive(Clone, Copy)]
struct Ends {
    is_big: bool,
    is_wide: bool,
}

impl Ends {
    fn short(self, bytes: [u8; 2]) -> u16 {
        if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn long(self, bytes: [u8; 4]) -> u32 {
        if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// A place in the file.
    fn place(self, input: &mut (impl BufRead + Seek), at: u64) -> Result<Option<u64>> {
        if !self.is_wide {
            return Ok(read(input, at)?.map(|bytes| u64::from(self.long(bytes))));
        }
        let number = |bytes| if self.is_big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
        Ok(read(input, at)?.map(number))
    }

    fn pages(self, input: &mut (impl BufRead + Seek)) -> Result<Tiff> {
        let mut tiff = Tiff::default();
        let mut next = self.place(input, if self.is_wide { 8 } else { 4 })?;
        let mut met = std::collections::HashSet::new();
        // A page that leads back to one before it ends them.
        while let Some(at) = next.filter(|at| *at > 0 && met.len() < MOST && met.insert(*at)) {
            let count = if self.is_wide {
                self.place(input, at)?
            } else {
                read(input, at)?.map(|bytes| u64::from(self.short(bytes)))
            };
            let (head, length) = if self.is_wide { (8, 20) } else { (2, 12) };
            let Some(count) = count.filter(|count| *count <= u64::from(u16::MAX)) else { break };
            let mut is_page = true;
            for i in 0..count {
                let entry = at.saturating_add(head + length * i);
                let Some([t0, t1, k0, k1]) = read(input, entry)? else { return Ok(tiff) };
                let (tag, kind) = (self.short([t0, t1]), self.short([k0, k1]));
                if ![SUBFILE, OLD_SUBFILE, FILL_ORDER].contains(&tag) {
                    continue;
                }
                let value =
                    read::<4>(input, entry.saturating_add(length - if self.is_wide { 8 } else { 4 }))?;
                let Some(value @ [v0, v1, ..]) = value else { return Ok(tiff) };
                let value = if kind == 3 { u32::from(self.short([v0, v1])) } else { self.long(value) };
                match tag {
                    // A smaller copy of another page, or a mask of it.
                    SUBFILE => is_page &= value & 0b101 == 0,
                    OLD_SUBFILE => is_page &= value != 2,
                    _ => tiff.is_reversed |= value == 2 && tiff.pages == 0,
                }
            }
            tiff.pages += usize::from(is_page);
            next = self.place(input, at.saturating_add(head + length * count))?;
        }
        Ok(tiff)
    }
}

/// Frames of an animated PNG file; 1 of another one.
fn of_png(input: &mut (impl BufRead + Seek)) -> Result<usize> {
    let (mut at, mut frames) = (8, 1);
    for _ in 0..MOST {
        let Some([l0, l1, l2, l3, name @ ..]) = read::<8>(input, at)? else { break };
        match &name {
            b"acTL" => {
                frames = read(input, at + 8)?.map_or(1, |number| u32::from_be_bytes(number) as usize);
                break;
            }
            // Such a chunk stands before the picture.
            b"IDAT" | b"IEND" => break,
            _ => at = at.saturating_add(12 + u64::from(u32::from_be_bytes([l0, l1, l2, l3]))),
        }
    }
    Ok(frames)
}

/// Frames of an animated WebP file; 1 of another one.
fn of_webp(input: &mut (impl BufRead + Seek)) -> Result<usize> {
    let (mut at, mut frames) = (12_u64, 0);
    for _ in 0..MOST {
        let Some([name @ .., l0, l1, l2, l3]) = read::<8>(input, at)? else { break };
        frames += usize::from(&name == b"ANMF");
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        at = at.saturating_add(8 + length.next_multiple_of(2));
    }
    Ok(frames.max(1))
}

/// Whether another picture follows in a PNM file, whose input stands behind the first one.
///
/// # Errors
/// When the input cannot be read.
pub(super) fn is_followed(input: &mut impl BufRead) -> Result<bool> {
    let mut rest = Vec::new();
    input.take(64).read_to_end(&mut rest)?;
    Ok(matches!(rest.trim_ascii_start(), [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace()))
}

/// Bytes from a place on; nothing where the input ends before.
fn read<const N: usize>(input: &mut (impl BufRead + Seek), at: u64) -> Result<Option<[u8; N]>> {
    input.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    input.by_ref().take(N as u64).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A TIFF file of pages with these entries: tag, kind, value.
    fn tiff(ends: Ends, pages: &[&[(u16, u16, u32)]]) -> Vec<u8> {
        let short = |n: u16| if ends.is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        let long = |n: u32| if ends.is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        let wide = |n: u64| {
            let bytes = if ends.is_big { n.to_be_bytes() } else { n.to_le_bytes() };
            if ends.is_wide { bytes.to_vec() } else { long(n as u32).to_vec() }
        };
        let mut bytes = if ends.is_big { b"MM".to_vec() } else { b"II".to_vec() };
        bytes.extend(short(if ends.is_wide { 43 } else { 42 }));
        if ends.is_wide {
            bytes.extend([short(8), short(0)].concat());
        }
        let width = if ends.is_wide { 8 } else { 4 };
        bytes.extend(wide(bytes.len() as u64 + width));
        for (i, page) in pages.iter().enumerate() {
            let count = page.len() as u64;
            bytes.extend(if ends.is_wide { wide(count) } else { short(count as u16).to_vec() });
            for (tag, kind, value) in *page {
                bytes.extend([short(*tag), short(*kind)].concat());
                bytes.extend(wide(1));
                let value =
                    if *kind == 3 { [short(*value as u16), [0; 2]].concat() } else { long(*value).to_vec() };
                bytes.extend([value, vec![0; width as usize - 4]].concat());
            }
            let end = bytes.len() as u64 + width;
            bytes.extend(wide(if i + 1 < pages.len() { end } else { 0 }));
        }
        bytes
    }

    #[test]
    fn pages_of_tiff_are_counted_without_copies_and_masks_of_others() {
        for is_big in [false, true] {
            for is_wide in [false, true] {
                let ends = Ends { is_big, is_wide };
                let of = |bytes: &[u8]| of_tiff(&mut Cursor::new(bytes)).unwrap();
                let plain: &[(u16, u16, u32)] = &[(256, 3, 9), (257, 4, 9)];
                for (pages, expected) in [
                    (vec![plain], 1),
                    (vec![plain, plain, &[(SUBFILE, 4, 2)]], 3),
                    (vec![plain, &[(SUBFILE, 4, 1)], &[(OLD_SUBFILE, 3, 2)], &[(SUBFILE, 4, 4)]], 1),
                ] {
                    let bytes = tiff(ends, &pages);
                    assert_eq!(of(&bytes), Some(Tiff { pages: expected, is_reversed: false }));
                    for end in 0..bytes.len() {
                        of(&bytes[..end]);
                    }
                }
                let reversed = tiff(ends, &[&[(256, 3, 9), (FILL_ORDER, 3, 2)]]);
                assert_eq!(of(&reversed), Some(Tiff { pages: 1, is_reversed: true }));
                // A page that comes after itself.
                let mut circle = tiff(ends, &[plain]);
                let (end, width) = (circle.len(), if is_wide { 8 } else { 4 });
                let first = circle[width..2 * width].to_vec();
                circle[end - width..].copy_from_slice(&first);
                assert_eq!(of(&circle), Some(Tiff { pages: 1, is_reversed: false }));
            }
        }
        assert_eq!(of_tiff(&mut Cursor::new(b"BM no tiff")).unwrap(), None);
    }

    #[test]
    fn frames_of_animations_are_counted() {
        let png = |chunks: &[(&[u8; 4], &[u8])]| {
            let chunk = |(name, data): &(&[u8; 4], &[u8])| {
                [&(data.len() as u32).to_be_bytes(), name.as_slice(), data, &[0; 4]].concat()
            };
            let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
            bytes.extend(chunks.iter().flat_map(chunk));
            of_png(&mut Cursor::new(bytes)).unwrap()
        };
        let animated: &[u8] = &[0, 0, 0, 7, 0, 0, 0, 0];
        assert_eq!(png(&[(b"IHDR", &[1; 13]), (b"acTL", animated), (b"IDAT", b"1")]), 7);
        assert_eq!(png(&[(b"IHDR", &[1; 13]), (b"IDAT", b"1"), (b"acTL", animated)]), 1);
        assert_eq!(png(&[(b"IHDR", &[1; 13])]), 1);
        let webp = |chunks: &[(&[u8; 4], &[u8])]| {
            let chunk = |(name, data): &(&[u8; 4], &[u8])| {
                let gap = vec![0; data.len() % 2];
                [name.as_slice(), &(data.len() as u32).to_le_bytes(), data, &gap].concat()
            };
            let mut bytes = b"RIFF0000WEBP".to_vec();
            bytes.extend(chunks.iter().flat_map(chunk));
            of_webp(&mut Cursor::new(bytes)).unwrap()
        };
        assert_eq!(webp(&[(b"VP8X", b"123"), (b"ANMF", b"12345"), (b"ANMF", b"1")]), 2);
        assert_eq!(webp(&[(b"VP8L", b"ANMFANMF")]), 1);
    }

    #[test]
    fn pictures_of_pnm_may_follow_each_other() {
        let is = |rest: &[u8]| is_followed(&mut Cursor::new(rest)).unwrap();
        assert!(is(b"P5\n2 2\n255\n1234") && is(b"\n\nP3 1 1"));
        assert!(!is(b"") && !is(b"\n") && !is(b"P") && !is(b"P9 1") && !is(b"P55"));
    }
}
