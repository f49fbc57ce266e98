//! Samples: the descriptors of an image, its inter-residuals, and its mask. They do not depend on the decoder, so they are
//! computed once and kept, in half precision, as long as the memory and the room on a disk suffice.

mod disk;
mod kept;
mod sample;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use half::f16;
use snarm_kernels::nearest::{Filter, Labels, NONE};

pub use self::disk::DiskCache;
use self::kept::{Counts, Kept};
pub(super) use self::sample::{Id, Sample, Shows};
use super::data::{Banks, Category};
use super::{Settings, Without};
use crate::bank::{Bank, Memory};
use crate::dataset::{Mask, Picture};
use crate::detect::extract::Extractor;
use crate::encoder::Encoder;
use crate::error::Result;
use crate::models::snarm::Matching;
use crate::models::snarm::decoder::relative_gain;
use crate::synthetic::{Draw, Synthesizer};
use crate::training::random::{key, uniform};

/// What the random numbers of a sample are for.
const LIGHT: u64 = 1;

/// Makes samples, and keeps those made last.
pub(super) struct Samples {
    pub(super) categories: Vec<Category>,
    banks: Banks,
    synthesizer: Synthesizer,
    extractor: Extractor,
    inter: Matching,
    without: Without,
    relative: bool,
    seed: u64,
    brightness: f32,
    kept: Kept,
}

impl Samples {
    pub(super) fn new(
        categories: Vec<Category>,
        banks: Banks,
        encoder: Arc<Encoder>,
        synthesizer: Synthesizer,
        settings: &Settings,
    ) -> Result<Self> {
        let width = encoder.geometry().width();
        Ok(Self {
            categories,
            banks,
            synthesizer,
            extractor: Extractor::new(encoder, settings.bank.view.clone(), None)?,
            inter: Matching::new(width),
            without: settings.without,
            relative: settings.relative,
            seed: settings.seed,
            brightness: settings.brightness,
            kept: Kept::new(settings.memory),
        })
    }

    /// The bank of a category, its rows' pieces, and the piece of one of its images.
    pub(super) fn bank_of(&self, category: usize, piece: Option<u32>) -> (&Arc<Bank>, &[u32], Option<u32>) {
        self.banks.of(category, piece)
    }

    /// Lets samples that fall out of memory be kept on a disk.
    pub(super) fn keep_on(&mut self, disk: DiskCache) {
        self.kept.disk = Some(disk);
    }

    /// Where the samples came from so far.
    pub(super) fn counts(&self) -> Counts {
        self.kept.counts
    }

    /// The sample, kept or made.
    pub(super) fn get(&mut self, id: Id) -> Result<Arc<Sample>> {
        if let Some(sample) = self.kept.get(id) {
            return Ok(sample);
        }
        let sample = Arc::new(self.make(id)?);
        self.kept.put(id, Arc::clone(&sample));
        Ok(sample)
    }

    fn make(&mut self, id: Id) -> Result<Sample> {
        let category = &self.categories[id.category];
        let place = [id.category as u64, id.image as u64];
        let (picture, mask, piece) = match id.shows {
            Shows::Real => {
                let (image, mask) = &category.defective[id.image];
                (Picture::read(image, &category.reading)?, Mask::read(mask, &category.reading)?, None)
            }
            shows => {
                let mut picture = category.good[id.image].open(&category.reading)?;
                let piece = Some(category.pieces[id.image]);
                let variant = match shows {
                    Shows::Synthetic(variant) => u64::from(variant) + 1,
                    _ => 0,
                };
                let light = key(self.seed, &[LIGHT, place[0], place[1], variant]);
                if shows == Shows::OtherLight || (variant > 0 && uniform(light, 0) < 0.5) {
                    relight(&mut picture, 1.0 + self.brightness * (2.0 * uniform(light, 1) - 1.0));
                }
                let mask = Mask::empty(picture.width, picture.height);
                match shows {
                    Shows::Synthetic(variant) => {
                        let image = key(self.seed, &place) as u32;
                        let made =
                            self.synthesizer.make(&picture, Draw { seed: self.seed, image, variant })?;
                        (made.picture, made.mask, piece)
                    }
                    _ => (picture, mask, piece),
                }
            }
        };
        let (bank, pieces, piece) = self.banks.of(id.category, piece);
        let (bank, unlike) = (Arc::clone(bank), piece.map(|piece| (piece, pieces.to_vec())));
        self.sample_of(&bank, unlike, &picture, &mask)
    }

    /// The sample of an image against a bank, whose rows of one piece may be left out: the piece, and that of each row.
    pub(super) fn sample_of(
        &mut self,
        bank: &Bank,
        unlike: Option<(u32, Vec<u32>)>,
        picture: &Picture,
        mask: &Mask,
    ) -> Result<Sample> {
        self.extractor.set_scales(bank.group_scales());
        self.extractor.run(&picture.frame()?, &mut Default::default())?;
        let size = self.extractor.encoder().geometry().size;
        let descriptors = &self.extractor.descriptors;
        let (inter, width) = (&mut self.inter, bank.width());
        let labels =
            unlike.as_ref().map(|(piece, pieces)| (vec![*piece; descriptors.len() / width.max(1)], pieces));
        let labels = labels
            .as_ref()
            .map(|(of_tokens, of_rows)| Labels { queries: of_tokens.into(), rows: (&of_rows[..]).into() });
        let filter = Filter { labels, ..Filter::default() };
        snarm_kernels::threads::install(|| {
            inter.with_bank(descriptors, bank.rows(), bank.memory().map(Memory::codes), filter)
        })??;
        let half = |x: &[f32]| x.iter().map(|v| f16::from_f32(*v)).collect();
        let residuals = if self.without.top_k == 3 {
            half(inter.residual())
        } else {
            half(&to_nearest(inter, descriptors, bank.rows().data, width, self.without.top_k))
        };
        let mosaic = &self.extractor.seen().mosaic;
        let mask = mask.on_map(size, mosaic.rect()).map(|marked| u8::from(marked == Some(true)));
        let level = bank.memory().and_then(Memory::level).filter(|_| self.relative);
        let mut distances = Vec::new();
        inter.mean_distances(&mut distances)?;
        Ok(Sample {
            descriptors: half(descriptors),
            residuals,
            mask: mask.collect(),
            visible: mosaic.visible(),
            gain: if self.relative { relative_gain(width, level) } else { 1.0 },
            distances,
            level,
        })
    }
}

/// Residuals to the mean of fewer than three rows.
fn to_nearest(inter: &Matching, descriptors: &[f32], rows: &[f32], width: usize, k: usize) -> Vec<f32> {
    let mut residuals = Vec::with_capacity(descriptors.len());
    for (token, places) in descriptors.chunks_exact(width).zip(inter.indices().chunks_exact(3)) {
        let found: Vec<&[f32]> = places[..k]
            .iter()
            .filter(|place| **place != NONE)
            .map(|place| &rows[*place as usize * width..][..width])
            .collect();
        let share = 1.0 / found.len().max(1) as f32;
        residuals.extend((0..width).map(|j| found.iter().map(|row| row[j]).sum::<f32>() * share - token[j]));
    }
    residuals
}

fn relight(picture: &mut Picture, gain: f32) {
    picture.data.iter_mut().for_each(|level| *level = (f32::from(*level) * gain + 0.5).min(255.0) as u8);
}
