//! The memory of what normal looks like: descriptors of good frames, how they were made, and what good frames score
//! that it does not know.

mod absent;
mod beta;
mod blocks;
mod builder;
mod calibration;
mod cells;
mod converted;
mod coreset;
mod file;
mod held;
mod likeness;
mod memory;
mod novelty;
mod odd;
mod origin;
mod places;
mod promise;
mod reservoir;
mod rules;
mod sample;
mod scales;
mod spill;
mod stage;
mod step;
mod tail;
mod validation;
mod variation;
mod views;

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use snarm_kernels::nearest::Rows;

pub use self::builder::BankBuilder;
pub use self::calibration::{Calibration, Prior};
pub use self::held::Held;
use self::likeness::Sketches;
pub use self::memory::Memory;
pub use self::odd::OddFrame;
pub use self::origin::Origin;
use self::origin::Origins;
pub use self::places::{Placed, Places, Placing};
pub use self::promise::Promise;
pub use self::rules::{Promises, Rule};
pub use self::stage::BuildStage;
pub use self::variation::ChosenViews;
use crate::encoder::{Encoder, Layers};
use crate::error::{Error, Result};
use crate::light::Light;
use crate::synthetic::augmentation::Views;
use crate::view::{Crop, IgnoreMask, Rect, TileGrid, Tiles, View};

/// What comes of frames of which another part is looked at, or in another way, than the bank learned.
pub const WITHOUT_LIGHT: &str = "light is neither measured nor corrected, and frames that are too dark, too bright, blurred or covered are judged";

/// How collected descriptors are thinned to the bank's capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// Kept as collected; more than the capacity is an even random sample of the stream.
    None,
    /// An even random sample of the capacity's size.
    Random,
    /// Greedy coreset: each pick is the descriptor farthest from all picks before it.
    #[default]
    Greedy,
}

/// How a bank is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BankSettings {
    /// Descriptors kept after reduction.
    pub capacity: usize,
    /// How descriptors are thinned.
    pub reduction: Reduction,
    /// Fraction of the frames of a stream, 0..0.5, whose descriptors do not count when one of them is scored for the
    /// thresholds: the frame itself and its neighbours in time. With 0, and in a set of single pictures, it is the frame
    /// alone. Copies of those frames never count.
    pub calibration_fraction: f64,
    /// Part of the frames that is looked at, and how it is brought to the network's input.
    pub view: View,
    /// Frames that differ less than this from the last learned ones are left out (0: none), see
    /// [`BankBuilder::novelty`].
    pub min_novelty: f64,
    /// Whether frames that are unlike the rest are left out in the end, see [`Bank::odd_frames`].
    #[serde(skip_serializing_if = "is_false")]
    pub leave_out_odd: bool,
    /// Views of each frame that are learned beside it; of one frame alone at least [`Views::All`].
    #[serde(skip_serializing_if = "Views::is_none")]
    pub views: Views,
    /// Whether descriptors count near the places alone where they were seen.
    #[serde(skip_serializing_if = "is_auto")]
    pub placing: Placing,
    /// Seed of every random choice.
    pub seed: u64,
}

fn is_auto(placing: &Placing) -> bool {
    *placing == Placing::Auto
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for BankSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            reduction: Reduction::Greedy,
            calibration_fraction: 0.2,
            view: View::default(),
            min_novelty: 0.0,
            leave_out_odd: false,
            views: Views::default(),
            placing: Placing::Auto,
            seed: 0,
        }
    }
}

/// What a bank says about itself: the header of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Name or path of the encoder as it was given when the bank was made.
    pub encoder: String,
    /// Digest of the encoder's weights.
    pub encoder_digest: String,
    /// What elements of the encoder's products were rounded to, `f32` or `bf16`; empty in older banks, which were f32.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub precision: String,
    /// Side of the encoder's square input in pixels.
    pub side: usize,
    /// Side of the square grid with as many descriptors.
    pub grid: usize,
    /// Width / height of what is seen of the frames, or of a tile of it, where the input has that aspect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<f64>,
    /// Blocks in the two groups that a descriptor is made of.
    pub layers: [std::ops::Range<usize>; 2],
    /// What the groups of channels of the encoder's descriptors are multiplied by, so that good frames lie equally far from
    /// each other in all of them; empty where there is one group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_scales: Vec<f32>,
    /// How frames are brought to the input.
    pub crop: Crop,
    /// Region of interest; `None` is the whole frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roi: Option<Rect>,
    /// The tiles that what is seen is cut into; `None` where it is looked at as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<TileGrid>,
    /// Width and height of the ignore mask, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_mask: Option<[usize; 2]>,
    /// Bits that samples of 16 bits hold in the pictures that were learned, where there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_bits: Option<u8>,
    /// Good frames seen.
    pub frames: usize,
    /// Those of them that are copies of one before them, or nearly so.
    #[serde(default)]
    pub copies: usize,
    /// Views of each frame that were to be learned beside it.
    #[serde(default, skip_serializing_if = "Views::is_none")]
    pub views: Views,
    /// Those that were learned beside some of the frames without being asked for by name, see [`ChosenViews`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views_found: Vec<Views>,
    /// Where in the frame descriptors count; `None` where they do everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<Placed>,
    /// How descriptors were thinned.
    pub reduction: Reduction,
    /// Seed of the random choices.
    pub seed: u64,
    /// Program and version that made the bank.
    pub made_by: String,
}

