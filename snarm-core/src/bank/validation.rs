//! What learned frames would score if they had not been learned.
//!
//! Some of them are kept. When the bank is made, each is scored against it without the rows of frames that say nothing about
//! it (`likeness`), so no frame is lost to the calibration. Of frames that are copies of each other only the first that
//! was kept is scored. (Picking a bank anew for each block gives nearly the same scores, at many times the
//! cost: docs/accuracy.md.)

use std::collections::HashSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use snarm_kernels::nearest::{Filter, Workspace, nearest_by_codes};

use super::likeness::Likeness;
use super::odd::{self, OddFrame};
use super::origin::Origin;
use super::places::{Occupancy, RADII};
use super::reservoir::{Place, Reservoir};
use super::spill::{self, Halves, Spill, room};
use super::stage::BuildStage;
use super::{Calibration, Memory};
use crate::detect::extract::Extractor;
use crate::detect::postprocess::RawMap;
use crate::detect::tiled;
use crate::encoder::{Features, Geometry};
use crate::error::Result;
use crate::models::{Decoder, Model, model};
use crate::view::Seen;

/// The most frames kept; a longer stream is sampled evenly.
const MOST_FRAMES: usize = 1024;

/// Of fewer frames than this, views are scored beside them, as long as they are learned: a few scores say little of how much good
/// frames differ.
pub(super) const FEW_FRAMES: usize = 8;

/// A frame that is kept.
struct Kept {
    /// Its number.
    image: u32,
    /// Its number among all learned frames, copies included.
    frame: usize,
    /// Where it comes from.
    origin: Option<Origin>,
    /// What is seen of it.
    seen: Arc<Seen>,
    /// Its descriptors, tile after tile, in half precision: enough to score it, at half the memory.
    descriptors: Halves,
}

/// Frames to score.
pub(super) struct Validation {
    kept: Vec<Kept>,
    /// Views of few frames, with the numbers of those.
    views: Vec<Kept>,
    reservoir: Reservoir,
    spill: Spill,
}

