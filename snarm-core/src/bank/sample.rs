//! The descriptors of a stream, as many as the capacity of the bank allows.
//!
//! A short stream is kept as it is. Of a longer one an even random sample stays. Where a greedy search picks the bank, a
//! coreset stays beside the sample, so that what is rare is not lost: whenever there is no room left, what is there is
//! thinned, and what comes joins it (merge and reduce). A coreset alone would not do: it has one descriptor for what many
//! frames show, and a frame that is scored without its own would find nothing that is like it.

use std::collections::HashSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::scale_columns::scale_columns;

use super::coreset::thin;
use super::places::NOWHERE;
use super::reservoir::{Place, Reservoir};
use super::{BankSettings, Memory, Reduction};
use crate::error::Result;
use crate::memory;

/// Descriptors kept for each of the bank.
const FOR_EACH: usize = 16;

/// Descriptors kept in any case: some frames.
const LEAST: usize = 16_384;

/// Part of the room that the random sample has beside the coreset where it is thinned.
const SAMPLED: f64 = 0.25;

/// Descriptors, and for each the image and the place in it that it was taken from.
#[derive(Clone)]
pub(super) struct Sample {
    width: usize,
    most: usize,
    /// Size of the coreset that stays, by a greedy search, where there is no room left.
    greedy: Option<usize>,
    /// Descriptors that came.
    seen: u64,
    /// Those that were there when it was thinned last, the first ones, and the part of the stream before that stayed by
    /// chance.
    thinned: (usize, f64),
    features: Vec<f32>,
    images: Vec<u32>,
    places: Vec<u32>,
    reservoir: Reservoir,
    rng: ChaCha8Rng,
}

impl Sample {
    /// An empty one, for descriptors of that width.
    pub(super) fn new(width: usize, settings: &BankSettings, rng: ChaCha8Rng, thinning: ChaCha8Rng) -> Self {
        let most = settings.capacity.saturating_mul(FOR_EACH).max(LEAST);
        let greedy = (settings.reduction == Reduction::Greedy).then_some(settings.capacity);
        let reservoir = Reservoir::new(most, rng);
        Self {
            width,
            most,
            greedy,
            seen: 0,
            thinned: (0, 1.0),
            features: Vec::new(),
            images: Vec::new(),
            places: Vec::new(),
            reservoir,
            rng: thinning,
        }
    }

    /// Offers one descriptor of an image, from that place, or from nowhere.
    ///
    /// # Errors
    /// When the compute pool cannot be started, or there is no memory for it.
    pub(super) fn add(&mut self, row: &[f32], image: u32, place: u32) -> Result<()> {
        if self.greedy.is_some() && self.len() >= self.most {
            self.reduce()?;
        }
        self.seen += 1;
        match if self.greedy.is_some() { Place::Append } else { self.reservoir.place() } {
            Place::Append => {
                memory::reserve("what a bank is made of", &mut self.features, row.len())?;
                memory::reserve("what a bank is made of", &mut self.images, 1)?;
                memory::reserve("what a bank is made of", &mut self.places, 1)?;
                self.features.extend_from_slice(row);
                self.images.push(image);
                self.places.push(place);
            }
            Place::Replace(at) => {
                self.features[at * row.len()..][..row.len()].copy_from_slice(row);
                (self.images[at], self.places[at]) = (image, place);
            }
            Place::Skip => {}
        }
        Ok(())
    }

    /// Offers the descriptors of an image with their places (empty: nowhere), but for the tokens that `ignored` names (empty:
    /// none).
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn add_image(
        &mut self,
        descriptors: &[f32],
        image: u32,
        places: &[u32],
        ignored: &[bool],
    ) -> Result<()> {
        for (token, row) in descriptors.chunks_exact(self.width).enumerate() {
            if !ignored.get(token).copied().unwrap_or(false) {
                self.add(row, image, places.get(token).copied().unwrap_or(NOWHERE))?;
            }
        }
        Ok(())
    }

    /// Multiplies the columns of all descriptors by factors.
    pub(super) fn scale(&mut self, factors: &[f32]) -> Result<()> {
        Ok(snarm_kernels::threads::install(|| scale_columns(&mut self.features, factors))??)
    }

    /// The descriptor at a place.
    pub(super) fn row(&self, place: usize) -> &[f32] {
        &self.features[place * self.width..][..self.width]
    }

    /// The image that the descriptor at a place was taken from.
    pub(super) fn image(&self, place: usize) -> u32 {
        self.images[place]
    }

    /// Takes back the images from `first` on. Where there was no room left meanwhile, what had to make room for them is
    /// lost.
    pub(super) fn discard_from(&mut self, first: u32) {
        let before = self.len();
        self.keep(|_, image| image < first);
        self.reservoir.forget(before - self.len());
        self.seen = self.seen.saturating_sub((before - self.len()) as u64);
        self.thinned.0 = self.thinned.0.min(self.len());
    }

