//! One file a command.

pub(crate) mod bank;
pub(crate) mod bench;
pub(crate) mod convert;
pub(crate) mod detect;
pub(crate) mod distill;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod fetch;
pub(crate) mod hub;
pub(crate) mod launch;
pub(crate) mod limits;
pub(crate) mod nearest;
pub(crate) mod outputs;
pub(crate) mod station;
pub(crate) mod train;
pub(crate) mod worst;

mod model;
mod results;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use snarm_core::bank::{BankSettings, BuildStage, Placing, Reduction};
use snarm_core::dataset::{Dataset, Layout, OnBadFile, Reading};
use snarm_core::detect::{Choice, Detector, Limits, PrecisionChoice};
use snarm_core::files;
use snarm_core::paths::text;
use snarm_core::registry::How;
use snarm_core::synthetic::augmentation::Views;
use snarm_core::training::{Device, DeviceKind};
use snarm_core::view::{Crop, IgnoreMask, Rect, TilesAsked, View};

pub(crate) use self::model::ModelOption;
use crate::inputs::tell;
use crate::progress::Progress;

/// How frames are brought to the network's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CropName {
    /// Aspect for frames at least twice as long as wide or as wide as long, else full
    Auto,
    /// The whole frame, the input of the network having its aspect
    Aspect,
    /// The whole frame, squeezed to a square
    Full,
    /// The whole frame with its aspect ratio kept
    Letterbox,
    /// As published; a border of 1/16 of each side is not seen
    Paper,
}

impl From<CropName> for Crop {
    fn from(name: CropName) -> Self {
        match name {
            CropName::Auto => Self::Auto,
            CropName::Aspect => Self::Aspect,
            CropName::Full => Self::Full,
            CropName::Letterbox => Self::Letterbox,
            CropName::Paper => Self::Paper,
        }
    }
}

/// Which views of each frame are learned beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewsName {
    /// The frame alone
    None,
    /// Those that the frames ask for
    Auto,
    /// In other light
    Light,
    /// A little moved and turned
    Pose,
    /// Turned by each 15 degrees
    Turns,
    /// In other light, and a little moved and turned
    All,
    /// Those of few-shot learning
    FewShot,
}

impl From<ViewsName> for Views {
    fn from(name: ViewsName) -> Self {
        match name {
            ViewsName::None => Self::None,
            ViewsName::Auto => Self::Auto,
            ViewsName::Light => Self::Light,
            ViewsName::Pose => Self::Pose,
            ViewsName::Turns => Self::Turns,
            ViewsName::All => Self::All,
            ViewsName::FewShot => Self::FewShot,
        }
    }
}

impl From<Views> for ViewsName {
    fn from(views: Views) -> Self {
        match views {
            Views::None => Self::None,
            Views::Auto => Self::Auto,
            Views::Light => Self::Light,
            Views::Pose => Self::Pose,
            Views::Turns => Self::Turns,
            Views::All => Self::All,
            Views::FewShot => Self::FewShot,
        }
    }
}

/// Whether descriptors count near the places alone where they were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlaceName {
    /// Near their places, where good parts keep them
    Auto,
    /// Everywhere
    None,
}

impl From<PlaceName> for Placing {
    fn from(name: PlaceName) -> Self {
        match name {
            PlaceName::Auto => Self::Auto,
            PlaceName::None => Self::None,
        }
    }
}

/// How collected descriptors are thinned to the capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReductionName {
    /// As collected, an even random sample where there is too much
    None,
    /// An even random sample
    Random,
    /// A coreset: each pick is the descriptor farthest from all picks before it
    Greedy,
}

/// How data sets are read.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SetOptions {
    /// Layout of the categories: mvtec, mvtec-3d, visa or folders [default: found out]
    #[arg(long)]
    layout: Option<Layout>,
    /// What becomes of images that cannot be read and masks that do not fit: skip leaves them out with a warning, fail
    /// ends at once and names them all. Every file is read before the work starts
    #[arg(long, default_value = "fail", value_name = "skip|fail")]
    pub(crate) on_bad_file: OnBadFile,
    #[command(flatten)]
    pub(crate) reading: ReadingOptions,
}

/// How image files are read.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ReadingOptions {
    /// Bits that samples of 16-bit images hold, such as 10 or 12 [default: those of the bank, else 8, 10, 12, 14 or 16, by
    /// the greatest sample of all images]
    #[arg(long, value_parser = clap::value_parser!(u8).range(8..=16))]
    bits: Option<u8>,
    /// Most memory for an image while it is decoded, in MiB; larger ones are refused
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    picture_memory: u64,
}

impl ReadingOptions {
    /// What the core calls them.
    pub(crate) fn reading(self) -> Reading {
        Reading { memory: self.picture_memory << 20, bits: self.bits }
    }
}

impl SetOptions {
    /// The files of a category, without bad ones where they may be left out.
    pub(crate) fn open(&self, root: &Path) -> Result<Dataset> {
        self.checked(self.find(root)?)
    }