impl Validation {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        let spill = Spill::new(std::env::temp_dir());
        Self { kept: Vec::new(), views: Vec::new(), reservoir: Reservoir::new(MOST_FRAMES, rng), spill }
    }

    /// Offers the frame that the extractor saw last: its number, that among all learned frames, and where it comes from. Where no
    /// file can be written, those in memory are an even sample of what follows.
    pub(super) fn offer(&mut self, image: u32, frame: usize, origin: Option<Origin>, seen: &Extractor) {
        if self.kept.is_empty() {
            self.reservoir.limit(MOST_FRAMES.min(room(seen.descriptors.len())));
        }
        match self.reservoir.place() {
            Place::Skip => return,
            Place::Append => {}
            Place::Replace(at) => {
                let old = self.kept.swap_remove(at);
                self.spill.forget(old.descriptors);
            }
        }
        match self.spill.keep(&seen.descriptors) {
            Ok(descriptors) => {
                let seen = Arc::clone(seen.seen());
                self.kept.push(Kept { image, frame, origin, seen, descriptors });
            }
            Err(reason) => {
                let n = self.kept.len();
                let reason = self.spill.error(reason);
                tracing::warn!("the threshold is found with {n} of the learned frames: {reason}");
                self.reservoir.limit(n);
            }
        }
    }

    /// Offers the view of a frame, of that number, that the extractor saw last: its number among the views of the frame, and how
    /// many there are. So many are kept, evenly, as [`FEW_FRAMES`] frames leave room for.
    pub(super) fn offer_view(&mut self, image: u32, (nth, of): (usize, usize), seen: &Extractor) {
        let bytes = seen.descriptors.len() * size_of::<half::f16>();
        let room = (spill::MOST_BYTES / bytes.max(1) / FEW_FRAMES).max(1);
        if nth.is_multiple_of(of.div_ceil(room)) {
            let halves = seen.descriptors.iter().map(|v| half::f16::from_f32(*v)).collect();
            let (seen, descriptors) = (Arc::clone(seen.seen()), Halves::Memory(halves));
            self.views.push(Kept { image, frame: 0, origin: None, seen, descriptors });
        }
    }

    /// Forgets the views of frames.
    pub(super) fn forget_views(&mut self) {
        self.views.clear();
    }

    /// Numbers of the frames that are kept.
    pub(super) fn images(&self) -> impl Iterator<Item = u32> {
        self.kept.iter().map(|frame| frame.image)
    }

    /// Multiplies the columns of all descriptors by factors.
    ///
    /// # Errors
    /// When the file that holds some of them cannot be read or written.
    pub(super) fn scale(&mut self, factors: &[f32]) -> Result<()> {
        let mut all = self.kept.iter_mut().chain(&mut self.views);
        let scaled = all.try_for_each(|frame| frame.descriptors.scale(factors));
        scaled.map_err(|reason| self.spill.error(reason))
    }

    /// Takes back the frames from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        let (kept, gone): (Vec<Kept>, Vec<Kept>) =
            std::mem::take(&mut self.kept).into_iter().partition(|frame| frame.image < first);
        self.kept = kept;
        self.reservoir.forget(gone.len());
        gone.into_iter().for_each(|frame| self.spill.forget(frame.descriptors));
        self.views.retain(|view| view.image < first);
    }

    /// Takes what the kept frames say of the places of rows.
    pub(super) fn occupy(
        &self,
        memory: &Memory,
        geometry: &Geometry,
        mut occupancy: Occupancy,
    ) -> Result<Occupancy> {
        let (tokens, values) = (geometry.grid(), geometry.output_len());
        let placed = occupancy.placed();
        let mut workspace = Workspace::default();
        let (mut indices, mut squares) = (Vec::new(), Vec::new());
        for kept in &self.kept {
            let descriptors = kept.descriptors.widened()?;
            for tile in 0..kept.seen.mosaic.tiles() {
                let all_seen = Some(&[][..]);
                let ignored = kept.seen.ignored.as_ref().map_or(all_seen, |ignored| ignored.of_tile(tile));
                let Some(ignored) = ignored else { continue };
                let queries = &descriptors[tile * values..][..tokens.cells() * geometry.width()];
                indices.resize(tokens.cells() * NEEDED, 0);
                squares.resize(indices.len(), 0.0);
                let (codes, rows, all) = (memory.codes(), memory.rows(), Filter::default());
                let (i, s) = (&mut indices, &mut squares);
                snarm_kernels::threads::install(|| {
                    nearest_by_codes(queries, codes, rows, all, NEEDED, &mut workspace, i, s)
                })??;
                let counts = |token: usize| !ignored.get(token).copied().unwrap_or(false);
                let tokens = placed.of_tokens(tokens, tile).zip(indices.chunks_exact(NEEDED));
                let tokens = tokens.enumerate().filter(|(token, _)| counts(*token)).map(|(_, seen)| seen);
                occupancy.add(kept.image, tokens);
            }
        }
        Ok(occupancy)
    }

    /// Scores the kept frames, without a decoder against a memory, where there is one, and with each decoder; beside it the
    /// radius within which rows count near their places, where they do: at least `least`.
    pub(super) fn run<'a>(
        &'a self,
        memory: Option<&Memory>,
        occupancy: Option<&mut Occupancy>,
        least: usize,
        likeness: &Likeness<'_>,
        geometry: &Geometry,
        decoders: &'a [Arc<Decoder>],
        progress: &mut dyn FnMut(BuildStage, usize, usize),
    ) -> Result<(Scores<'a>, Option<usize>)> {
        let mut seen = HashSet::new();
        let mut kept: Vec<&Kept> =
            self.kept.iter().filter(|frame| seen.insert(likeness.original(frame.image))).collect();
        kept.sort_by_key(|frame| frame.image);
        let images = memory.map_or(&[][..], |memory| memory.images());
        let has_frame = |view: &&Kept| kept.iter().any(|frame| frame.image == view.image);
        let views: Vec<&Kept> = self.views.iter().filter(has_frame).collect();
        let memory = memory.map(|memory| memory.with_images(memory.images().to_vec()));
        let total = (kept.len() + views.len()) * (usize::from(memory.is_some()) + decoders.len());
        let mut done = 0;
        let mut step = |_: usize, _: f64| {
            progress(BuildStage::Calibrate, done, total);
            done += 1;
            true
        };
        let mut scoring =
            Scoring { kept: &kept, images, likeness, geometry, memory, occupancy, radius: None };
        let all: Vec<usize> = (0..kept.len()).collect();
        let mut by = Vec::new();
        if scoring.memory.is_some() {
            by.push(match scoring.find_radius(least, &mut step)? {
                Some(scored) => scored,
                None => scoring.run(None, &all, &mut step)?,
            });
        }
        // Decoders may read residuals in units of what is usual for good frames.
        let usual = by.first().map(|free| Calibration::new(&free.scorer, false, &free.images, &free.peaks));
        if let Some(usual) = usual.transpose()? {
            scoring.memory = scoring.memory.map(|memory| memory.with_level_of(&usual));
        }
        for decoder in decoders {
            by.push(scoring.run(Some(decoder), &all, &mut step)?);
        }
        let radius = scoring.radius;
        let mut of_views = Vec::new();
        if !views.is_empty() {
            scoring.kept = &views;
            let all: Vec<usize> = (0..views.len()).collect();
            if scoring.memory.is_some() {
                of_views.push(scoring.run(None, &all, &mut step)?);
            }
            for decoder in decoders {
                of_views.push(scoring.run(Some(decoder), &all, &mut step)?);
            }
        }
        progress(BuildStage::Calibrate, total, total);
        let views = views.iter().map(|view| view.image).collect();
        Ok((Scores { frames: kept, views, in_blocks: likeness.in_blocks(), by, of_views }, radius))
    }
}