    /// Descriptors kept.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// Images that descriptors are kept of.
    pub(super) fn images(&self) -> HashSet<u32> {
        self.images.iter().copied().collect()
    }

    /// What of them a bank keeps, and the place of each.
    pub(super) fn thinned(
        &self,
        settings: &BankSettings,
        rng: ChaCha8Rng,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<(Memory, Vec<u32>)> {
        let picks = thin(&self.features, self.width, settings.capacity, settings.reduction, rng, progress)?;
        let features = picks.iter().flat_map(|pick| self.row(*pick as usize)).copied().collect();
        let of = |values: &[u32]| picks.iter().map(|pick| values[*pick as usize]).collect();
        Ok((Memory::new(features, of(&self.images))?, of(&self.places)))
    }

    /// Makes room: a coreset of what is there stays, and of the others so many that the whole stream has the same chance.
    fn reduce(&mut self) -> Result<()> {
        let Some(capacity) = self.greedy else { return Ok(()) };
        let picks =
            thin(&self.features, self.width, capacity, Reduction::Greedy, self.rng.clone(), &mut |_| {})?;
        let picks: HashSet<u32> = picks.into_iter().collect();
        let (earlier, before) = self.thinned;
        let part = before.min(SAMPLED * self.most as f64 / self.seen as f64);
        let chance = |row: usize| if row < earlier { part / before } else { part };
        let drawn: Vec<bool> = (0..self.len()).map(|row| self.rng.random_bool(chance(row))).collect();
        self.keep(|row, _| drawn[row] || picks.contains(&(row as u32)));
        self.thinned = (self.len(), part);
        Ok(())
    }

    fn keep(&mut self, stays: impl Fn(usize, u32) -> bool) {
        let mut kept = 0;
        for row in 0..self.images.len() {
            if stays(row, self.images[row]) {
                self.images[kept] = self.images[row];
                self.places[kept] = self.places[row];
                self.features.copy_within(row * self.width..(row + 1) * self.width, kept * self.width);
                kept += 1;
            }
        }
        self.images.truncate(kept);
        self.places.truncate(kept);
        self.features.truncate(kept * self.width);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// A stream of descriptors of which one in a thousand lies far from all others.
    fn learned(reduction: Reduction, rows: usize) -> Sample {
        let settings = BankSettings { capacity: 200, reduction, ..BankSettings::default() };
        let rng = ChaCha8Rng::seed_from_u64;
        let mut sample = Sample::new(8, &settings, rng(1), rng(2));
        for i in 0..rows {
            let far = if i % 1000 == 7 { 50.0 } else { 0.0 };
            let row: Vec<f32> = (0..8).map(|d| far + ((i * 31 + d * 17) % 97) as f32 / 97.0).collect();
            sample.add(&row, (i / 100) as u32, i as u32).unwrap();
            assert!(sample.len() <= LEAST);
        }
        sample
    }

    #[test]
    fn a_long_stream_takes_no_more_memory_than_the_capacity_allows() {
        for reduction in [Reduction::Greedy, Reduction::Random, Reduction::None] {
            let sample = learned(reduction, 5 * LEAST);
            assert!(
                sample.features.capacity() <= 2 * LEAST * 8,
                "{reduction:?}: {}",
                sample.features.capacity()
            );
            let far = sample.features.chunks_exact(8).any(|row| row[0] >= 50.0);
            assert!(far, "{reduction:?}: what is rare is still there");
        }
    }

    /// A coreset alone has one descriptor for what hundreds show.
    #[test]
    fn of_what_all_frames_show_an_even_share_of_all_frames_stays() {
        let rows = 5 * LEAST;
        let sample = learned(Reduction::Greedy, rows);
        let settled = &sample.images[..sample.thinned.0];
        let before = settled.iter().max().copied().unwrap() as usize + 1;
        let mut fifths = [0_usize; 5];
        settled.iter().for_each(|image| fifths[*image as usize * 5 / before] += 1);
        let share = (SAMPLED * LEAST as f64 / 5.0) as usize;
        assert!(
            fifths.iter().all(|rows| (share * 4 / 5..share * 7 / 5).contains(rows)),
            "{fifths:?} {share}"
        );
    }

    #[test]
    fn a_short_stream_is_kept_as_it_came() {
        let sample = learned(Reduction::Greedy, LEAST);
        assert_eq!(sample.len(), LEAST);
        assert!(sample.images.is_sorted());
    }

    #[test]
    fn descriptors_keep_their_places() {
        let sample = learned(Reduction::Greedy, 3 * LEAST);
        for (row, place) in sample.features.chunks_exact(8).zip(&sample.places) {
            let far = if place % 1000 == 7 { 50.0 } else { 0.0 };
            assert_eq!(row[0], far + ((place * 31) % 97) as f32 / 97.0, "{place}");
        }
    }
}
