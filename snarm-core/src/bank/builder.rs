//! Making a bank: frames are encoded as they come and give their descriptors to a bounded random sample of the stream.
//! At the end the sample is thinned, and some of the frames are scored as if the bank did not know them: that gives the
//! thresholds.

use std::collections::HashSet;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::device::Place;
use snarm_kernels::frame::AnyFrame;

use super::blocks::Blocks;
use super::cells::Cells;
use super::likeness::{Likeness, Sketch, Sketches};
use super::novelty::Novelty;
use super::origin::{Origin, Origins};
use super::places::{self, Placed, Placing};
use super::sample::Sample;
use super::stage::BuildStage;
use super::step::Steps;
use super::validation::{FEW_FRAMES, Validation};
use super::variation::{self, ChosenViews, Encoded, FEWEST_PICTURES};
use super::views::{Viewer, picture};
use super::{Bank, BankSettings, Calibration, Header, Memory, OddFrame, layers_of, scales};
use crate::dataset::Picture;
use crate::detect::extract::Extractor;
use crate::detect::lighting::Lighting;
use crate::detect::{Choice, parity};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::snarm::TRAINING_FREE;
use crate::models::{Decoder, needs_memory};
use crate::synthetic::augmentation::Views;
use crate::view::{Crop, IgnoreMask, Rect, Tiles, View};

/// Frames whose sketches are kept in any case.
const FEWEST_SKETCHES: usize = 4096;

/// Collects good frames and makes a bank of them. Memory is bounded however long the stream is.
pub struct BankBuilder {
    extractor: Extractor,
    settings: BankSettings,
    /// Decoders to calibrate with, beside scores without one.
    decoders: Vec<Arc<Decoder>>,
    sample: Sample,
    sketches: Sketches,
    origins: Origins,
    validation: Validation,
    novelty: Novelty,
    cells: Cells,
    steps: Steps,
    viewer: Viewer,
    /// While a bank is made: views that took the place of frames; what was collected without views that are learned in the
    /// end; and which those are, where they were not asked for by name.
    made: usize,
    without_views: Option<Sample>,
    chosen: Option<ChosenViews>,
    /// Of the bank that this one continues, with its places.
    earlier_memory: Option<Memory>,
    /// The place of each token of a frame.
    places: Vec<u32>,
    /// What the groups of channels of the encoder's descriptors are multiplied by before they are collected.
    group_scales: Vec<f32>,
    /// Number of the first frame that is learned here.
    first: u32,
    /// Frames and copies in the bank that this one continues, and its calibrations.
    before: usize,
    copies_before: usize,
    earlier: Vec<Calibration>,
    frames: usize,
    /// Which of the frames, counted from 0, are the same as one before and were given no number.
    same: Vec<u32>,
    picture_bits: Option<u8>,
    /// Whether the processor goes on where a device fails.
    falls_back: bool,
}

impl BankBuilder {
    /// Starts an empty collection.
    ///
    /// # Errors
    /// When a setting lies outside its range.
    pub fn new(encoder: Arc<Encoder>, settings: BankSettings) -> Result<Self> {
        Self::of_aspect(encoder, settings, None)
    }

    /// For frames of that aspect, width / height, where the view keeps it; without one the first frame decides.
    fn of_aspect(encoder: Arc<Encoder>, settings: BankSettings, aspect: Option<f64>) -> Result<Self> {
        if settings.capacity == 0 {
            let expected = "at least 1".to_owned();
            return Err(Error::Setting { name: "bank capacity", expected, found: "0".into() });
        }
        if !(0.0..=0.5).contains(&settings.calibration_fraction) {
            let found = settings.calibration_fraction.to_string();
            return Err(Error::Setting { name: "calibration fraction", expected: "0 to 0.5".into(), found });
        }
        let extractor = measuring(encoder, settings.view.clone(), aspect)?;
        Ok(Self {
            decoders: Vec::new(),
            sample: Sample::new(
                extractor.width(),
                &settings,
                stream(settings.seed, 0),
                stream(settings.seed, 3),
            ),
            sketches: Sketches::default(),
            origins: Origins::default(),
            validation: Validation::new(stream(settings.seed, 1)),
            novelty: Novelty::new(settings.min_novelty),
            cells: Cells::new(stream(settings.seed, 4), None),
            steps: Steps::default(),
            viewer: Viewer::new(settings.views, stream(settings.seed, 5)),
            made: 0,
            without_views: None,
            chosen: None,
            earlier_memory: None,
            places: Vec::new(),
            first: 0,
            group_scales: Vec::new(),
            before: 0,
            copies_before: 0,
            earlier: Vec::new(),
            frames: 0,
            same: Vec::new(),
            picture_bits: None,
            falls_back: false,
            extractor,
            settings,
        })
    }