/// The fewest frames that decide whether places count, and the most that are asked.
const FEWEST_TO_PLACE: usize = 12;
/// See [`FEWEST_TO_PLACE`].
const MOST_TO_PLACE: usize = 64;

/// Of so many frames that are asked one may become an alarm where places count.
const FOR_AN_ALARM: usize = 100;

/// A frame that scores less than this times as high is not disturbed by its place.
const DISTURBED: f64 = 1.1;

/// What kept frames are scored by.
struct Scoring<'a, 'b> {
    kept: &'b [&'a Kept],
    /// The frames that the rows of the memory are of, which labels take the place of.
    images: &'b [u32],
    likeness: &'b Likeness<'b>,
    geometry: &'b Geometry,
    memory: Option<Memory>,
    occupancy: Option<&'b mut Occupancy>,
    /// Within which rows count near their places; nothing where they count everywhere.
    radius: Option<usize>,
}

impl Scoring<'_, '_> {
    /// Finds the least radius, of those that are tried, that makes alarms of next to none of the frames; a radius ends at its first
    /// alarm too many. What the frames score then, where all of them were asked: `step` has heard of each.
    fn find_radius<'c>(
        &mut self,
        least: usize,
        step: &mut dyn FnMut(usize, f64) -> bool,
    ) -> Result<Option<Scored<'c>>> {
        let n = self.kept.len();
        if self.occupancy.is_none() || n < FEWEST_TO_PLACE {
            return Ok(None);
        }
        let some: Vec<usize> = (0..n).step_by(n.div_ceil(MOST_TO_PLACE)).collect();
        let is_whole = some.len() == n;
        let free = self.run(None, &some, &mut |nth, score| !is_whole || step(nth, score))?;
        let limit = Calibration::new(&free.scorer, false, &free.images, &free.peaks)?.reference;
        // Frames that are odd wherever rows count say nothing of places.
        let asked: Vec<bool> = odd::sigmas(&[&free.images]).iter().map(|sigmas| *sigmas == 0.0).collect();
        let most = asked.iter().filter(|asked| **asked).count() / FOR_AN_ALARM;
        for radius in RADII.into_iter().filter(|radius| *radius >= least) {
            self.radius = Some(radius);
            let mut alarms = 0;
            let mut may_go_on = |nth: usize, placed: f64| {
                let is_alarm = asked[nth] && placed > limit && placed > DISTURBED * free.images[nth];
                alarms += usize::from(is_alarm);
                alarms <= most
            };
            let placed = self.run(None, &some, &mut may_go_on)?;
            let scored = placed.images.len();
            tracing::debug!(radius, alarms, most, scored, of = some.len(), "alarms by places");
            if alarms <= most {
                return Ok(is_whole.then_some(placed));
            }
        }
        self.radius = None;
        Ok(is_whole.then_some(free))
    }

    /// Scores those of the frames, each as if it and what is like it had not been learned. `step` hears the place of each among them
    /// and its image score, and says whether the next one is scored.
    fn run<'c>(
        &mut self,
        decoder: Option<&'c Decoder>,
        frames: &[usize],
        step: &mut dyn FnMut(usize, f64) -> bool,
    ) -> Result<Scored<'c>> {
        let mut model = model(self.geometry, decoder)?;
        let mut raw = RawMap::new(self.geometry.size, model.map_size(), model.image_score());
        let (mut images, mut peaks) = (Vec::new(), Vec::new());
        for (nth, at) in frames.iter().enumerate() {
            let kept = self.kept[*at];
            if let Some(memory) = &mut self.memory {
                let out = left_out(self.images, self.likeness, kept.image);
                memory.set_images(&out);
                let places = self.occupancy.as_deref_mut().zip(self.radius).map(|(occupancy, radius)| {
                    let alike = self.likeness.left_out(kept.image);
                    let is_out = |image: u32| {
                        alike.contains(&image) || self.likeness.are_neighbours(kept.image, image)
                    };
                    occupancy.without(radius, is_out, |row| out[row] != OUT)
                });
                memory.set_places(places);
            }
            let (score, peak) = kept.score(&mut *model, self.geometry, &mut raw, self.memory.as_ref())?;
            images.push(score);
            peaks.push(peak);
            if !step(nth, score) {
                break;
            }
        }
        Ok(Scored { scorer: model.scorer().to_owned(), decoder, images, peaks })
    }
}