/// A memory bank. Immutable: streams share it.
#[derive(Debug)]
pub struct Bank {
    header: Header,
    /// At least one; where there are descriptors, the first is that of scores without a decoder.
    calibrations: Vec<Calibration>,
    ignore: Option<Arc<IgnoreMask>>,
    /// Not where it was made for decoders alone that need none.
    memory: Option<Memory>,
    /// Of the frames that descriptors were taken from, as far as they are known.
    sketches: Sketches,
    /// Of the frames that descriptors were taken from, as far as they were said; not in older banks.
    origins: Origins,
    /// Of the learned frames; not in older banks.
    light: Option<Arc<Light>>,
    odd: Vec<OddFrame>,
    chosen_views: Option<ChosenViews>,
    digest: String,
}

/// Good frames, and vectors for each token of a frame, from which a threshold means something.
const ENOUGH_FRAMES: usize = 4;
/// See [`ENOUGH_FRAMES`].
const ENOUGH_FOR_EACH: f64 = 1.0 / 32.0;

impl Bank {
    /// `calibrations` is at least one; with a memory, that of scores without a decoder comes first.
    fn new(
        header: Header,
        calibrations: Vec<Calibration>,
        ignore: Option<Arc<IgnoreMask>>,
        memory: Option<Memory>,
        sketches: Sketches,
        light: Option<Light>,
    ) -> Self {
        let memory = memory.map(|memory| memory.with_level_of(&calibrations[0]));
        let digest = file::digest(&header, &calibrations, ignore.as_deref(), memory.as_ref(), light.as_ref());
        let light = light.map(Arc::new);
        let (origins, odd, chosen_views) = (Origins::default(), Vec::new(), None);
        Self { header, calibrations, ignore, memory, sketches, origins, light, odd, chosen_views, digest }
    }

    /// With the places that learned frames come from. What a bank knows is the same wherever it was learned, so its digest
    /// does not change.
    fn with_origins(self, origins: Origins) -> Self {
        Self { origins, ..self }
    }

    /// With those of the learned frames that are unlike the rest.
    fn with_odd(self, odd: Vec<OddFrame>) -> Self {
        Self { odd, ..self }
    }

    /// With the views that were learned without being asked for by name.
    fn with_chosen_views(self, chosen_views: Option<ChosenViews>) -> Self {
        Self { chosen_views, ..self }
    }

    /// Opens a bank file.
    ///
    /// # Errors
    /// When the file is missing, unreadable, truncated, damaged, or not a bank of a version that is known.
    pub fn open(path: &Path) -> Result<Self> {
        file::open(path)
    }

    /// Opens a bank file to write it anew: until what is returned beside it is dropped, nobody else can.
    ///
    /// # Errors
    /// As [`Self::open`], and when somebody else writes it, or the file may not be written.
    pub fn open_to_append(path: &Path) -> Result<(Self, Held)> {
        // Held first: what is read is then the latest.
        let held = Held::of(path)?;
        Ok((Self::open(path)?, held))
    }

    /// Takes the right to write a bank file, which need not be there yet: until what is returned is dropped, nobody else
    /// has it, or what somebody else writes first stays. None where `path` is a device or a FIFO.
    ///
    /// # Errors
    /// When somebody else writes the file, or it may not be written.
    pub fn hold(path: &Path) -> Result<Option<Held>> {
        Held::of_place(path)
    }

