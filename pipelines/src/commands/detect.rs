//! `snarm detect`: frames in; annotated pictures, maps and verdicts out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use snarm_core::bank::WITHOUT_LIGHT;
use snarm_core::detect::{Detection, Detector, Limits, Verdict};
use snarm_core::paths::text;
use snarm_core::registry;

use super::outputs::{self, Holds, Inputs};
use super::results::{Files, Writer, record};
use super::{
    FramesOn, LightOptions, ModelOption, PartOptions, ReadingOptions, check_limits, fraction, make_parent,
    path_text,
};
use crate::annotate::Annotator;
use crate::evaluation::Unjudged;
use crate::exit::Outcome;
use crate::inputs::{self, ANNOTATED, Item, RESULTS, Ranges, Selection, Source};
use crate::npy;
use crate::output;
use crate::progress::Progress;

/// Judges images or clips against a bank, or by a decoder that needs none.
///
/// OUT receives results.jsonl with one line a frame, which stays when the run is ended early, annotated/NAME.png, and
/// maps/NAME.npy: the pixel scores 0..1 without loss (float32, rows by columns). NAME is the path of an image below the folder that was asked
/// for, or frame-NUMBER of a clip, below the clip's name where it is not the only input. Pictures that an earlier run made
/// are left out of folders and patterns. In results.jsonl a byte of a path that is no UTF-8 text, or of a control character, is
/// \xNN, and a backslash is doubled.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, folders, patterns ('line/*.png') or clips
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Bank to compare with; without one --model names a decoder that needs none
    #[arg(long, short)]
    bank: Option<PathBuf>,
    /// Folder to write to
    #[arg(long, short)]
    out: PathBuf,
    /// Encoder of the bank, where it lies elsewhere than the bank says
    #[arg(long, value_parser = path_text())]
    encoder: Option<String>,
    #[command(flatten)]
    model: ModelOption,
    #[command(flatten)]
    frames: FramesOn,
    /// Image scores from here on are anomalous [default: the bank's]
    #[arg(long, value_parser = fraction)]
    threshold: Option<f64>,
    /// Image scores from here on, below the threshold, are uncertain [default: none]
    #[arg(long, value_parser = fraction)]
    threshold_low: Option<f64>,
    /// Pixel scores from here on are marked [default: the bank's]
    #[arg(long, value_parser = fraction)]
    pixel_threshold: Option<f64>,
    #[command(flatten)]
    light: LightOptions,
    // Unset is what the bank was learned of.
    #[command(flatten)]
    part: PartOptions,
    /// Drop regions that cover less of the frame
    #[arg(long, default_value_t = 0.0, value_parser = fraction)]
    min_area: f64,
    /// Report at most so many regions
    #[arg(long, default_value_t = 32)]
    max_regions: usize,
    /// Frames for which pictures and maps are written [default: all of images, anomalous of clips]
    #[arg(long, value_enum)]
    pictures: Option<Pictures>,
    /// Stretches of clips to score, such as 0-10s or 10s-
    #[arg(long)]
    range: Option<Ranges>,
    /// Judge each so many-th frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    interval: u32,
    /// Stop after so many frames; 0 is no limit
    #[arg(long, default_value_t = 0)]
    max_frames: usize,
    /// Pass over image files that cannot be read, with a warning
    #[arg(long)]
    skip_unreadable: bool,
    #[command(flatten)]
    reading: ReadingOptions,
    /// End with exit code 3 when a frame is anomalous, else with 4 when one was not judged: its verdict is unknown, as it
    /// is too dark, too bright, blurred or covered, --skip-unreadable passed over it, or its clip lacks it
    #[arg(long)]
    fail_on_anomaly: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pictures {
    All,
    Anomalous,
    None,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let sources = inputs::resolve(&args.inputs)?;
    if args.range.is_some() && sources.iter().all(|s| matches!(s, Source::Still { .. })) {
        bail!("--range: expected a clip, found images only");
    }
    check_out(args, &sources)?;
    let mut detector = detector(args)?.on(args.frames.device)?;
    if let Some(doubt) = detector.bank().doubt(detector.calibration()).filter(|_| args.threshold.is_none()) {
        match &args.bank {
            Some(bank) => tracing::warn!("{doubt}: {}", bank.display()),
            None => tracing::warn!("{doubt}, as a bank: {}", detector.scorer()),
        }
    }
    let calibrated = detector.bank_limits();
    let limits = Limits {
        threshold: args.threshold.unwrap_or(calibrated.threshold),
        threshold_low: args.threshold_low,
        pixel_threshold: args.pixel_threshold.unwrap_or(calibrated.pixel_threshold),
        min_area: args.min_area,
        max_regions: args.max_regions,
    };
    check_limits(&limits)?;
    let view = args.part.over(detector.view().clone())?;
    if let Some(doubt) = detector.bank().doubt_of_tiles(view.tiles) {
        tracing::warn!("{doubt}");
    }
    if let Some(doubt) = detector.bank().doubt_of_part(&view) {
        tracing::warn!("{doubt}; {WITHOUT_LIGHT}");
    }
    detector.set_view(view)?;
    args.light.set(&mut detector);
    let path = args.out.join(RESULTS);
    make_parent(&path)?;
    let mut results = Writer::create(path)?;
    let mut pictures = PictureWriter { out: &args.out, which: args.pictures, annotator: Annotator::new() };
    let mut summary = Summary::default();
    let progress = Progress::new("detect");
    let mut wanted = selection(args);
    wanted.reading.bits = wanted.reading.bits.or(detector.bank().header().picture_bits);
    inputs::find_bits(&sources, &mut wanted)?;
    let seen = inputs::visit(&sources, &wanted, &progress, &mut |item| {
        let found = detector.detect(&item.frame, &limits)?.clone();
        let files = pictures.write(item, &found, &limits)?;
        results.write(&record(item, &found, &limits, &detector), item.source, &files)?;
        summary.add(item, &found);
        Ok(())
    })?;
    results.finish()?;
    drop(progress);
    output::line(summary.text(&args.out, &limits, seen))?;
    Ok(match args.fail_on_anomaly {
        true if summary.anomalous > 0 => Outcome::Anomalous,
        true if summary.unjudged() + seen.skipped + seen.incomplete > 0 => Outcome::Unjudged,
        _ => Outcome::Done,
    })
}