/// What the kept frames score.
pub(super) struct Scores<'a> {
    /// By ascending number.
    frames: Vec<&'a Kept>,
    /// The numbers of the frames whose views were scored, a number for each view.
    views: Vec<u32>,
    in_blocks: bool,
    /// Without a decoder, where there is a memory, then with each decoder.
    by: Vec<Scored<'a>>,
    /// Those of the views, in the same order; empty where there are none.
    of_views: Vec<Scored<'a>>,
}

/// The scores of all frames by one scorer.
struct Scored<'a> {
    scorer: String,
    decoder: Option<&'a Decoder>,
    images: Vec<f64>,
    peaks: Vec<f64>,
}

impl Scores<'_> {
    /// The frames that are unlike the rest, the oddest first, and their numbers.
    pub(super) fn odd(&self) -> Vec<(u32, OddFrame)> {
        let scores: Vec<&[f64]> = self.by.iter().map(|scored| &scored.images[..]).collect();
        let sigmas = odd::sigmas(&scores);
        let mut odd: Vec<(u32, OddFrame)> = self
            .frames
            .iter()
            .zip(sigmas)
            .filter(|(_, sigmas)| *sigmas > 0.0)
            .map(|(kept, sigmas)| {
                (kept.image, OddFrame { frame: kept.frame, origin: kept.origin.clone(), sigmas })
            })
            .collect();
        odd.sort_by(|(_, a), (_, b)| b.sigmas.total_cmp(&a.sigmas));
        odd
    }

    /// The calibrations by all frames but those numbers, each joined with what the bank before it knew of good frames.
    /// That without a decoder comes first. `learned` is the number of frames that were seen, without views; frames of a stream are
    /// `step` seconds apart.
    pub(super) fn calibrations(
        &self,
        without: &HashSet<u32>,
        earlier: &[Calibration],
        learned: usize,
        step: Option<f64>,
    ) -> Result<Vec<Calibration>> {
        let whole = self.frames.iter().all(|frame| frame.seen.mosaic.tiles() == 1);
        let counts: Vec<bool> = self.frames.iter().map(|frame| !without.contains(&frame.image)).collect();
        let numbers = counted(&self.frames.iter().map(|frame| frame.image).collect::<Vec<_>>(), &counts);
        let views_count: Vec<bool> = self.views.iter().map(|image| !without.contains(image)).collect();
        let calibration = |(at, scored): (usize, &Scored<'_>)| -> Result<Calibration> {
            let (mut images, mut peaks) = (counted(&scored.images, &counts), counted(&scored.peaks, &counts));
            if let Some(views) = self.of_views.get(at) {
                images.extend(counted(&views.images, &views_count));
                peaks.extend(counted(&views.peaks, &views_count));
            }
            let fresh = match self.in_blocks {
                // So few frames say nothing of how long scores are high together.
                _ if images.len() > numbers.len() => {
                    Calibration::new(&scored.scorer, self.in_blocks, &images, &peaks)?
                }
                true => {
                    let stream = Calibration::of_stream(&scored.scorer, &numbers, &images, &peaks)?;
                    stream.with_step(step)
                }
                false => Calibration::new(&scored.scorer, false, &images, &peaks)?,
            };
            let known = earlier.iter().find(|earlier| earlier.scorer == fresh.scorer);
            let own = known.map_or_else(|| fresh.clone(), |known| known.joined(&fresh));
            // A decoder knows what whole frames score; of several tiles the highest counts.
            let prior = scored.decoder.and_then(|decoder| decoder.calibration()).filter(|_| whole);
            Ok(prior.map_or_else(|| own.clone(), |prior| own.towards(prior, own.frames.min(learned))))
        };
        self.by.iter().enumerate().map(calibration).collect()
    }
}

