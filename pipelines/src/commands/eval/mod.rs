//! `snarm eval`: how well defects are told from good parts, over the categories of a data set.

mod category;
mod learn;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::json;
use snarm_core::dataset::{self, Layout};
use snarm_core::detect::Detector;
use snarm_core::metrics::{AUPRO_LIMIT, Binning};
use snarm_core::paths::text;

use self::category::Evaluator;
use super::outputs::{self, Holds, Inputs};
use super::{
    BankOptions, FramesOn, LightOptions, ModelOption, SetOptions, fraction, make_parent, write_text,
};
use crate::evaluation::figures::NAMES;
use crate::evaluation::{Category, Evaluation, json as file};
use crate::exit::Outcome;
use crate::output::Table;
use crate::progress::Progress;
use crate::report::{self, Gallery};

/// Good images of a category in the setting few, unless told otherwise.
const SHOTS: u32 = 4;

/// Which good images a category is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setting {
    /// A bank for each category
    Single,
    /// One bank of the good images of all categories, and one decoder
    Multi,
    /// A bank for each category, and a decoder that was trained without it
    Cross,
    /// A bank for each category, of a few of its good images, each in 22 views
    Few,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multi => "multi",
            Self::Cross => "cross",
            Self::Few => "few",
        }
    }
}

/// Learns good images and scores the test images of each category.
///
/// A category is a folder in the layout of MVTec AD (train/good, test/TYPE, ground_truth/TYPE/NAME_mask.png), MVTec 3D
/// or VisA, or a folder `normal` beside one folder for each kind of defect. Good parts may be called good, ok, normal and
/// the like, in any case.
///
/// With --model FOLDER each category has the decoder FOLDER/CATEGORY.safetensors; for cross, one that was trained
/// without it.
///
/// Image scores are AUROC, average precision and best F1. Pixel scores are the same and AUPRO, at the resolution of
/// the score map: each of its pixels asks the mask pixel under its centre. Good images count in full, defective
/// images without a mask not at all; without any mask the pixel scores are null. Verdicts are those at the bank's
/// own threshold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds the categories, or one category
    #[arg(long)]
    data: PathBuf,
    /// Categories to evaluate, separated by commas [default: every folder in DATA]
    #[arg(long, value_delimiter = ',')]
    categories: Vec<PathBuf>,
    /// Which good images a category is compared with
    #[arg(long, value_enum, default_value_t = Setting::Single)]
    setting: Setting,
    /// Good images of each category for few, chosen by the seed [default: 4]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<u32>,
    /// Pixel figures from every score (exact), or from N equal bins as the tool adeval does (adeval, adeval:N)
    #[arg(long, default_value = "exact", value_name = "exact|adeval[:N]", value_parser = binning)]
    binning: Binning,
    /// False-positive rate at which AUPRO ends
    #[arg(long, default_value_t = AUPRO_LIMIT, value_parser = limit)]
    aupro_limit: f64,
    /// Image scores from here on, below the bank's threshold, are uncertain [default: none]
    #[arg(long, value_parser = fraction)]
    threshold_low: Option<f64>,
    /// File for the figures and the score of every image as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Add the time of each stage to the JSON file, which is then another one in every run
    #[arg(long, requires = "json")]
    times: bool,
    /// File for a page with tables, curves, histograms and pictures: one HTML file that needs nothing else
    #[arg(long)]
    report: Option<PathBuf>,
    /// Pictures of each sort in the page: false alarms, misses, hits
    #[arg(long, default_value_t = 3, requires = "report")]
    cases: usize,
    #[command(flatten)]
    set: SetOptions,
    #[command(flatten)]
    bank: BankOptions,
    #[command(flatten)]
    model: ModelOption,
    #[command(flatten)]
    light: LightOptions,
    #[command(flatten)]
    frames: FramesOn,
}

impl Args {
    /// Good images of a category, where they are few.
    fn shots(&self) -> Option<usize> {
        (self.setting == Setting::Few).then(|| self.shots.unwrap_or(SHOTS) as usize)
    }

    /// Refuses options that contradict each other.
    fn check(&self) -> Result<()> {
        match self.setting {
            Setting::Cross if !self.model.is_folder() => {
                bail!("--setting cross: expected --model with a folder of decoders, one for each category")
            }
            Setting::Multi if self.model.is_folder() => {
                bail!("--setting multi: expected --model with one decoder for all categories, found a folder")
            }
            _ if self.shots.is_some() && self.setting != Setting::Few => {
                bail!("--shots: expected --setting few, found {}", self.setting.name())
            }
            _ => self.check_files(),
        }
    }

    /// Refuses to write two things into one file. A device takes both.
    fn check_files(&self) -> Result<()> {
        let both = self.json.as_deref().filter(|path| self.report.as_deref() == Some(*path));
        match both.filter(|path| path.is_file() || !path.exists()) {
            Some(path) => bail!("--report: expected another file than that of --json, found {}", text(path)),
            None => Ok(()),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    args.check()?;
    let outputs = [("--json", &args.json, Holds::Json), ("--report", &args.report, Holds::Page)];
    for (option, path, holds) in outputs {
        if let Some(path) = path {
            outputs::check(option, path, holds, &Inputs::default())?;
            make_parent(path)?;
        }
    }
    let (evaluation, galleries) = evaluate(args)?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&file::evaluation(&evaluation, args.times))? + "\n";
        write_text(path, &text)?;
    }
    if let Some(path) = &args.report {
        write_text(path, &report::page(&evaluation, &galleries))?;
    }
    table(&evaluation).print()?;
    Ok(Outcome::Done)
}

