//! A sorted run of records in a file without a name: distances from key to key, a byte each where scores lie close.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Result, Seek, SeekFrom, Write};
use std::path::Path;

use super::record::Record;

/// Bytes that are read or written at once.
pub(super) const BUFFER: usize = 32 * 1024;

/// A finished run.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    entries: u64,
    /// How many times its records were merged.
    pub level: u32,
}

impl Run {
    /// Reads from the start. One reader at a time: they share the place in the file.
    pub(super) fn reader(&self) -> Result<Reader<'_>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        Ok(Reader { input: BufReader::with_capacity(BUFFER, file), left: self.entries, last: START })
    }
}

const START: Record = Record::from_key(0, 0);

/// Writes a run.
#[derive(Debug)]
pub(super) struct Writer {
    output: BufWriter<File>,
    entries: u64,
    last: Record,
}

impl Writer {
    /// A run in `folder`; the file has no name and is gone with the process, however it ends.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let output = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(folder)?);
        Ok(Self { output, entries: 0, last: START })
    }

    /// Adds `count` equal records, greater than all before.
    pub(super) fn write(&mut self, record: Record, count: u64) -> Result<()> {
        let (many, moved) = (count > 1, record.area() != self.last.area());
        let distance = u64::from(record.key() - self.last.key());
        self.number(distance << 2 | u64::from(moved) << 1 | u64::from(many))?;
        if moved {
            self.number(u64::from(record.area()))?;
        }
        if many {
            self.number(count)?;
        }
        self.entries += 1;
        self.last = record;
        Ok(())
    }

    pub(super) fn finish(self, level: u32) -> Result<Run> {
        let file = self.output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        Ok(Run { file, entries: self.entries, level })
    }

    /// Seven bits a byte, lowest first; the eighth says that more follow.
    fn number(&mut self, mut number: u64) -> Result<()> {
        while number >= 128 {
            self.output.write_all(&[number as u8 | 128])?;
            number >>= 7;
        }
        self.output.write_all(&[number as u8])
    }
}

/// Reads a run.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    input: BufReader<&'a File>,
    left: u64,
    last: Record,
}

impl Reader<'_> {
    /// The next record and how many there are of it.
    pub(super) fn next(&mut self) -> Result<Option<(Record, u64)>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let head = self.number()?;
        let key = self.last.key() + (head >> 2) as u32;
        let area = if head & 2 > 0 { self.number()? as u32 } else { self.last.area() };
        let count = if head & 1 > 0 { self.number()? } else { 1 };
        self.last = Record::from_key(key, area);
        Ok(Some((self.last, count)))
    }

    fn number(&mut self) -> Result<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let mut byte = [0];
            self.input.read_exact(&mut byte)?;
            number |= u64::from(byte[0] & 127) << shift;
            if byte[0] < 128 {
                return Ok(number);
            }
            shift += 7;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written_and_more_than_once() {
        let folder = tempfile::tempdir().unwrap();
        let entries = [
            (Record::from_key(0, 0), 1),
            (Record::from_key(0, 9), 300),
            (Record::from_key(31, 9), 1),
            (Record::from_key(5000, 0), u64::from(u32::MAX) + 1),
            (Record::from_key(u32::MAX, u32::MAX), 2),
        ];
        let mut writer = Writer::new(folder.path()).unwrap();
        for (record, count) in entries {
            writer.write(record, count).unwrap();
        }
        let run = writer.finish(0).unwrap();
        for _ in 0..2 {
            let mut reader = run.reader().unwrap();
            let found: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
            assert_eq!(found, entries);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }
}
