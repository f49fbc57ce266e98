//! An even random sample of a stream whose length is not known (Vitter's algorithm R).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Where the next item of a stream belongs in a sample of bounded size.
#[derive(Debug, Clone)]
pub(super) struct Reservoir {
    capacity: usize,
    seen: u64,
    /// Items kept.
    kept: usize,
    rng: ChaCha8Rng,
}

/// What to do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Append it.
    Append,
    /// Put it in place of that one.
    Replace(usize),
    /// Let it pass.
    Skip,
}

impl Reservoir {
    pub(super) fn new(capacity: usize, rng: ChaCha8Rng) -> Self {
        Self { capacity, seen: 0, kept: 0, rng }
    }

    /// Sets how many items are kept, before the first one.
    pub(super) fn limit(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Decides about the next item.
    pub(super) fn place(&mut self) -> Place {
        let index = self.seen;
        self.seen += 1;
        if self.kept < self.capacity {
            self.kept += 1;
            return Place::Append;
        }
        match self.rng.random_range(0..=index) {
            place if place < self.capacity as u64 => Place::Replace(place as usize),
            _ => Place::Skip,
        }
    }
}

impl Reservoir {
    /// Takes back so many of the items that were kept, as if they had never come.
    pub(super) fn forget(&mut self, items: usize) {
        self.kept = self.kept.saturating_sub(items);
        self.seen = self.seen.saturating_sub(items as u64).max(self.kept as u64);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_item_is_kept_with_the_same_chance() {
        let mut counts = [0_u32; 100];
        for seed in 0..2000 {
            let mut reservoir = Reservoir::new(10, ChaCha8Rng::seed_from_u64(seed));
            let mut kept = Vec::new();
            for item in 0..100 {
                match reservoir.place() {
                    Place::Append => kept.push(item),
                    Place::Replace(at) => kept[at] = item,
                    Place::Skip => {}
                }
            }
            assert_eq!(kept.len(), 10);
            kept.iter().for_each(|item: &usize| counts[*item] += 1);
        }
        // 200 expected, standard deviation 13.4.
        assert!(counts.iter().all(|c| (140..260).contains(c)), "{counts:?}");
    }
}
