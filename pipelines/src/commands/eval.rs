//! `snarm eval`: how well defects are told from good parts, over the categories of a data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::bank::{Bank, BankBuilder};
use snarm_core::dataset::{self, Dataset, Mask, Picture, Sample};
use snarm_core::detector::{Detection, Detector, Limits};
use snarm_core::encoder::Encoder;
use snarm_core::metrics::Samples;
use snarm_core::models::snarm::head::Head;
use snarm_core::registry;

use super::report::{Report, Scores};
use super::{BankOptions, ModelOption, make_parent, show_stage};
use crate::exit::Outcome;
use crate::progress::Progress;

/// Learns each category from its good images and scores its test images.
///
/// A category is a folder in the layout of MVTec AD (train/good, test/TYPE, ground_truth/TYPE/NAME_mask.png),
/// or a folder `normal` beside one folder for each kind of defect.
///
/// Image scores are AUROC, average precision and best F1. Pixel scores are taken at the resolution of the score
/// map: each of its pixels asks the mask pixel under its centre. Good images count in full, defective images
/// without a mask not at all; without any mask the pixel scores are null.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds the categories
    #[arg(long)]
    data: PathBuf,
    /// Categories to evaluate, separated by commas [default: every folder in DATA]
    #[arg(long, value_delimiter = ',')]
    categories: Vec<String>,
    /// File for the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Pass over image files that cannot be read, with a warning
    #[arg(long)]
    skip_unreadable: bool,
    #[command(flatten)]
    bank: BankOptions,
    /// Of a folder, each category has the decoder CATEGORY.safetensors
    #[command(flatten)]
    model: ModelOption,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let categories = categories(args)?;
    let encoder = registry::encoder(args.bank.encoder.as_deref())?;
    if let Some(path) = &args.json {
        make_parent(path)?;
    }
    let mut report = Report::default();
    for name in categories {
        let scores = evaluate(args, &name, &encoder).with_context(|| format!("category {name}"))?;
        report.add(name, scores);
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report.to_json())? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    report.table().print()?;
    Ok(Outcome::Done)
}

fn categories(args: &Args) -> Result<Vec<String>> {
    if !args.categories.is_empty() {
        return Ok(args.categories.clone());
    }
    let found = dataset::folders(&args.data)?;
    if found.is_empty() {
        bail!("expected folders of categories, found none in {}", args.data.display());
    }
    Ok(found)
}

fn evaluate(args: &Args, name: &str, encoder: &Arc<Encoder>) -> Result<Scores> {
    let set = Dataset::open(&args.data.join(name))?;
    let progress = Progress::new("learn");
    let head = args.model.head_of(name, encoder)?;
    let bank = learn(args, &set, encoder, head.clone(), &progress)?;
    progress.label("test");
    progress.expect(Some(set.test.len()));
    let mut detector = Detector::with_head(Arc::clone(encoder), Arc::new(bank), head)?;
    let limits = Limits { max_regions: 0, ..detector.bank_limits() };
    let (mut images, mut pixels) = (Samples::new(), Samples::new());
    let mut marked = false;
    for sample in &set.test {
        progress.step();
        let Some(picture) = open(&sample.path, args.skip_unreadable)? else { continue };
        let found = detector.detect(&picture.frame()?, &limits)?;
        images.push(found.raw_score as f32, sample.anomalous);
        marked |= add_pixels(&mut pixels, found, sample, &picture)?;
    }
    if !marked {
        pixels = Samples::new();
    }
    Scores::new(images, pixels)
}

fn learn(
    args: &Args,
    set: &Dataset,
    encoder: &Arc<Encoder>,
    head: Option<Arc<Head>>,
    progress: &Progress,
) -> Result<Bank> {
    let mut builder = BankBuilder::new(Arc::clone(encoder), args.bank.settings())?;
    if let Some(head) = head {
        builder.calibrate_with(head)?;
    }
    progress.expect(Some(set.train.len()));
    for path in &set.train {
        progress.step();
        if let Some(picture) = open(path, args.skip_unreadable)? {
            builder.add(&picture.frame()?)?;
        }
    }
    Ok(builder.finish(&mut show_stage(progress))?)
}

/// Reads an image; `None` for one that cannot be read and need not be.
fn open(path: &Path, skip_unreadable: bool) -> Result<Option<Picture>> {
    match Picture::open(path) {
        Ok(picture) => Ok(Some(picture)),
        Err(reason) if skip_unreadable => {
            tracing::warn!("skipped: {reason}");
            Ok(None)
        }
        Err(reason) => Err(reason.into()),
    }
}

/// Adds the pixels of one map. Returns whether they were compared with a mask that marks something.
fn add_pixels(pixels: &mut Samples, found: &Detection, sample: &Sample, picture: &Picture) -> Result<bool> {
    let mask = match &sample.mask {
        Some(path) => {
            let mask = Mask::open(path)?;
            if (mask.width, mask.height) != (picture.width, picture.height) {
                bail!(
                    "mask: expected the size of its image {}x{}, found {}x{}: {}",
                    picture.width,
                    picture.height,
                    mask.width,
                    mask.height,
                    path.display()
                );
            }
            mask
        }
        None if sample.anomalous => return Ok(false),
        None => Mask::empty(picture.width, picture.height),
    };
    let labels = mask.on_map(found.map_side, found.map_rect);
    pixels.extend(found.map.iter().zip(labels).filter_map(|(&score, label)| Some((score, label?))));
    Ok(sample.mask.is_some())
}