    /// Writes the bank as [`crate::files::replace`] does, so that an old bank is never lost.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        file::save(self, path, Vec::new())
    }

    /// As [`Self::save`], with tensors beside its own that nothing but a conversion reads.
    pub(crate) fn save_with(&self, path: &Path, more: Vec<(&str, TensorView<'_>)>) -> Result<()> {
        file::save(self, path, more)
    }

    /// Checks that an encoder is the one the bank was made with.
    ///
    /// # Errors
    /// When its weights or its geometry are others, with both.
    pub fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        let header = &self.header;
        if header.encoder_digest != encoder.digest() {
            let expected = format!("the weights {} ({})", header.encoder_digest, header.encoder);
            let found = format!("{} ({})", encoder.digest(), encoder.name());
            return Err(Error::Mismatch { what: "encoder of the bank", expected, found });
        }
        let (groups, scales) = (encoder.groups().len(), header.group_scales.len());
        if scales > 0 && scales != groups {
            let (expected, found) = (format!("{scales} groups of channels"), groups.to_string());
            return Err(Error::Mismatch { what: "geometry of the bank", expected, found });
        }
        let own = encoder.geometry().width();
        let width = self.memory.as_ref().map_or(own, Memory::width);
        let theirs = (header.side, header.grid, width, header.layers.clone());
        let ours = (encoder.input_side(), encoder.grid_side(), own, layers_of(encoder));
        if theirs != ours {
            let expected = format!("side, grid, width and layers {theirs:?}");
            return Err(Error::Mismatch {
                what: "geometry of the bank",
                expected,
                found: format!("{ours:?}"),
            });
        }
        Ok(())
    }

    /// Number of descriptors; 0 without a memory.
    pub fn vectors(&self) -> usize {
        self.memory.as_ref().map_or(0, Memory::vectors)
    }

    /// Width of a descriptor; 0 without a memory.
    pub fn width(&self) -> usize {
        self.memory.as_ref().map_or(0, Memory::width)
    }

    /// Good frames seen when the bank was made.
    pub fn frames(&self) -> usize {
        self.header.frames
    }

    /// The descriptors and where they come from; none in a bank that was made for decoders alone which need none.
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// The descriptors, as far as there are any.
    pub fn rows(&self) -> Rows<&[f32]> {
        self.memory.as_ref().map_or(Rows { data: &[], norms: &[] }, Memory::rows)
    }

    /// Number of the image that each descriptor was taken from.
    pub fn images(&self) -> &[u32] {
        self.memory.as_ref().map_or(&[], Memory::images)
    }

    /// The number of the next frame that is learned. Numbers of a bank that was converted may be higher than its frames are
    /// many.
    fn next_image(&self) -> u32 {
        let highest = self.images().iter().max().map_or(0, |image| image.saturating_add(1));
        highest.max(u32::try_from(self.header.frames).unwrap_or(u32::MAX))
    }

    /// Where the image of a number of [`Self::images`] comes from, as far as it was said when it was learned.
    pub fn origin(&self, image: u32) -> Option<&Origin> {
        self.origins.of(image)
    }

    /// Why the threshold of a calibration, one of [`Self::calibrations`] or that of a decoder, is a guess, and what would
    /// mend it; `None` where good frames bear it out.
    pub fn doubt(&self, calibration: &Calibration) -> Option<String> {
        let enough = (ENOUGH_FOR_EACH * (self.header.grid * self.header.grid) as f64) as usize;
        let (expected, found, mend) = match (calibration.frames.min(self.frames()), self.vectors()) {
            (frames, _) if frames < ENOUGH_FRAMES => (
                format!("at least {ENOUGH_FRAMES} good frames that are no copies"),
                match self.views().iter().map(|set| set.list().len()).sum::<usize>() {
                    0 => frames.to_string(),
                    views => format!("{frames}, learned in {views} views each"),
                },
                "learn more good frames",
            ),
            (_, vectors) if self.memory.is_some() && vectors < enough => (
                format!("at least {enough} vectors"),
                vectors.to_string(),
                "raise the capacity of the bank, or learn more frames",
            ),
            _ => return None,
        };
        let range = self.promise(calibration).range();
        Some(format!(
            "the threshold of the bank is a guess: expected {expected}, found {found}; {mend}; {range} of new good frames \
             may reach it"
        ))
    }

    /// How many new good frames may reach the threshold of a calibration, one of [`Self::calibrations`] or that of a decoder.
    pub fn promise(&self, calibration: &Calibration) -> Promise {
        calibration.promise(calibration.threshold, self.frames())
    }

    /// Frames that are unlike the rest, of those that were scored for the thresholds, the oddest first: they may show a defect
    /// that nobody saw, and then they blind the bank. Known where the bank was made; none of a bank that was opened.
    pub fn odd_frames(&self) -> &[OddFrame] {
        &self.odd
    }

    /// The sets of views in which frames were learned: those that were asked for, or those that were found.
    pub fn views(&self) -> Vec<Views> {
        let Header { views, views_found, .. } = &self.header;
        let asked = Some(*views).filter(|views| !views.list().is_empty());
        asked.into_iter().chain(views_found.iter().copied()).collect()
    }

    /// Their names, such as `light+turns`; `none` where there are none.
    pub fn views_text(&self) -> String {
        variation::names(&self.views())
    }

    /// Why frames were learned in views that were not asked for by name, or in none. Known where the bank was made; nothing of a
    /// bank that was opened.
    pub fn chosen_views(&self) -> Option<&ChosenViews> {
        self.chosen_views.as_ref()
    }

    /// The light of the learned frames, where it is known.
    pub fn light(&self) -> Option<&Arc<Light>> {
        self.light.as_ref()
    }

    /// SHA-256 of header, calibrations, descriptors and light, in hexadecimal: the bank's identity.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the bank says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Name or path of the encoder as it was given when the bank was made.
    pub fn encoder_name(&self) -> &str {
        &self.header.encoder
    }

    /// What the groups of channels of the encoder's descriptors are multiplied by; empty where they stay as they are.
    pub fn group_scales(&self) -> &[f32] {
        &self.header.group_scales
    }

    /// How frames are brought to the network's input.
    pub fn crop(&self) -> Crop {
        self.header.crop
    }

    /// The aspect, width / height, of the frames that it was made of, where the view keeps it; else that of the square.
    pub fn aspect(&self) -> f64 {
        self.header.aspect.unwrap_or(1.0)
    }

    /// The tiles that frames are cut into.
    pub fn tiles(&self) -> Tiles {
        self.header.tiles.map_or(Tiles::None, Tiles::Grid)
    }

    /// How far around its places a row counts, as a part of the frame or of a tile; nothing where rows count everywhere.
    pub fn place_radius(&self) -> Option<f64> {
        self.header.placed.map(|placed| placed.reach())
    }

    /// What frames that are cut into other tiles than those of the bank mean for its thresholds; nothing where they are cut
    /// into the same.
    pub fn doubt_of_tiles(&self, used: Tiles) -> Option<String> {
        let made = self.tiles();
        (made != used).then(|| {
            format!(
                "tiles: expected {made}, as the bank was made, found {used}; its thresholds are not those of such frames, \
                 and {WITHOUT_LIGHT}"
            )
        })
    }

    /// That another part of upright frames is looked at than the bank learned, whose light it knows, of which
    /// [`WITHOUT_LIGHT`] comes. Other tiles are told by [`Self::doubt_of_tiles`].
    pub fn doubt_of_part(&self, used: &View) -> Option<Error> {
        let made = self.view();
        let words = |view: &View| {
            let mask = match &view.ignore {
                None => "no ignore mask".to_owned(),
                Some(mask) => format!("an ignore mask of {}x{}", mask.width(), mask.height()),
            };
            format!("roi {} and {mask}", view.roi.unwrap_or(Rect::WHOLE))
        };
        let (of_bank, mut found) = (words(&made), words(used));
        if self.light.is_none() || (made.roi == used.roi && made.ignore == used.ignore) {
            return None;
        }
        if of_bank == found {
            found += " with other parts";
        }
        Some(Error::Setting { name: "frames", expected: format!("{of_bank}, as the bank was made"), found })
    }

    /// The part of the frames that was learned, and how it is brought to the network's input.
    pub fn view(&self) -> View {
        let Header { crop, roi, .. } = self.header;
        View { crop, roi, ignore: self.ignore.clone(), tiles: self.tiles() }
    }

    /// Score distribution of good frames without a decoder; of a bank without descriptors, with the first decoder.
    pub fn calibration(&self) -> &Calibration {
        &self.calibrations[0]
    }

    /// Score distributions of good frames, one for each scorer, that of [`Self::calibration`] first. The last is of the
    /// decoder that the bank was calibrated with last.
    pub fn calibrations(&self) -> impl Iterator<Item = &Calibration> {
        self.calibrations.iter()
    }

    /// The score distribution of good frames for that scorer.
    pub fn calibration_of(&self, scorer: &str) -> Option<&Calibration> {
        self.calibrations().find(|calibration| calibration.scorer == scorer)
    }
}

/// The two groups of blocks that an encoder's descriptors are made of.
fn layers_of(encoder: &Encoder) -> [std::ops::Range<usize>; 2] {
    let Layers { first, second } = encoder.layers();
    [first, second]
}