    /// Starts from the descriptors of an existing bank. The view comes from the bank, and the scores of its good frames
    /// count in the thresholds beside those of new ones, so that a few new frames never make a bank stricter.
    ///
    /// # Errors
    /// When the bank was made with another encoder or of another part of the frames than `settings` ask for, or a
    /// setting lies outside its range.
    pub fn append(encoder: Arc<Encoder>, bank: &Bank, settings: BankSettings) -> Result<Self> {
        bank.check_encoder(&encoder)?;
        check_view(&bank.view(), &settings.view)?;
        let settings = BankSettings { view: bank.view(), ..settings };
        let mut builder = Self::of_aspect(encoder, settings, Some(bank.aspect()))?;
        builder.before = bank.frames();
        builder.picture_bits = bank.header().picture_bits;
        builder.copies_before = bank.header().copies;
        builder.sketches = bank.sketches.clone();
        builder.origins = bank.origins.clone();
        builder.first = bank.next_image();
        builder.group_scales = bank.group_scales().to_vec();
        builder.extractor.set_scales(bank.group_scales());
        builder.earlier = bank.calibrations().cloned().collect();
        builder.cells = Cells::new(stream(builder.settings.seed, 4), bank.light.as_deref().cloned());
        builder.earlier_memory = bank.memory().map(|memory| memory.with_images(memory.images().to_vec()));
        let width = bank.width();
        for (row, image) in bank.rows().data.chunks_exact(width.max(1)).zip(bank.images()) {
            builder.sample.add(row, *image, places::NOWHERE)?;
        }
        Ok(builder)
    }

    /// Calibrates the bank with a decoder, too. A bank whose decoders all need no descriptors holds none.
    ///
    /// # Errors
    /// When the decoder was trained for another encoder.
    pub fn calibrate_with(&mut self, decoder: Arc<Decoder>) -> Result<()> {
        decoder.check_encoder(self.extractor.encoder())?;
        if self.decoders.iter().all(|known| known.scorer() != decoder.scorer()) {
            self.decoders.push(decoder);
        }
        Ok(())
    }

    /// Whether descriptors are kept.
    fn needs_memory(&self) -> bool {
        self.decoders.is_empty() || self.decoders.iter().any(|decoder| needs_memory(Some(decoder)))
    }

    /// Imports and encodes on that device from now on; all else is done on the host. With [`Choice::Auto`] the processor does it
    /// where the device cannot, or fails later, and the log says so.
    ///
    /// # Errors
    /// When a device is asked for by name and is not there, does not run the encoder, finds other numbers, or lacks the memory.
    pub fn on(mut self, choice: Choice) -> Result<Self> {
        let moved = choice.open().and_then(|place| self.set_place(&place));
        match moved {
            Err(reason) if choice == Choice::Auto => self.fall_back(&reason)?,
            moved => moved?,
        }
        self.falls_back = choice == Choice::Auto && self.place() != Place::Host;
        Ok(self)
    }

    /// Goes on with the processor.
    fn fall_back(&mut self, reason: &Error) -> Result<()> {
        tracing::warn!("frames are encoded on the CPU from now on: {reason}");
        self.falls_back = false;
        self.extractor.move_to(&Place::Host)
    }

