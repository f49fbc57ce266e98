//! Mirrored and edited clips. The display matrix in a track's header of MP4 and QuickTime files may turn and mirror the
//! picture; of those, GStreamer 1.22 tells turns alone. A track may also say which part of it is shown, which GStreamer
//! makes up where it does not.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Most boxes of a file that are looked at.
const MOST_BOXES: usize = 10_000;

/// Longest header of a track that is read, in bytes.
const MOST_HEADER: u64 = 256;

/// 1 in the numbers of a matrix, 16.16.
const ONE: i32 = 1 << 16;

/// How `videoflip` brings the first picture track of a file upright whose matrix mirrors it; nothing where none does, and
/// for other files.
pub(crate) fn direction(path: &Path) -> Option<&'static str> {
    let (mut boxes, track) = pictures(path)?;
    boxes.matrix(&track).and_then(mirrored)
}

/// Whether the first picture track of a file does not say which part of it is shown.
pub(crate) fn is_unedited(path: &Path) -> bool {
    pictures(path).is_some_and(|(mut boxes, track)| boxes.find(track, b"edts").is_none())
}

/// The first picture track of a file, where it has one.
fn pictures(path: &Path) -> Option<(Boxes<BufReader<File>>, Span)> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut boxes = Boxes { input: BufReader::new(file), left: MOST_BOXES };
    let movie = boxes.find(0..length, b"moov")?;
    let mut start = movie.start;
    while let Some(track) = boxes.find(start..movie.end, b"trak") {
        start = track.end;
        if boxes.is_picture(&track) {
            return Some((boxes, track));
        }
    }
    None
}

/// Directions of `videoflip`, by the first four numbers of a matrix that mirrors: (x, y) comes to (ax + cy, bx + dy).
fn mirrored(matrix: [i32; 4]) -> Option<&'static str> {
    match matrix.map(i32::signum) {
        [-1, 0, 0, 1] => Some("horiz"),
        [1, 0, 0, -1] => Some("vert"),
        [0, 1, 1, 0] => Some("ul-lr"),
        [0, -1, -1, 0] => Some("ur-ll"),
        _ => None,
    }
    .filter(|_| matrix.iter().all(|number| [0, ONE, -ONE].contains(number)))
}

/// A part of the file, in bytes.
type Span = std::ops::Range<u64>;

/// The boxes of a file, each a length, a name and what it holds.
struct Boxes<R> {
    input: R,
    left: usize,
}

impl<R: Read + Seek> Boxes<R> {
    fn read<const N: usize>(&mut self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.input.seek(SeekFrom::Start(at)).ok()?;
        self.input.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// What the first box of a name holds that begins in a span.
    fn find(&mut self, within: Span, name: &[u8; 4]) -> Option<Span> {
        let mut at = within.start;
        while at < within.end {
            self.left = self.left.checked_sub(1)?;
            let header: [u8; 8] = self.read(at)?;
            let [a, b, c, d, found @ ..] = header;
            let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
                0 => (8, within.end - at),
                1 => (16, u64::from_be_bytes(self.read(at + 8)?)),
                size => (8, u64::from(size)),
            };
            let end = at.checked_add(size).filter(|end| size >= head && *end <= within.end)?;
            if found == *name {
                return Some(at + head..end);
            }
            at = end;
        }
        None
    }

    /// Whether the media of a track are pictures.
    fn is_picture(&mut self, track: &Span) -> bool {
        let handler = self.find(track.clone(), b"mdia").and_then(|media| self.find(media, b"hdlr"));
        handler.and_then(|handler| self.read::<4>(handler.start + 8)).is_some_and(|kind| &kind == b"vide")
    }

    /// The first four numbers of a track's matrix, without those of perspective.
    fn matrix(&mut self, track: &Span) -> Option<[i32; 4]> {
        let header = self.find(track.clone(), b"tkhd").filter(|span| span.end - span.start <= MOST_HEADER)?;
        // Times are of eight bytes from version 1 on.
        let [version] = self.read(header.start)?;
        let at = header.start + if version == 0 { 40 } else { 52 };
        let mut matrix = [0; 4];
        for (number, place) in matrix.iter_mut().zip([0, 4, 12, 16]) {
            *number = i32::from_be_bytes(self.read(at + place)?);
        }
        Some(matrix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let size = (8 + inside.len()) as u32;
        [&size.to_be_bytes(), name.as_slice(), inside].concat()
    }

    fn track(kind: &[u8; 4], version: u8, [a, b, c, d]: [i32; 4]) -> Vec<u8> {
        let mut header = vec![0; if version == 0 { 40 } else { 52 }];
        header[0] = version;
        let matrix = [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30];
        header.extend(matrix.iter().flat_map(|number| number.to_be_bytes()));
        let handler = boxed(b"hdlr", &[&[0; 8], kind.as_slice(), &[0; 12]].concat());
        boxed(b"trak", &[boxed(b"tkhd", &header), boxed(b"mdia", &handler)].concat())
    }

    fn clip(tracks: &[Vec<u8>]) -> Vec<u8> {
        [boxed(b"ftyp", b"isom"), boxed(b"mdat", &[7; 99]), boxed(b"moov", &tracks.concat())].concat()
    }

    fn of(bytes: &[u8]) -> Option<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        std::fs::write(&path, bytes).unwrap();
        direction(&path)
    }

    #[test]
    fn the_first_picture_track_decides() {
        for (matrix, expected) in [
            ([1, 0, 0, 1], None),
            ([0, 1, -1, 0], None),
            ([-1, 0, 0, 1], Some("horiz")),
            ([1, 0, 0, -1], Some("vert")),
            ([0, 1, 1, 0], Some("ul-lr")),
            ([0, -1, -1, 0], Some("ur-ll")),
            ([2, 0, 0, -2], None),
        ] {
            for version in [0, 1] {
                let bytes = clip(&[track(b"soun", 0, [-1, 0, 0, 1]), track(b"vide", version, matrix)]);
                assert_eq!(of(&bytes), expected, "{matrix:?}");
            }
        }
        assert_eq!(of(&clip(&[track(b"soun", 0, [-1, 0, 0, 1])])), None);
    }

    #[test]
    fn tracks_say_what_of_them_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.mp4");
        let is = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            is_unedited(&path)
        };
        let plain = track(b"vide", 0, [1, 0, 0, 1]);
        let edited = |kind: &[u8; 4]| {
            let edits = boxed(b"edts", &[0; 8]);
            boxed(b"trak", &[&track(kind, 0, [1, 0, 0, 1])[8..], &edits].concat())
        };
        assert!(is(&clip(&[edited(b"soun"), plain.clone()])));
        assert!(!is(&clip(&[edited(b"vide"), plain])));
        assert!(!is(b"no clip"));
    }

    #[test]
    fn other_bytes_say_nothing() {
        let whole = clip(&[track(b"vide", 0, [-1, 0, 0, 1])]);
        for end in 0..whole.len() {
            assert_eq!(of(&whole[..end]), None, "{end}");
        }
        // Every byte in turn is wrong: whatever is read, it ends.
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 0xff;
            let _ = of(&bytes);
        }
        // Empty boxes without an end are as many as the file is long, and no more than are looked at.
        assert_eq!(of(&boxed(b"free", b"").repeat(2 * MOST_BOXES)), None);
    }
}
