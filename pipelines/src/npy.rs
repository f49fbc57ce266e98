//! Score maps as `.npy` files: float32, little-endian, row after row, readable by NumPy and many others.

use std::io;
use std::path::Path;

use snarm_core::{Grid, files};

/// Writes a map.
pub(crate) fn write(path: &Path, map: &[f32], size: Grid) -> io::Result<()> {
    let mut bytes = header(size);
    bytes.extend(map.iter().flat_map(|value| value.to_le_bytes()));
    files::put(path, &bytes)
}

/// Magic, version 1.0, and the description padded so that the data begins at a multiple of 64 bytes.
fn header(Grid { rows, columns }: Grid) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    let padded = (10 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', padded - 10 - text.len() - 1));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_takes_the_place_of_another_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let [path, kept] = ["map.npy", "kept.npy"].map(|name| dir.path().join(name));
        write(&path, &[0.5, 2.0], Grid { rows: 1, columns: 2 }).unwrap();
        let first = std::fs::read(&path).unwrap();
        assert_eq!((first.len(), &first[first.len() - 4..]), (136, &2.0_f32.to_le_bytes()[..]));
        std::fs::hard_link(&path, &kept).unwrap();
        write(&path, &[0.5], Grid { rows: 1, columns: 1 }).unwrap();
        assert_eq!(std::fs::read(&path).unwrap().len(), 132);
        assert_eq!(std::fs::read(&kept).unwrap(), first, "written into the old file");
    }

    #[test]
    fn the_header_ends_at_a_multiple_of_64() {
        let bytes = super::header(super::Grid { rows: 288, columns: 512 });
        assert_eq!((bytes.len() % 64, bytes.last()), (0, Some(&b'\n')));
        assert_eq!(usize::from(bytes[8]) + 256 * usize::from(bytes[9]), bytes.len() - 10);
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': (288, 512)"));
    }
}
