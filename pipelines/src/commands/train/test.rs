//! Figures on test images, of the decoder just trained and without a decoder, against a bank of the category's good images.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snarm_core::bank::BankBuilder;
use snarm_core::dataset::{Dataset, Mask, Picture};
use snarm_core::detect::{Detector, Limits};
use snarm_core::encoder::Encoder;
use snarm_core::files;
use snarm_core::metrics::{AUPRO_LIMIT, Binning, PixelScores, Samples, auroc};
use snarm_core::training::decoder::{Settings, Trainer};
use snarm_core::view::Rect;

use crate::output::{self, Table};
use crate::progress::Progress;

/// Which bank test images are scored with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bank {
    /// One made of all good images of the category.
    Own,
    /// The one that was learned with, for the category of that number.
    Learned(usize),
}

/// A category to score.
#[derive(Debug, Clone)]
pub(super) struct Test {
    name: String,
    set: Dataset,
    bank: Bank,
}

impl Test {
    pub(super) fn new(name: String, set: Dataset, bank: Bank) -> Self {
        Self { name, set, bank }
    }
}

/// Figures of one scorer on one category.
pub(super) struct Figures {
    category: String,
    scorer: &'static str,
    image_auroc: Option<f64>,
    pixel_auroc: Option<f64>,
    pixel_ap: Option<f64>,
    aupro: Option<f64>,
}

/// Scores of one scorer.
struct Scores {
    images: Samples,
    pixels: PixelScores,
}

impl Scores {
    fn new() -> Self {
        Self { images: Samples::new(), pixels: PixelScores::new() }
    }

    fn figures(mut self, category: &str, scorer: &'static str) -> Result<Figures> {
        let image_auroc = auroc(&self.images.rank()?);
        let pixels = match self.pixels.positives() {
            0 => None,
            _ => Some(self.pixels.figures(Binning::Exact, AUPRO_LIMIT)?),
        };
        Ok(Figures {
            category: category.to_owned(),
            scorer,
            image_auroc,
            pixel_auroc: pixels.as_ref().and_then(|p| p.auroc),
            pixel_ap: pixels.as_ref().and_then(|p| p.average_precision),
            aupro: pixels.and_then(|p| p.aupro),
        })
    }
}

/// Scores the test images of each category with the decoder and without.
pub(super) fn test(
    trainer: &mut Trainer,
    settings: &Settings,
    encoder: &Arc<Encoder>,
    tests: &[Test],
    progress: &Progress,
) -> Result<Vec<Figures>> {
    let mut all = Vec::new();
    for Test { name, set, bank } in tests {
        let bank = match bank {
            Bank::Learned(number) => trainer.bank(*number),
            Bank::Own => {
                let mut builder = BankBuilder::new(Arc::clone(encoder), settings.bank.clone())?;
                for path in &set.train {
                    builder.add(&Picture::read(path, &set.reading)?.frame()?)?;
                }
                Arc::new(builder.finish(&mut |_, _, _| {})?)
            }
        };
        let limits = Limits {
            threshold: 0.5,
            threshold_low: None,
            pixel_threshold: 0.5,
            min_area: 0.0,
            max_regions: 0,
        };
        let mut without = Detector::new(Arc::clone(encoder), Arc::clone(&bank))?;
        let (mut trained, mut free) = (Scores::new(), Scores::new());
        progress.expect(Some(set.test.len()));
        for sample in &set.test {
            progress.step();
            let picture = Picture::read(&sample.path, &set.reading)?;
            let labels = match (&sample.mask, sample.anomalous) {
                (Some(mask), _) => Some(Mask::read(mask, &set.reading)?),
                (None, false) => Some(Mask::empty(picture.width, picture.height)),
                (None, true) => None,
            };
            let found = without.detect(&picture.frame()?, &limits)?;
            let labels: Option<Vec<Option<bool>>> =
                labels.map(|mask| mask.on_map(found.map_size, found.map_rect).collect());
            free.images.push(found.raw_score as f32, sample.anomalous);
            let (map, score) = trainer.score(&bank, &picture)?;
            trained.images.push(score as f32, sample.anomalous);
            if let Some(labels) = labels {
                free.pixels.add(&found.map, &labels, found.map_size.columns)?;
                trained.pixels.add(&map, &labels, found.map_size.columns)?;
            }
            debug_assert_eq!(found.map_rect, Rect::WHOLE, "banks are made of whole frames");
        }
        all.push(free.figures(name, "training-free")?);
        all.push(trained.figures(name, "decoder")?);
    }
    Ok(all)
}

/// Prints the figures, and writes them as JSON.
pub(super) fn report(figures: &[Figures], path: &Path) -> Result<()> {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    let mut table = Table::new(&["category", "scorer", "pixel AP", "AUPRO", "image AUROC", "pixel AUROC"]);
    for f in figures {
        let values = [f.pixel_ap, f.aupro, f.image_auroc, f.pixel_auroc].map(cell);
        table.row([f.category.clone(), f.scorer.to_owned()].into_iter().chain(values).collect());
    }
    table.print()?;
    let json: Vec<Value> = figures
        .iter()
        .map(|f| {
            json!({
                "category": f.category, "scorer": f.scorer, "pixel_ap": f.pixel_ap, "aupro": f.aupro,
                "image_auroc": f.image_auroc, "pixel_auroc": f.pixel_auroc,
            })
        })
        .collect();
    let text = serde_json::to_string_pretty(&json)? + "\n";
    files::replace(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    output::line(format!("figures in {}", path.display()))
}