    /// Brings the descriptors of a frame to the host.
    fn extract(&mut self, frame: &AnyFrame<'_>) -> Result<()> {
        let run = |extractor: &mut Extractor| {
            extractor.run(*frame, &mut Default::default())?;
            extractor.fetch()
        };
        match run(&mut self.extractor) {
            Err(reason) if self.falls_back && reason.is_of_device() => {
                self.fall_back(&reason)?;
                run(&mut self.extractor)
            }
            extracted => extracted,
        }
    }

    /// Imports and encodes there from now on, where a device has shown that it finds in a built-in picture what the processor
    /// finds. Frames may be in the memory of that place, or in the host's. All else is done on the host.
    ///
    /// # Errors
    /// When the device does not run the encoder, finds other numbers, lacks the memory or fails; then the processor goes on.
    pub fn set_place(&mut self, place: &Place) -> Result<()> {
        if *place == self.place() {
            return Ok(());
        }
        let checked = match place {
            Place::Host => Ok(()),
            Place::Cuda(_) => parity::check_encoder(self.extractor.shared(), place),
        };
        let moved = checked.and_then(|()| self.extractor.move_to(place));
        if moved.is_err() {
            self.extractor.move_to(&Place::Host)?;
        }
        moved
    }

    /// What encodes.
    pub fn place(&self) -> Place {
        self.extractor.place()
    }

    /// Looks at another part of the upright frames, before the first one is learned.
    ///
    /// # Errors
    /// When frames were learned already, a bank is continued, or the region of interest is no part of the frame.
    pub fn set_view(&mut self, view: View) -> Result<()> {
        if self.frames_with_before() > 0 {
            let found = format!("{} that were learned with another", self.frames_with_before());
            return Err(Error::Mismatch { what: "view of a bank", expected: "no frames".into(), found });
        }
        let place = self.extractor.place();
        self.extractor = measuring(Arc::clone(self.extractor.shared()), view.clone(), None)?;
        self.extractor.move_to(&place)?;
        self.settings.view = view;
        Ok(())
    }