/// Refuses to write over what is read, or what something else has written.
fn check_out(args: &Args, sources: &[Source]) -> Result<()> {
    let bank = args.bank.as_deref();
    let inputs = Inputs::of(sources.iter().map(Source::path).chain(bank));
    outputs::check("--out", &args.out.join(RESULTS), Holds::Json, &inputs)?;
    if args.pictures == Some(Pictures::None) {
        return Ok(());
    }
    let stills = sources.iter().filter_map(|source| match source {
        Source::Still { name, .. } => Some(file_names(name)),
        Source::Clip { .. } => None,
    });
    let files = stills.flatten().map(|file| args.out.join(file));
    outputs::check_folder("--out", &args.out, RESULTS, files, &inputs)
}

fn detector(args: &Args) -> Result<Detector> {
    let encoder = args.encoder.as_deref();
    let Some(bank) = &args.bank else { return args.model.without_bank(encoder, args.frames.how()?) };
    let bank = registry::bank(bank)?;
    let encoder = registry::encoder_for(&bank, encoder, args.frames.how()?)?;
    let decoder = args.model.decoder(&encoder)?;
    Ok(Detector::with_decoder(encoder, bank, decoder)?)
}

fn selection(args: &Args) -> Selection {
    Selection {
        ranges: args.range.clone().unwrap_or_default(),
        interval: args.interval as usize,
        max_frames: args.max_frames,
        skip_unreadable: args.skip_unreadable,
        reading: args.reading.reading(),
    }
}

/// Writes the picture and the map of the frames for which they are wanted.
struct PictureWriter<'a> {
    out: &'a Path,
    which: Option<Pictures>,
    annotator: Annotator,
}

impl PictureWriter<'_> {
    fn write(&mut self, item: &Item<'_>, found: &Detection, limits: &Limits) -> Result<Files> {
        let by_kind = if item.time.is_some() { Pictures::Anomalous } else { Pictures::All };
        let wanted = match self.which.unwrap_or(by_kind) {
            Pictures::All => true,
            Pictures::Anomalous => found.verdict.is_anomalous(),
            Pictures::None => false,
        };
        if !wanted {
            return Ok(Files::default());
        }
        let [annotated, map] = file_names(&item.name);
        let (annotated_at, map_at) = (self.out.join(&annotated), self.out.join(&map));
        make_parent(&annotated_at)?;
        make_parent(&map_at)?;
        self.annotator.draw(&item.frame, found, limits)?.save_png(&annotated_at)?;
        npy::write(&map_at, &found.map, found.map_size)
            .with_context(|| format!("cannot write map {}", text(&map_at)))?;
        Ok(Files { annotated: Some(annotated), map: Some(map) })
    }
}

/// The picture and the map of a frame of that name, from OUT on.
fn file_names(name: &Path) -> [PathBuf; 2] {
    [(ANNOTATED, ".png"), ("maps", ".npy")].map(|(folder, ending)| {
        let mut path = Path::new(folder).join(name).into_os_string();
        path.push(ending);
        path.into()
    })
}

/// What the last line tells.
#[derive(Default)]
struct Summary {
    anomalous: usize,
    uncertain: usize,
    unjudged: Unjudged,
    worst: Option<(f64, String)>,
}

impl Summary {
    fn add(&mut self, item: &Item<'_>, found: &Detection) {
        self.anomalous += usize::from(found.verdict.is_anomalous());
        self.uncertain += usize::from(found.verdict == Verdict::Uncertain);
        if found.verdict == Verdict::Unknown {
            self.unjudged.add(found.quality.and_then(|quality| quality.reason));
            return;
        }
        if self.worst.as_ref().is_none_or(|(score, _)| found.score > *score) {
            self.worst = Some((found.score, text(&item.name)));
        }
    }

    fn unjudged(&self) -> usize {
        self.unjudged.count()
    }

    fn text(&self, out: &Path, limits: &Limits, seen: inputs::Seen) -> String {
        let worst = match &self.worst {
            Some((score, name)) => format!("; highest score {score:.3} ({name})"),
            None => String::new(),
        };
        let skipped = if seen.skipped > 0 { format!(", {} unreadable", seen.skipped) } else { String::new() };
        let lacking = match seen.incomplete {
            0 => String::new(),
            n => format!(", {n} clip(s) incomplete"),
        };
        let uncertain = match limits.threshold_low {
            Some(low) => format!(", {} uncertain from {low:.3} on", self.uncertain),
            None => String::new(),
        };
        let unjudged = if self.unjudged() > 0 { format!(", {}", self.unjudged) } else { String::new() };
        format!(
            "{}: {} frames, {} anomalous at threshold {:.3}{uncertain}{unjudged}{skipped}{lacking}{worst}",
            text(out),
            seen.frames,
            self.anomalous,
            limits.threshold
        )
    }
}