fn evaluate(args: &Args) -> Result<(Evaluation, Vec<Gallery>)> {
    let (root, folders) = categories(args)?;
    let names: Vec<String> = folders.iter().map(text).collect();
    let encoder = args.model.encoder(args.bank.encoder.as_deref(), args.frames.how()?)?;
    let progress = Progress::new("learn");
    let evaluator = Evaluator {
        root: &root,
        binning: args.binning,
        limit: args.aupro_limit,
        threshold_low: args.threshold_low,
        cases: if args.report.is_some() { args.cases } else { 0 },
    };
    let named = |name: &str| format!("category {name}");
    let open = |folder: &PathBuf| args.set.open(&root.join(folder)).with_context(|| named(&text(folder)));
    // All files are looked for before the long work starts.
    let sets = folders.iter().map(open).collect::<Result<Vec<_>>>()?;
    for (name, set) in names.iter().zip(&sets) {
        if !set.test.iter().any(|sample| sample.anomalous) {
            tracing::warn!("category {name}: no defective images to test with, so most figures are none");
        } else if set.test.iter().all(|sample| sample.anomalous) {
            tracing::warn!("category {name}: no good images to test with, so most figures are none");
        }
    }
    let decoders = names.iter().map(|name| learn::decoder(args, name, &encoder));
    let decoders = decoders.collect::<Result<Vec<_>>>()?;
    let mut shared = match args.setting {
        Setting::Multi => {
            let decoder = decoders.first().cloned().flatten();
            Some(learn::bank(args, &encoder, &sets.iter().collect::<Vec<_>>(), decoder, &progress)?)
        }
        _ => None,
    };
    let (mut categories, mut galleries) = (Vec::new(), Vec::new());
    for ((name, set), decoder) in names.iter().zip(&sets).zip(decoders) {
        let mut evaluate = || -> Result<(Category, Gallery)> {
            let (bank, time) = match &mut shared {
                // The first category carries the time.
                Some((bank, time)) => (bank.clone(), std::mem::take(time)),
                None => learn::bank(args, &encoder, &[set], decoder.clone(), &progress)?,
            };
            let mut detector =
                Detector::with_decoder(encoder.clone(), bank, decoder.clone())?.on(args.frames.device)?;
            args.light.set(&mut detector);
            let (mut category, gallery) = evaluator.run(name, set, &mut detector, &progress)?;
            category.times.learn = time;
            Ok((category, gallery))
        };
        let (category, gallery) = evaluate().with_context(|| named(name))?;
        categories.push(category);
        galleries.push(gallery);
    }
    let evaluation = Evaluation {
        data: text(&args.data),
        setting: args.setting.name(),
        options: options(args)?,
        encoder: (encoder.name().to_owned(), encoder.digest().to_owned(), encoder.input_side()),
        limit: args.aupro_limit,
        categories,
    };
    Ok((evaluation, galleries))
}

/// The folder that holds the categories, and their names below it.
fn categories(args: &Args) -> Result<(PathBuf, Vec<PathBuf>)> {
    if !args.categories.is_empty() {
        return Ok((args.data.clone(), args.categories.clone()));
    }
    // One category on its own.
    if Layout::of(&args.data).is_ok() {
        let data = args.data.canonicalize()?;
        if let (Some(root), Some(name)) = (data.parent(), data.file_name()) {
            return Ok((root.to_owned(), vec![name.into()]));
        }
    }
    let found =
        dataset::categories(&args.data)?.into_iter().filter_map(|path| Some(path.file_name()?.into()));
    Ok((args.data.clone(), found.collect()))
}

/// Options that change figures, for the files.
fn options(args: &Args) -> Result<Vec<(&'static str, serde_json::Value)>> {
    let bank = args.bank.settings()?;
    let binning = match args.binning {
        Binning::Exact => "exact".to_owned(),
        Binning::Adeval(bins) => format!("adeval:{bins}"),
    };
    Ok(vec![
        ("capacity", json!(bank.capacity)),
        ("reduction", json!(bank.reduction)),
        ("calibration_fraction", json!(bank.calibration_fraction)),
        ("crop", json!(bank.view.crop)),
        ("roi", json!(bank.view.roi)),
        ("ignore_mask", json!(bank.view.ignore.map(|mask| [mask.width(), mask.height()]))),
        ("tiles", json!(bank.view.tiles)),
        ("seed", json!(bank.seed)),
        ("binning", json!(binning)),
        ("aupro_limit", json!(args.aupro_limit)),
        ("threshold_low", json!(args.threshold_low)),
        ("shots", json!(args.shots())),
        ("on_bad_file", json!(args.set.on_bad_file.name())),
        ("bits", json!(args.set.reading.reading().bits)),
    ])
}

fn table(evaluation: &Evaluation) -> Table {
    let mut header = vec!["category"];
    header.extend(NAMES);
    let mut table = Table::new(&header);
    let rows = evaluation.categories.iter().map(|category| (category.name.clone(), category.figures));
    for (name, figures) in rows.chain([("mean".to_owned(), evaluation.mean())]) {
        table.row(std::iter::once(name).chain(figures.cells()).collect());
    }
    table
}

fn binning(text: &str) -> Result<Binning, String> {
    let wrong = || format!("expected exact, adeval or adeval:N with N from 2 to 1000000, found '{text}'");
    match text.split_once(':') {
        None if text == "exact" => Ok(Binning::Exact),
        None if text == "adeval" => Ok(Binning::Adeval(Binning::ADEVAL_BINS)),
        Some(("adeval", bins)) => {
            let bins = bins.parse().ok().filter(|bins| (2..=1_000_000).contains(bins));
            bins.map(Binning::Adeval).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn limit(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n| *n > 0.0 && *n <= 1.0);
    number.ok_or_else(|| format!("expected a number above 0, up to 1, found '{text}'"))
}