    /// Learns one good frame, turned upright as its orientation says, unless it adds less than the novelty that is asked for.
    /// Whether it was learned. One that is the same as a frame before it counts as a copy and changes nothing else.
    ///
    /// # Errors
    /// When the ignore mask leaves next to nothing of the frame, the compute pool cannot be started, a device that was asked
    /// for by name fails, or the frame is in the memory of another place than [`Self::place`] and the host.
    pub fn add<'a>(&mut self, frame: impl Into<AnyFrame<'a>>) -> Result<bool> {
        self.add_from(frame, None)
    }

    /// As [`Self::add`], of a frame from a known place: the bank remembers it, and names the frame by that.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_from<'a>(&mut self, frame: impl Into<AnyFrame<'a>>, origin: Option<Origin>) -> Result<bool> {
        let frame = frame.into();
        self.extract(&frame)?;
        // Before anything is learned: where a device fails, the frame comes once more.
        let is_first = self.frames_with_before() == 0;
        let first = if is_first { Some(picture(&frame, &self.extractor.place())?) } else { None };
        let tokens = self.extractor.seen().ignored_tokens();
        if !self.novelty.admits(&self.extractor.descriptors, self.extractor.width(), tokens)? {
            return Ok(false);
        }
        self.steps.see(origin.as_ref());
        let image = self.next_image();
        if self.learn(origin)? {
            first.into_iter().for_each(|picture| self.viewer.keep_first(image, picture));
            self.learn_views(&frame)?;
        }
        Ok(true)
    }

    /// Learns the frame that the extractor saw last. Whether it is the same as none before it.
    fn learn(&mut self, origin: Option<Origin>) -> Result<bool> {
        let image = self.next_image();
        let tokens = self.extractor.seen().ignored_tokens();
        let sketch = Sketch::of(&self.extractor.descriptors, self.extractor.width(), tokens);
        let same = self.sketches.same(&sketch);
        if same.is_some_and(|same| same >= self.first) {
            self.same.push(self.frames as u32);
            self.frames += 1;
            return Ok(false);
        }
        self.sketches.add(image, &sketch);
        self.origins.add(image, origin.as_ref());
        self.validation.offer(image, self.frames, origin, &self.extractor);
        self.cells.offer(image, self.extractor.cells());
        // What the bank that is continued knows may be scored for the thresholds, but is not collected once more.
        if same.is_none() {
            self.collect(image)?;
        }
        self.frames += 1;
        if self.sketches.images().len() > 2 * self.sample.len().max(FEWEST_SKETCHES) {
            // Frames that nothing is kept of any more need neither sketch nor origin.
            let mut kept = self.sample.images();
            kept.extend(self.validation.images());
            self.sketches = self.sketches.only(&kept);
            self.origins = self.origins.only(&kept);
        }
        Ok(true)
    }

    /// Learns the views of a frame that was just learned. Those of the first one wait for a second.
    fn learn_views(&mut self, frame: &AnyFrame<'_>) -> Result<()> {
        let (image, place, asked) = (self.next_image() - 1, self.extractor.place(), self.viewer.asked());
        if self.frames_with_before() >= FEW_FRAMES {
            self.validation.forget_views();
        }
        if asked == Views::Auto {
            self.viewer.offer(image, frame, &place)?;
        }
        if asked.list().is_empty() || self.frames_with_before() == 1 {
            return Ok(());
        }
        if let Some((first, picture)) = self.viewer.waiting() {
            self.learn_views_of(&picture, first, asked)?;
        }
        self.learn_views_of(&picture(frame, &place)?, image, asked)
    }

    /// Learns those views of an image beside it. Of few frames they are also scored.
    fn learn_views_of(&mut self, picture: &Picture, image: u32, views: Views) -> Result<()> {
        let views = views.list();
        for (nth, view) in views.iter().enumerate() {
            self.extract(&AnyFrame::from(&view.of(picture).frame()?))?;
            self.collect(image)?;
            if self.frames_with_before() < FEW_FRAMES {
                self.validation.offer_view(image, (nth, views.len()), &self.extractor);
            }
        }
        Ok(())
    }

    /// Learns the views of the only frame as if they were frames: those that are asked for, else all.
    fn learn_views_alone(&mut self) -> Result<()> {
        let is_alone = match self.viewer.asked() {
            // Whoever has copies knows that the picture is still.
            Views::None => self.frames == 1,
            _ => self.frames - self.same.len() == 1,
        };
        let Some(picture) = self.viewer.first().filter(|_| is_alone && !self.is_continued()) else {
            return Ok(());
        };
        let asked = self.viewer.asked();
        let views = if asked.list().is_empty() { Views::All } else { asked };
        if views != asked {
            self.chosen = Some(ChosenViews { sets: vec![views], frames: 1, lower: Vec::new() });
        }
        for view in views.list() {
            self.extract(&AnyFrame::from(&view.of(&picture).frame()?))?;
            self.learn(self.origins.of(self.first).cloned())?;
            self.made += 1;
        }
        Ok(())
    }

    /// Learns the views that the frames ask for, of those whose pictures were kept.
    fn learn_views_chosen(
        &mut self,
        progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send),
    ) -> Result<()> {
        let album = self.viewer.album();
        if self.viewer.asked() != Views::Auto || self.made > 0 || album.is_empty() || !self.needs_memory() {
            return Ok(());
        }
        let chosen = if album.len() < FEWEST_PICTURES {
            let sets = if self.is_continued() { Vec::new() } else { vec![Views::All] };
            ChosenViews { sets, frames: album.len(), lower: Vec::new() }
        } else {
            let pictures: Vec<&Picture> = album.iter().map(|(_, picture)| &**picture).collect();
            let mut encode = |picture: &Picture| {
                self.extract(&AnyFrame::from(&picture.frame()?))?;
                let ignored = self.extractor.seen().ignored_tokens();
                Encoded::of(&self.extractor.descriptors, self.extractor.width(), ignored)
            };
            let mut step = |done, total| progress(BuildStage::Views, done, total);
            variation::find(&pictures, &mut encode, &mut step)?
        };
        if !chosen.sets.is_empty() {
            self.without_views = Some(self.sample.clone());
        }
        for set in &chosen.sets {
            for (image, picture) in &album {
                self.learn_views_of(picture, *image, *set)?;
            }
        }
        self.chosen = Some(chosen);
        Ok(())
    }

    /// Takes back what was learned for the bank that was made last alone.
    fn take_back_views(&mut self) {
        let made = std::mem::take(&mut self.made);
        self.take_back(made);
        if let Some(sample) = self.without_views.take() {
            self.sample = sample;
            self.validation.forget_views();
        }
        self.chosen = None;
    }

    /// Whether another bank goes on. One that was converted may know of no frames.
    fn is_continued(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Frames in the bank so far, with those of the bank that is continued.
    fn frames_with_before(&self) -> usize {
        self.frames + self.before
    }

    /// Takes back the last `n` learned frames, as far as there are so many, and returns their number. A bank that is
    /// continued stays whole.
    pub fn discard_last(&mut self, n: usize) -> usize {
        let n = n.min(self.frames);
        let first = self.take_back(n);
        self.novelty.clear();
        self.viewer.discard_from(first);
        n
    }

    /// Takes back so many of the last frames, and gives the number of the next one.
    fn take_back(&mut self, n: usize) -> u32 {
        self.frames -= n;
        self.same.truncate(self.same.partition_point(|at| (*at as usize) < self.frames));
        let first = self.next_image();
        self.sketches.discard_from(first);
        self.origins.discard_from(first);
        self.sample.discard_from(first);
        self.validation.discard_from(first);
        self.cells.discard_from(first);
        first
    }

    /// Bits that samples of 16 bits hold in the pictures that were learned, of a bank that is continued those of before.
    pub fn picture_bits(&self) -> Option<u8> {
        self.picture_bits
    }

    /// Keeps in the bank how many bits samples of 16 bits hold in the pictures that frames are made of, for those who read
    /// others later.
    pub fn set_picture_bits(&mut self, bits: Option<u8>) {
        self.picture_bits = bits;
    }

    /// Novelty that a frame needs from now on to be learned; 0 takes every frame.
    pub fn set_min_novelty(&mut self, least: f64) {
        self.novelty.set_least(least);
    }

    /// Novelty of the last frame: the relative change of its features from those of the nearest of the last eight
    /// learned frames. `None` when it was not compared.
    pub fn novelty(&self) -> Option<f64> {
        self.novelty.last()
    }

    /// Frames learned so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Descriptors held at present.
    pub fn vectors(&self) -> usize {
        self.sample.len()
    }

    /// Thins the descriptors, scores some of the frames and returns the bank. `progress` hears the stage, steps done and
    /// steps in all.
    ///
    /// # Errors
    /// When no frame was added.
    pub fn finish(mut self, progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send)) -> Result<Bank> {
        self.build(progress)
    }

    /// As [`BankBuilder::finish`], but keeps what was collected: more frames may follow.
    ///
    /// # Errors
    /// As [`BankBuilder::finish`].
    pub fn build(&mut self, progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send)) -> Result<Bank> {
        if self.frames == 0 {
            return Err(Error::TooFewFrames { needed: 1, found: 0 });
        }
        let built = self.build_with_views(progress);
        self.take_back_views();
        built
    }

    fn build_with_views(
        &mut self,
        progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send),
    ) -> Result<Bank> {
        let (learned, same) = (self.frames, self.same.len());
        self.learn_views_alone()?;
        let (first, fraction) = (self.first, self.settings.calibration_fraction);
        let numbered = self.frames - self.same.len();
        self.weigh_groups(Blocks::new(first as usize, numbered, fraction))?;
        self.learn_views_chosen(progress)?;
        let (memory, own) = if self.needs_memory() {
            let (memory, own) = self.thinned(progress)?;
            (Some(memory), own)
        } else {
            (None, Vec::new())
        };
        let settings = &self.settings;
        let likeness = Likeness::new(&self.sketches, first, numbered, fraction)?;
        let geometry = self.extractor.encoder().geometry();
        let mut occupancy = match &memory {
            Some(memory) => self.occupancy(memory, &own)?,
            None => None,
        };
        let least = self.earlier_memory.as_ref().and_then(Memory::places).map_or(0, |p| p.placed().radius);
        let (scores, radius) = self.validation.run(
            memory.as_ref(),
            occupancy.as_mut(),
            least,
            &likeness,
            geometry,
            &self.decoders,
            progress,
        )?;
        let places = radius.zip(occupancy).map(|(radius, mut occupancy)| occupancy.places(radius));
        let placed = places.as_ref().map(|places| places.placed());
        let memory = memory.map(|memory| memory.with_places(places));
        // Views are no frames that could be odd.
        let odd = if self.made > 0 { Vec::new() } else { scores.odd() };
        let (numbers, odd): (HashSet<u32>, Vec<OddFrame>) = odd.into_iter().unzip();
        let left_out = if settings.leave_out_odd { numbers } else { HashSet::new() };
        let calibrations =
            scores.calibrations(&left_out, &self.earlier, self.before + learned, self.steps.median())?;
        let memory = match memory {
            Some(memory) if !left_out.is_empty() => Some(memory.without(&left_out)?),
            memory => memory,
        };
        // A view that shows nothing else is no copy of a frame.
        let among_frames = if self.made > 0 { same } else { self.same.len() + likeness.copies() };
        let copies = self.copies_before + among_frames;
        let header = Header { copies, placed, ..self.header() };
        let images = memory.iter().flat_map(|memory| memory.images()).copied().collect();
        let ignore = settings.view.ignore.clone();
        let (sketches, light) = (self.sketches.only(&images), self.cells.light());
        let bank = Bank::new(header, calibrations, ignore, memory, sketches, light);
        let bank = bank.with_origins(self.origins.only(&images)).with_odd(odd);
        Ok(bank.with_chosen_views(self.chosen.clone()))
    }

    /// Where the rows of a memory were seen, which were taken from those places; nothing where places do not count, the bank
    /// that is continued knows none, or views took the place of frames, which say nothing of where parts lie.
    fn occupancy(&self, memory: &Memory, own: &[u32]) -> Result<Option<places::Occupancy>> {
        if self.settings.placing == Placing::None || self.made > 0 {
            return Ok(None);
        }
        let placed = self.placed();
        let earlier = match &self.earlier_memory {
            None => Vec::new(),
            Some(before) => match before.places() {
                Some(known) if Placed { radius: 0, ..known.placed() } == placed => before.seen_by(memory)?,
                _ => return Ok(None),
            },
        };
        let occupancy = places::Occupancy::new(placed, self.extractor.seen().mosaic.tiles(), own, earlier)?;
        self.validation.occupy(memory, self.extractor.encoder().geometry(), occupancy).map(Some)
    }

    /// The grid of places of a tile.
    fn placed(&self) -> Placed {
        let tokens = self.extractor.encoder().geometry().grid();
        Placed::of(tokens, self.extractor.seen().mosaic.tiles())
    }

    /// The descriptors that are kept of all that was collected, and the place of each.
    fn thinned(
        &self,
        progress: &mut (dyn FnMut(BuildStage, usize, usize) + Send),
    ) -> Result<(Memory, Vec<u32>)> {
        if self.before > 0 && self.earlier.iter().all(|earlier| earlier.scorer != TRAINING_FREE) {
            let expected = "a bank with descriptors, to go on with".to_owned();
            return Err(Error::Mismatch { what: "bank", expected, found: "one without".to_owned() });
        }
        let settings = &self.settings;
        let total = settings.capacity.min(self.sample.len());
        let mut reduced = |done: usize| progress(BuildStage::Reduce, done, total);
        reduced(0);
        let thinned = self.sample.thinned(settings, stream(settings.seed, 2), &mut reduced)?;
        reduced(total);
        Ok(thinned)
    }

    /// Finds the scales of the groups of channels anew, from all that was collected, and brings that to them. Those of a bank
    /// that is continued stay.
    fn weigh_groups(&mut self, blocks: Blocks) -> Result<()> {
        let groups = self.extractor.encoder().groups();
        if groups.len() < 2 || self.before > 0 {
            return Ok(());
        }
        let found = scales::find(&self.sample, &groups, blocks, stream(self.settings.seed, 3))?;
        let columns = groups.iter().zip(&found);
        let factors: Vec<f32> =
            columns.flat_map(|(width, scale)| std::iter::repeat_n(*scale, *width)).collect();
        self.sample.scale(&factors)?;
        self.validation.scale(&factors)?;
        self.novelty.scale(&factors);
        self.group_scales.resize(groups.len(), 1.0);
        self.group_scales.iter_mut().zip(&found).for_each(|(scale, found)| *scale *= found);
        self.extractor.set_scales(&self.group_scales);
        Ok(())
    }

    /// The number of the next frame that is no copy.
    fn next_image(&self) -> u32 {
        self.first + (self.frames - self.same.len()) as u32
    }

    /// Collects what the extractor saw last, but for ignored tokens.
    fn collect(&mut self, image: u32) -> Result<()> {
        let tokens = self.extractor.encoder().geometry().grid();
        let tiles = self.extractor.seen().mosaic.tiles();
        if self.places.len() != tiles * tokens.cells() {
            let placed = self.placed();
            self.places = (0..tiles).flat_map(|tile| placed.of_tokens(tokens, tile)).collect();
        }
        let ignored = self.extractor.seen().ignored_tokens();
        self.sample.add_image(&self.extractor.descriptors, image, &self.places, ignored)
    }

    pub(super) fn header(&self) -> Header {
        let encoder = self.extractor.encoder();
        Header {
            encoder: encoder.name().to_owned(),
            encoder_digest: encoder.digest().to_owned(),
            precision: self.extractor.precision().name().to_owned(),
            side: encoder.input_side(),
            grid: encoder.grid_side(),
            aspect: self.extractor.aspect(),
            layers: layers_of(encoder),
            group_scales: self.group_scales.clone(),
            crop: self.settings.view.crop,
            roi: self.settings.view.roi,
            tiles: self.extractor.tiles(),
            ignore_mask: self.settings.view.ignore.as_ref().map(|mask| [mask.width(), mask.height()]),
            picture_bits: self.picture_bits,
            frames: self.before + self.frames - self.made,
            copies: self.copies_before,
            views: self.settings.views,
            views_found: self.chosen.iter().flat_map(|chosen| chosen.sets.clone()).collect(),
            placed: None,
            reduction: self.settings.reduction,
            seed: self.settings.seed,
            made_by: concat!("snarm-core ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What encodes frames and measures their light.
fn measuring(encoder: Arc<Encoder>, view: View, aspect: Option<f64>) -> Result<Extractor> {
    let mut extractor = Extractor::new(encoder, view, aspect)?;
    extractor.set_lighting(Lighting::Measured);
    Ok(extractor)
}

/// A bank goes on with the part of the frames that it began with; what is asked for may be left open.
fn check_view(bank: &View, asked: &View) -> Result<()> {
    let text = |roi: Option<Rect>| roi.unwrap_or(Rect::WHOLE).to_string();
    if asked.roi.is_some() && asked.roi != bank.roi {
        let (expected, found) = (text(bank.roi), text(asked.roi));
        return Err(Error::Mismatch { what: "roi of the bank", expected, found });
    }
    // What is usual asks for nothing.
    if asked.crop != Crop::default() && asked.crop != bank.crop {
        let (expected, found) = (bank.crop.name().to_owned(), asked.crop.name().to_owned());
        return Err(Error::Mismatch { what: "crop of the bank", expected, found });
    }
    if let Tiles::Grid(_) = asked.tiles
        && asked.tiles != bank.tiles
    {
        let (expected, found) = (bank.tiles.to_string(), asked.tiles.to_string());
        return Err(Error::Mismatch { what: "tiles of the bank", expected, found });
    }
    if asked.ignore.is_some() && asked.ignore != bank.ignore {
        let text = |mask: &Option<Arc<IgnoreMask>>| match mask {
            Some(mask) => format!("a mask of {}x{}", mask.width(), mask.height()),
            None => "none".to_owned(),
        };
        let found = format!("another: {}", text(&asked.ignore));
        return Err(Error::Mismatch { what: "ignore mask of the bank", expected: text(&bank.ignore), found });
    }
    Ok(())
}

/// Independent random numbers for each use of one seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    rng
}
