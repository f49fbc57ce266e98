//! Which way up a picture was taken: the orientation in its EXIF notes, as programs write them and not as they should.

use std::io::{BufRead, Read, Seek, SeekFrom};

use image::metadata::Orientation;

/// The first bytes of a PNG file.
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Most bytes of the notes of a PNG file that are looked at; the orientation stands near their beginning.
const MOST_NOTES: u64 = 1 << 20;

/// The number of the entry.
const ENTRY: u16 = 0x112;

/// The orientation in EXIF notes, a TIFF header and a folder of entries: of any kind of whole number, and also where the
/// name stands before the notes that belongs to JPEG files alone.
pub(super) fn of_notes(notes: &[u8]) -> Option<Orientation> {
    let notes = notes.strip_prefix(b"Exif\0\0").unwrap_or(notes);
    let is_big = match notes.first_chunk()? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *notes.get(at..)?.first_chunk()?;
        Some(if is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *notes.get(at..)?.first_chunk()?;
        Some(if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let folder = long(4)? as usize;
    let entries = (0..usize::from(short(folder)?)).map(|i| folder + 2 + 12 * i);
    let entry = entries.take_while(|at| *at < notes.len()).find(|at| short(*at) == Some(ENTRY))?;
    let value = match short(entry + 2)? {
        1 | 6 => u32::from(*notes.get(entry + 8)?),
        3 | 8 => u32::from(short(entry + 8)?),
        4 | 9 => long(entry + 8)?,
        _ => return None,
    };
    Orientation::from_exif(u8::try_from(value).ok()?)
}

/// The orientation in the notes of a PNG file, before or behind its image data. The input stands at its beginning again.
///
/// # Errors
/// When the input cannot be read; an end that comes too soon is none.
pub(super) fn of_png(input: &mut (impl BufRead + Seek)) -> std::io::Result<Option<Orientation>> {
    let notes = notes_of_png(input)?;
    input.seek(SeekFrom::Start(0))?;
    Ok(notes.and_then(|notes| of_notes(&notes)))
}

fn notes_of_png(input: &mut (impl BufRead + Seek)) -> std::io::Result<Option<Vec<u8>>> {
    if read(input, PNG.len() as u64)? != PNG {
        return Ok(None);
    }
    loop {
        let header = read(input, 8)?;
        let Some((length, kind)) = header.split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        match kind {
            b"eXIf" => return read(input, u64::from(length).min(MOST_NOTES)).map(Some),
            // Four more bytes are a sum of the chunk.
            [_, _, _, _] if kind != b"IEND" => input.seek_relative(i64::from(length) + 4)?,
            _ => return Ok(None),
        }
    }
}

/// The next bytes, as many as there are up to `length`.
fn read(input: &mut impl BufRead, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Notes with an orientation as a number of that kind, 1, 3 or 4: of one byte, two, or four.
    fn notes(kind: u16, orientation: u8, is_big: bool) -> Vec<u8> {
        let short = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
        let value = match kind {
            1 => [orientation, 0, 0, 0],
            3 => [short(orientation.into()), [0; 2]].concat().try_into().unwrap(),
            _ => long(orientation.into()),
        };
        let header = if is_big { b"MM\0*" } else { b"II*\0" };
        // One other entry stands first.
        let entries = [(0x100, 3, [0; 4]), (ENTRY, kind, value)];
        let mut bytes = [&header[..], &long(8), &short(entries.len() as u16)].concat();
        for (number, kind, value) in entries {
            bytes.extend([&short(number)[..], &short(kind), &long(1), &value].concat());
        }
        bytes.extend([0; 4]);
        bytes
    }

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat()
    }

    #[test]
    fn any_whole_number_is_an_orientation() {
        for kind in [1, 3, 4] {
            for is_big in [false, true] {
                for orientation in 1..=8 {
                    let plain = notes(kind, orientation, is_big);
                    let named = [&b"Exif\0\0"[..], &plain].concat();
                    let expected = Orientation::from_exif(orientation);
                    assert!(expected.is_some());
                    assert_eq!([of_notes(&plain), of_notes(&named)], [expected; 2], "{kind} {is_big}");
                }
                for other in [0, 9, 255] {
                    assert_eq!(of_notes(&notes(kind, other, is_big)), None);
                }
            }
        }
        assert_eq!(of_notes(&notes(5, 6, false)), None, "a fraction");
    }

    #[test]
    fn damaged_notes_say_nothing() {
        let whole = notes(3, 6, false);
        for end in 0..whole.len() - 8 {
            assert_eq!(of_notes(&whole[..end]), None, "{end}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = of_notes(&bytes);
        }
        assert_eq!(of_notes(b"II*\0\xff\xff\xff\xff"), None);
    }

    #[test]
    fn notes_of_a_png_file_stand_anywhere_in_it() {
        let exif = chunk(b"eXIf", &notes(3, 6, true));
        let (data, end) = (chunk(b"IDAT", &[7; 20_000]), chunk(b"IEND", b""));
        let of = |chunks: &[&[u8]]| {
            let mut input = Cursor::new([&PNG[..], &chunks.concat()].concat());
            let found = of_png(&mut input).unwrap();
            assert_eq!(input.position(), 0);
            found
        };
        assert_eq!(of(&[&exif, &data, &end]), Some(Orientation::Rotate90));
        assert_eq!(of(&[&data, &data, &exif, &end]), Some(Orientation::Rotate90));
        assert_eq!(of(&[&data, &end, &exif]), None);
        assert_eq!(of(&[&data[..99]]), None);
        assert_eq!(of_png(&mut Cursor::new(b"P5 1 1 255\n7")).unwrap(), None);
    }
}
