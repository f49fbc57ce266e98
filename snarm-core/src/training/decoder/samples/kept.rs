//! Samples that were made: those used last in memory, those that fell out of it on a disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::disk::DiskCache;
use super::sample::{Id, Sample};

/// Where samples came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Counts {
    pub(in super::super) made: u64,
    pub(in super::super) from_memory: u64,
    pub(in super::super) from_disk: u64,
}

/// Keeps samples.
pub(super) struct Kept {
    pub(super) samples: HashMap<Id, Arc<Sample>>,
    /// Samples in memory, the one used last at the end.
    pub(super) order: VecDeque<Id>,
    pub(super) bytes: usize,
    /// Most bytes in memory; one sample is always kept.
    pub(super) memory: usize,
    pub(super) disk: Option<DiskCache>,
    pub(super) counts: Counts,
}

impl Kept {
    pub(super) fn new(memory: usize) -> Self {
        Self {
            samples: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            memory,
            disk: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn get(&mut self, id: Id) -> Option<Arc<Sample>> {
        if let Some(sample) = self.samples.get(&id) {
            let sample = Arc::clone(sample);
            if let Some(place) = self.order.iter().rposition(|other| *other == id) {
                self.order.remove(place);
            }
            self.order.push_back(id);
            self.counts.from_memory += 1;
            return Some(sample);
        }
        let sample = Arc::new(self.on_disk(|disk| disk.get(id))??);
        self.counts.from_disk += 1;
        self.hold(id, Arc::clone(&sample));
        Some(sample)
    }

    /// Keeps a sample that was just made.
    pub(super) fn put(&mut self, id: Id, sample: Arc<Sample>) {
        self.counts.made += 1;
        self.hold(id, sample);
    }

    fn hold(&mut self, id: Id, sample: Arc<Sample>) {
        self.bytes += sample.bytes();
        self.samples.insert(id, sample);
        self.order.push_back(id);
        while self.bytes > self.memory && self.order.len() > 1 {
            let Some(id) = self.order.pop_front() else { break };
            if let Some(oldest) = self.samples.remove(&id) {
                self.bytes -= oldest.bytes();
                self.on_disk(|disk| disk.put(id, &oldest));
            }
        }
    }

    /// Asks the disk. The first failure ends its use: samples are made anew, and what they took of the disk is free for the
    /// files that a run must write.
    fn on_disk<T>(&mut self, ask: impl FnOnce(&mut DiskCache) -> std::io::Result<T>) -> Option<T> {
        let disk = self.disk.as_mut()?;
        match ask(disk) {
            Ok(answer) => Some(answer),
            Err(reason) => {
                let folder = disk.folder().display();
                tracing::warn!("descriptors are kept in memory alone from now on: {reason}: {folder}");
                self.disk = None;
                None
            }
        }
    }
}