    /// The data set without bad files, where they may be left out.
    pub(crate) fn checked(&self, set: Dataset) -> Result<Dataset> {
        let (set, skipped) = set.checked(self.on_bad_file)?;
        skipped.iter().for_each(|file| tracing::warn!("skipped: {file}"));
        if self.reading.bits.is_none() {
            tell(&set.depth, &set.train, &set.reading);
        }
        Ok(set)
    }

    /// The files of a category by their names alone. What of its folders is left out is told in the log.
    pub(crate) fn find(&self, root: &Path) -> Result<Dataset> {
        let mut set = Dataset::open_as(root, self.layout)?;
        set.reading = self.reading.reading();
        set.left_out.warn();
        Ok(set)
    }
}

/// How a bank is made.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BankOptions {
    /// Encoder: a built-in or fetched name (snarm fetch --list), or a weights file; several joined by + see every frame together [default: $SNARM_ENCODER, or snarm-tiny]
    #[arg(long, value_parser = path_text())]
    pub(crate) encoder: Option<String>,
    /// Descriptors kept after reduction
    #[arg(long, default_value_t = 10_000, value_parser = capacity)]
    capacity: usize,
    /// How descriptors are thinned
    #[arg(long, value_enum, default_value_t = ReductionName::Greedy)]
    reduction: ReductionName,
    /// Length of a block of neighbouring frames of a stream, as a fraction of all, 0 to 0.5, that does not count while one
    /// of them is scored for the threshold
    #[arg(long, default_value_t = 0.2, value_parser = calibration)]
    calibration_fraction: f64,
    /// How frames are brought to the network's square
    #[arg(long, value_enum, default_value_t = CropName::Auto)]
    crop: CropName,
    #[command(flatten)]
    part: PartOptions,
    /// Leave out frames whose features differ less than this, relatively, from the last learned ones
    #[arg(long, default_value_t = 0.0, value_parser = novelty)]
    min_novelty: f64,
    /// Leave out learned frames that are unlike the rest, which are named in any case, when the bank is made
    #[arg(long)]
    leave_out_odd: bool,
    /// Views of each frame that are learned beside it: light (other brightness, colours, gradients), pose (a little moved
    /// and turned), turns (each 15 degrees), all (light and pose), few-shot (those of few-shot learning). Each costs the time
    /// of a frame. auto finds those of light, pose and turns by which the frames become more like each other, with 12 of them,
    /// when the bank is made. Where none are asked for, one frame alone is learned in all
    #[arg(long, value_enum, default_value_t = ViewsName::from(Views::default()))]
    views: ViewsName,
    /// Whether descriptors count near the places alone where they were seen, so that an intact part in a wrong place is found
    #[arg(long, value_enum, default_value_t = PlaceName::Auto)]
    place: PlaceName,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl BankOptions {
    /// What the core calls them.
    pub(crate) fn settings(&self) -> Result<BankSettings> {
        let crop = self.crop.into();
        Ok(BankSettings {
            capacity: self.capacity,
            reduction: match self.reduction {
                ReductionName::None => Reduction::None,
                ReductionName::Random => Reduction::Random,
                ReductionName::Greedy => Reduction::Greedy,
            },
            calibration_fraction: self.calibration_fraction,
            view: self.part.over(View { crop, ..View::default() })?,
            min_novelty: self.min_novelty,
            leave_out_odd: self.leave_out_odd,
            views: self.views.into(),
            placing: self.place.into(),
            seed: self.seed,
        })
    }
}

/// Which part of a frame is looked at, and in how many tiles.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PartOptions {
    /// Look at this part of the frame alone: x,y,w,h in fractions of it
    #[arg(long, value_name = "X,Y,W,H", value_parser = roi)]
    roi: Option<Rect>,
    /// PNG, PGM, BMP, TIFF, WebP or JPEG picture, stretched over the frame, that is white, and not fully
    /// transparent, where nothing is looked at
    #[arg(long, value_name = "FILE")]
    ignore_mask: Option<PathBuf>,
    /// Tiles that the frame, or its part, is cut into, each of which the network sees by itself: none, auto or COLUMNSxROWS.
    /// A bank keeps its tiles; auto is as many as --min-defect needs [default: those of the bank, if it has some; auto with
    /// --min-defect, else none]
    #[arg(long, value_name = "none|auto|CxR")]
    tiles: Option<String>,
    /// Part of a tile, along each side, that it shares with its neighbour, 0 to 0.5 [default: that of the bank, else 0.125]
    #[arg(long, value_name = "PART")]
    tile_overlap: Option<f64>,
    /// Length in pixels of the frame of the smallest defect that is to be found: the first frame decides how many tiles that
    /// takes, unless a bank has some [default: with --tiles auto 8]
    #[arg(long, value_name = "PIXELS")]
    min_defect: Option<f64>,
}

