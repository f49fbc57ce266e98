//! One sorted stream of several.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Result;

use super::record::Record;
use super::run::Reader;

/// A sorted stream of records, and how many there are of each.
pub(super) enum Source<'a> {
    /// From memory; equal records are neighbours.
    Memory(&'a [Record]),
    File(Reader<'a>),
}

impl Source<'_> {
    fn next(&mut self) -> Result<Option<(Record, u64)>> {
        match self {
            Self::File(reader) => reader.next(),
            Self::Memory(records) => {
                let Some(first) = records.first() else { return Ok(None) };
                let count = records.iter().take_while(|record| *record == first).count();
                let found = (*first, count as u64);
                *records = &records[count..];
                Ok(Some(found))
            }
        }
    }
}

/// The next entry of each source: record, number of the source, count.
type Heads = BinaryHeap<Reverse<(Record, usize, u64)>>;

/// Merges sources; equal records are put together.
pub(super) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    heads: Heads,
}

impl<'a> Merge<'a> {
    pub(super) fn new(mut sources: Vec<Source<'a>>) -> Result<Self> {
        let mut heads = Heads::with_capacity(sources.len());
        for (i, source) in sources.iter_mut().enumerate() {
            if let Some((record, count)) = source.next()? {
                heads.push(Reverse((record, i, count)));
            }
        }
        Ok(Self { sources, heads })
    }

    /// The next record of all, and how many there are of it.
    pub(super) fn next(&mut self) -> Result<Option<(Record, u64)>> {
        let Some(Reverse((record, _, _))) = self.heads.peek() else { return Ok(None) };
        let (record, mut total) = (*record, 0);
        while let Some(mut head) = self.heads.peek_mut() {
            let Reverse((next, i, count)) = *head;
            if next != record {
                break;
            }
            total += count;
            match self.sources[i].next()? {
                Some((record, count)) => *head = Reverse((record, i, count)),
                None => drop(std::collections::binary_heap::PeekMut::pop(head)),
            }
        }
        Ok(Some((record, total)))
    }
}