/// The values that count.
fn counted<T: Copy>(values: &[T], counts: &[bool]) -> Vec<T> {
    values.iter().zip(counts).filter(|(_, counts)| **counts).map(|(value, _)| *value).collect()
}

/// Label of the rows that do not count.
const OUT: u32 = 1;

/// The rows that a frame needs at least: a token is matched with the three nearest.
const NEEDED: usize = 3;

/// For each row of the bank whether it is left out while a frame is scored. Where hardly anything would be left, as all
/// frames are copies, those of the frame alone are, or none: a bank of few rows does not know all of a frame.
fn left_out(images: &[u32], likeness: &Likeness<'_>, image: u32) -> Vec<u32> {
    let out = likeness.left_out(image);
    let is_out = |row: &u32| out.contains(row) || likeness.are_neighbours(image, *row);
    let labels = |is_out: &dyn Fn(&u32) -> bool| -> Vec<u32> {
        images.iter().map(|row| if is_out(row) { OUT } else { 0 }).collect()
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
        let descriptors = self.descriptors.widened()?;
        let values = geometry.output_len();
        let features =
            |tile: usize| Ok(Features::new(geometry, &descriptors[tile * values..][..values])?.of_tile(tile));
        snarm_kernels::threads::install(|| {
            tiled::score(model, raw, &self.seen, features, memory, Some(OUT), &mut Default::default())
        })?
    }
}