impl PartOptions {
    /// `view` with what is given here in place of its own.
    pub(crate) fn over(&self, view: View) -> Result<View> {
        let roi = self.roi.map_or(view.roi, Rect::into_roi);
        let ignore = match &self.ignore_mask {
            Some(path) => IgnoreMask::find(path)?,
            None => view.ignore,
        };
        let tiles = TilesAsked::new(self.tiles.as_deref(), self.tile_overlap, self.min_defect)?;
        Ok(View { crop: view.crop, roi, ignore, tiles: tiles.over(view.tiles) })
    }
}

/// What happens to frames in another light than the learned ones.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LightOptions {
    /// Score frames as they are, in whatever light: without this, those in another light than the learned ones are brought
    /// to it first
    #[arg(long)]
    no_light_correction: bool,
    /// Judge frames that are too dark, too bright, blurred or covered, too: without this, their verdict is unknown
    #[arg(long)]
    no_quality_gate: bool,
}

impl LightOptions {
    /// Has a detector do so.
    pub(crate) fn set(&self, detector: &mut Detector) {
        detector.set_light_correction(!self.no_light_correction);
        detector.set_quality_gate(!self.no_quality_gate);
    }
}

/// What works on frames.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct FramesOn {
    /// What encodes and matches: auto, cpu, cuda, or cuda:N for one of several GPUs; auto is a GPU where one is found, else
    /// the CPU (docs/gpu.md)
    #[arg(long, default_value_t = Choice::Cpu, value_name = "DEVICE")]
    pub(crate) device: Choice,
    #[command(flatten)]
    precision: PrecisionOption,
}

impl FramesOn {
    /// How the encoder is wanted.
    ///
    /// # Errors
    /// When the processor does not multiply in the precision that is asked for.
    pub(crate) fn how(&self) -> Result<How<'static>> {
        self.precision.how()
    }
}

/// In which precision the processor multiplies.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct PrecisionOption {
    /// In which precision the CPU multiplies: f32; bf16 where it has AVX512-BF16, which is faster and moves scores
    /// (docs/benchmarks.md); or auto, which is f32. A GPU multiplies in bf16
    #[arg(long, default_value_t = PrecisionChoice::Auto, value_name = "PRECISION")]
    precision: PrecisionChoice,
}

impl PrecisionOption {
    /// How the encoder is wanted.
    ///
    /// # Errors
    /// When the processor does not multiply in the precision that is asked for.
    pub(crate) fn how(self) -> Result<How<'static>> {
        Ok(How { precision: self.precision.choose()?, ..How::default() })
    }
}

/// Where a network is trained.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DeviceOptions {
    /// Where the network is trained: cpu, cuda, or cuda:N for one of several GPUs. A GPU takes a build with the feature
    /// `cuda`, see docs/training.md; encoder, matching and pictures stay on the CPU
    #[arg(long, default_value_t = DeviceKind::Cpu, value_name = "DEVICE")]
    device: DeviceKind,
}

impl DeviceOptions {
    /// Opens the device: first of all, so that nothing is computed in vain where there is none.
    pub(crate) fn open(self) -> Result<Device> {
        Ok(self.device.open()?)
    }
}

/// Reads a path, or a name that may be one, as its text: in an argument a path may hold any bytes.
pub(crate) fn path_text() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(text)
}

fn roi(text: &str) -> Result<Rect, String> {
    text.parse().map_err(|error: snarm_core::Error| error.to_string())
}

/// A number from 0 to 1.
pub(crate) fn fraction(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1.0)
}

fn novelty(text: &str) -> Result<f64, String> {
    within(text, 0.0, 2.0)
}

fn calibration(text: &str) -> Result<f64, String> {
    within(text, 0.0, 0.5)
}

fn within(text: &str, low: f64, high: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n| (low..=high).contains(n));
    number.ok_or_else(|| format!("expected a number from {low} to {high}, found '{text}'"))
}

fn capacity(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|n| (1..=1_000_000).contains(n));
    number.ok_or_else(|| format!("expected 1 to 1000000 descriptors, found '{text}'"))
}

/// Refuses limits that contradict each other.
pub(crate) fn check_limits(limits: &Limits) -> Result<()> {
    match limits.threshold_low {
        Some(low) if low > limits.threshold => bail!(
            "--threshold-low: expected at most the threshold, which is {}, found {low}",
            limits.threshold
        ),
        _ => Ok(()),
    }
}

/// Shows the steps of [`snarm_core::bank::BankBuilder::finish`].
pub(crate) fn show_stage(progress: &Progress) -> impl FnMut(BuildStage, usize, usize) + '_ {
    |stage, done, all| {
        progress.label(match stage {
            BuildStage::Views => "views",
            BuildStage::Reduce => "reduce",
            BuildStage::Calibrate => "calibrate",
        });
        progress.at(done, all);
    }
}

/// Makes the folders above `path`.
pub(crate) fn make_parent(path: &Path) -> Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot write to folder {}", text(parent))),
        _ => Ok(()),
    }
}

/// Writes a text, in place of an older one only once it is whole.
pub(crate) fn write_text(path: &Path, content: &str) -> Result<()> {
    files::replace(path, content.as_bytes()).with_context(|| format!("cannot write {}", text(path)))
}
