//! Score maps as `.npy` files: float32, little-endian, row after row, readable by NumPy and many others.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use snarm_core::Grid;

/// Writes a map.
pub(crate) fn write(path: &Path, map: &[f32], size: Grid) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&header(size))?;
    for value in map {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
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
    #[test]
    fn the_header_ends_at_a_multiple_of_64() {
        let bytes = super::header(super::Grid { rows: 288, columns: 512 });
        assert_eq!((bytes.len() % 64, bytes.last()), (0, Some(&b'\n')));
        assert_eq!(usize::from(bytes[8]) + 256 * usize::from(bytes[9]), bytes.len() - 10);
        assert!(String::from_utf8_lossy(&bytes).contains("'shape': (288, 512)"));
    }
}
