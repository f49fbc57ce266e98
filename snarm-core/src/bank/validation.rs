//! What learned frames would score if they had not been learned.
//!
//! Some of them are kept. When the bank is made, each is scored against it without the rows of frames that say nothing about
//! it (`likeness`), so no frame is lost to the calibration. Of frames that are copies of each other only the first that
//! was kept is scored. (Picking a bank anew for each block gives nearly the same scores, at many times the
//! cost: docs/accuracy.md.)

use std::collections::HashSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use snarm_kernels::preprocess::PixelRect;

use super::likeness::Likeness;
use super::reservoir::{Place, Reservoir};
use super::stage::BuildStage;
use super::{Calibration, Memory};
use crate::detect::extract::Extractor;
use crate::detect::postprocess::RawMap;
use crate::encoder::{Features, Geometry};
use crate::error::Result;
use crate::models::{Decoder, Model, model};
use crate::view::Ignored;

/// The most frames kept; a longer stream is sampled evenly.
const MOST_FRAMES: usize = 256;

/// The most bytes of descriptors kept.
const MOST_BYTES: usize = 160 << 20;

/// The frames that are kept in any case, however large their descriptors are.
const FEWEST_FRAMES: usize = 32;

/// A frame that is kept.
struct Kept {
    /// Its number.
    image: u32,
    /// Part of the network's square that showed it.
    visible: PixelRect,
    /// What of it is ignored.
    ignored: Option<Arc<Ignored>>,
    /// Its descriptors, in half precision: enough to score it, at half the memory.
    descriptors: Vec<half::f16>,
}

/// Frames to score.
pub(super) struct Validation {
    kept: Vec<Kept>,
    reservoir: Reservoir,
}

impl Validation {
    /// For frames of so many numbers each.
    pub(super) fn new(numbers: usize, rng: ChaCha8Rng) -> Self {
        let bytes = numbers * size_of::<half::f16>();
        let most = (MOST_BYTES / bytes.max(1)).clamp(FEWEST_FRAMES, MOST_FRAMES);
        Self { kept: Vec::new(), reservoir: Reservoir::new(most, rng) }
    }

    /// Offers the frame that the extractor saw last.
    pub(super) fn offer(&mut self, image: u32, seen: &Extractor) {
        let half = || Kept {
            image,
            visible: seen.visible(),
            ignored: seen.ignored().cloned(),
            descriptors: seen.descriptors.iter().map(|v| half::f16::from_f32(*v)).collect(),
        };
        match self.reservoir.place() {
            Place::Append => self.kept.push(half()),
            Place::Replace(at) => self.kept[at] = half(),
            Place::Skip => {}
        }
    }

    /// Numbers of the frames that are kept.
    pub(super) fn images(&self) -> impl Iterator<Item = u32> {
        self.kept.iter().map(|frame| frame.image)
    }

    /// Multiplies the columns of all descriptors by factors.
    pub(super) fn scale(&mut self, factors: &[f32]) {
        for frame in &mut self.kept {
            for row in frame.descriptors.chunks_exact_mut(factors.len().max(1)) {
                row.iter_mut().zip(factors).for_each(|(v, f)| *v = half::f16::from_f32(v.to_f32() * f));
            }
        }
    }

