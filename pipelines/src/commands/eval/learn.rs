//! The banks and decoders of a setting.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use snarm_core::bank::{Bank, BankBuilder, Origin};
use snarm_core::dataset::{Dataset, Picture, Reading};
use snarm_core::encoder::Encoder;
use snarm_core::models::Decoder;
use snarm_core::paths::text;
use snarm_core::synthetic::augmentation::Views;

use super::{Args, Setting};
use crate::commands::show_stage;
use crate::progress::Progress;

/// The decoder of a category. In the setting cross it must not have seen the category.
pub(super) fn decoder(args: &Args, category: &str, encoder: &Encoder) -> Result<Option<Arc<Decoder>>> {
    let decoder = args.model.decoder_of(category, encoder)?;
    if let (Setting::Cross, Some(decoder)) = (args.setting, &decoder) {
        match decoder.provenance() {
            Some(learned) if learned.categories.iter().any(|known| known == category) => {
                let known = learned.categories.join(", ");
                bail!("--setting cross: expected a decoder trained without {category}, found one of {known}");
            }
            Some(_) => {}
            None => tracing::warn!("the decoder of {category} does not say what it was trained on"),
        }
    }
    Ok(decoder)
}

/// Learns the good images of `sets`, all into one bank, and tells how long it took.
pub(super) fn bank(
    args: &Args,
    encoder: &Arc<Encoder>,
    sets: &[&Dataset],
    decoder: Option<Arc<Decoder>>,
    progress: &Progress,
) -> Result<(Arc<Bank>, Duration)> {
    let start = Instant::now();
    let mut settings = args.bank.settings()?;
    if args.shots().is_some() && settings.views == Views::default() {
        settings.views = Views::FewShot;
    }
    let seed = settings.seed;
    let mut builder = BankBuilder::new(Arc::clone(encoder), settings)?.on(args.frames.device)?;
    if let Some(decoder) = decoder {
        builder.calibrate_with(decoder)?;
    }
    let mut images: Vec<(&PathBuf, &Reading)> = Vec::new();
    for set in sets {
        let train = match args.shots() {
            Some(shots) => chosen(&set.train, shots, seed),
            None => set.train.iter().collect(),
        };
        images.extend(train.into_iter().map(|path| (path, &set.reading)));
    }
    progress.label("learn");
    progress.expect(Some(images.len()));
    for (path, reading) in &images {
        progress.step();
        let picture = Picture::read(path, reading)?;
        builder.add_from(&picture.frame()?, Some(Origin::file(text(path))))?;
    }
    let bank = builder.finish(&mut show_stage(progress)).context("cannot learn a bank")?;
    if bank.header().copies > 0 {
        let (frames, copies) = (bank.frames(), bank.header().copies);
        tracing::warn!("learned {frames} good images, {copies} of them copies, which say nothing new");
    }
    for odd in bank.odd_frames() {
        if let Some(origin) = &odd.origin {
            tracing::warn!("unlike the other good images by {:.1} standard deviations: {origin}", odd.sigmas);
        }
    }
    Ok((Arc::new(bank), start.elapsed()))
}

/// So many of `images`, chosen by `seed`, in order.
fn chosen(images: &[PathBuf], count: usize, seed: u64) -> Vec<&PathBuf> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut chosen = index::sample(&mut rng, images.len(), count.min(images.len())).into_vec();
    chosen.sort_unstable();
    chosen.into_iter().filter_map(|i| images.get(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shots_are_chosen_by_the_seed() {
        let images: Vec<PathBuf> = (0..30).map(|i| PathBuf::from(format!("{i:02}"))).collect();
        let four = chosen(&images, 4, 1);
        assert_eq!((four.len(), &four), (4, &chosen(&images, 4, 1)));
        assert!(four.is_sorted() && (2..9).any(|seed| chosen(&images, 4, seed) != four));
        assert_eq!(chosen(&images[..3], 9, 0).len(), 3);
    }
}