    /// Takes back the frames from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        let before = self.kept.len();
        self.kept.retain(|frame| frame.image < first);
        self.reservoir.forget(before - self.kept.len());
    }

    /// Scores the kept frames, without a decoder against a memory, where there is one, and with each decoder, and joins what
    /// the bank before it knew of good frames. The calibration without a decoder comes first.
    pub(super) fn run(
        &self,
        memory: Option<&Memory>,
        likeness: &Likeness<'_>,
        geometry: &Geometry,
        decoders: &[Arc<Decoder>],
        earlier: &[Calibration],
        progress: &mut dyn FnMut(BuildStage, usize, usize),
    ) -> Result<Vec<Calibration>> {
        let mut seen = HashSet::new();
        let kept: Vec<&Kept> =
            self.kept.iter().filter(|frame| seen.insert(likeness.original(frame.image))).collect();
        let out = |frame: &&Kept| memory.map(|memory| left_out(memory, likeness, frame.image));
        let out: Vec<Option<Vec<u32>>> = kept.iter().map(out).collect();
        let total = kept.len() * (usize::from(memory.is_some()) + decoders.len());
        let mut done = 0;
        let mut with = |mut memory: Option<&mut Memory>, decoder: Option<&Decoder>| -> Result<Calibration> {
            let mut model = model(geometry, decoder)?;
            let mut raw = RawMap::new(geometry.size, model.map_size());
            let (mut images, mut peaks) = (Vec::new(), Vec::new());
            for (frame, out) in kept.iter().zip(&out) {
                progress(BuildStage::Calibrate, done, total);
                done += 1;
                if let (Some(memory), Some(out)) = (&mut memory, out) {
                    memory.set_images(out);
                }
                let (score, peak) = frame.score(&mut *model, geometry, &mut raw, memory.as_deref())?;
                images.push(score);
                peaks.push(peak);
            }
            let fresh = Calibration::new(model.scorer(), likeness.in_blocks(), &images, &peaks)?;
            let known = earlier.iter().find(|earlier| earlier.scorer == fresh.scorer);
            let own = known.map_or_else(|| fresh.clone(), |known| known.joined(&fresh));
            let prior = decoder.and_then(|decoder| decoder.calibration());
            Ok(prior.map_or_else(|| own.clone(), |prior| own.towards(prior)))
        };
        let mut calibrations = Vec::new();
        let mut memory = memory.map(|memory| memory.with_images(memory.images().to_vec()));
        if let Some(bank) = &mut memory {
            calibrations.push(with(Some(bank), None)?);
        }
        // Decoders may read residuals in units of what is usual for good frames.
        let mut memory = memory.map(|memory| memory.with_level_of(&calibrations[0]));
        for decoder in decoders {
            calibrations.push(with(memory.as_mut(), Some(decoder))?);
        }
        progress(BuildStage::Calibrate, total, total);
        Ok(calibrations)
    }
}

/// Label of the rows that do not count.
const OUT: u32 = 1;

/// The rows that a frame needs at least: a token is matched with the three nearest.
const NEEDED: usize = 3;

/// For each row of the bank whether it is left out while a frame is scored. Where hardly anything would be left, as all
/// frames are copies, those of the frame alone are, or none: a bank of few rows does not know all of a frame.
fn left_out(bank: &Memory, likeness: &Likeness<'_>, image: u32) -> Vec<u32> {
    let out = likeness.left_out(image);
    let is_out = |row: &u32| out.contains(row) || likeness.are_neighbours(image, *row);
    let labels = |is_out: &dyn Fn(&u32) -> bool| -> Vec<u32> {
        bank.images().iter().map(|row| if is_out(row) { OUT } else { 0 }).collect()
    };
    let enough = |labels: &Vec<u32>| labels.iter().filter(|label| **label != OUT).count() >= NEEDED;
    let less = || Some(labels(&|row| *row == image)).filter(enough);
    Some(labels(&is_out)).filter(enough).or_else(less).unwrap_or_else(|| labels(&|_| false))
}

impl Kept {
    /// Raw image score and highest raw pixel score against the rows that are not labelled [`OUT`].
    fn score(
        &self,
        model: &mut dyn Model,
        geometry: &Geometry,
        raw: &mut RawMap,
        memory: Option<&Memory>,
    ) -> Result<(f64, f64)> {
        let descriptors: Vec<f32> = self.descriptors.iter().map(|v| v.to_f32()).collect();
        let features = Features::new(geometry, &descriptors)?;
        let ignored = self.ignored.as_deref();
        let tokens = ignored.map_or(&[][..], |ignored| ignored.tokens());
        snarm_kernels::threads::install(|| {
            let map = model.score(&features, memory, Some(OUT), tokens, &mut Default::default())?;
            raw.run(map, self.visible, ignored)
        })?
    }
}
