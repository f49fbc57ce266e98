//! What the element does with frames: collects, writes, forgets.
//!
//! Two locks order it. [`SnarmBank::state`] is held for the time of a frame. `finishing` is held while a bank is made of
//! what was collected, so that EOS waits for an application's `finalize`. Signals are given when neither is held: a handler
//! may call any action. Only `notify::state` of finishing comes while a bank is made, so that its handlers are refused
//! another one, and a reset.

use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use snarm_core::bank::{Bank, BankBuilder, BuildStage, Held, OddFrame, Origin};
use snarm_core::files::check_writable;
use snarm_core::frame::AnyFrame;
use snarm_core::paths;
use snarm_core::registry::{self, How};

use super::imp::{CAT, Figures, SnarmBank, State};
use super::settings::Settings;
use super::{BankState, messages};
use crate::cuda::Seat;
use crate::frame::{self, Failure, Layout};
use crate::{error, files, lock, start};

impl SnarmBank {
    /// Starts collecting, or says why nothing could come of it.
    pub(super) fn begin(&self) -> Result<(), gst::ErrorMessage> {
        start::prepare(&*self.obj())?;
        let settings = lock(&self.settings).clone();
        let Some(location) = &settings.location else {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("location: expected the bank file to write, found nothing")
            ));
        };
        check_writable(location).map_err(|reason| {
            gst::error_msg!(
                gst::ResourceError::OpenWrite,
                ("cannot write the bank: {reason}: {}", location.display())
            )
        })?;
        let others = [
            ("ignore-mask", settings.ignore_mask.as_deref()),
            ("encoder", settings.encoder.as_deref()),
            ("model-location", settings.model_location.as_deref()),
        ];
        files::check_apart("location", location, &others)?;
        // A reset continues the file that this element holds itself.
        lock(&self.state).held = None;
        let (mut builder, held) = begin(&settings, location).map_err(|error| error::message(&error))?;
        let seat = Seat::new(settings.device, settings.cuda_device_id, self.place.clone());
        seat.begin(&mut builder, &self.sharing).map_err(|error| error::message(&error))?;
        let vectors = builder.vectors() as u64;
        {
            let mut state = lock(&self.state);
            *state = State {
                info: state.info.take(),
                turning: std::mem::take(&mut state.turning),
                builder: Some(builder),
                seat: Some(seat),
                held,
                started: true,
                ..State::default()
            };
        }
        *lock(&self.figures) = Figures { vectors, ..Figures::default() };
        self.enter(if settings.learning { BankState::Learning } else { BankState::Paused });
        Ok(())
    }

    /// Learns one frame when it is this frame's turn.
    pub(super) fn learn(&self, buffer: &gst::BufferRef) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        if !settings.learning {
            return Ok(());
        }
        let mut state = lock(&self.state);
        let State {
            info: Some(info),
            builder: Some(builder),
            seat: Some(seat),
            turning,
            viewed,
            broken,
            held,
            ..
        } = &mut *state
        else {
            return Ok(());
        };
        let seen = lock(&self.figures).see();
        let flagged = buffer.flags().intersects(gst::BufferFlags::GAP | gst::BufferFlags::CORRUPTED);
        if flagged || !seen.is_multiple_of(u64::from(settings.interval)) {
            return Ok(());
        }
        builder.set_min_novelty(settings.min_novelty);
        let start = Instant::now();
        let orientation = turning.orientation();
        if builder.frames() == 0 && orientation != *viewed && !settings.append {
            // Region and mask are given for the frame as it is stored, which is known only now.
            let view = settings.view().map_err(|error| error::message(&error))?.upright(orientation);
            builder.set_view(view).map_err(|error| error::message(&error))?;
            *viewed = orientation;
        }
        let layout = Layout { info: info.clone(), orientation };
        let segment = self.obj().segment();
        let segment = segment.downcast_ref::<gst::ClockTime>();
        let time =
            segment.and_then(|segment| segment.to_running_time(buffer.pts())).map(|time| time.nseconds());
        let warn = |error: &snarm_core::Error| {
            let text = format!("{error}; frames are encoded on the CPU from now on");
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{text}"));
        };
        let add = |builder: &mut BankBuilder, frame: AnyFrame<'_>| {
            builder.add_from(frame, Some(Origin { source: String::new(), number: Some(seen), time }))
        };
        let learned = match seat.with_frame(builder, buffer, &layout, &self.sharing, warn, add) {
            Ok(learned) => learned,
            Err(Failure::Core(error)) => return Err(error::message(&error)),
            Err(Failure::Buffer(reason)) => {
                let told = std::mem::replace(broken, true);
                drop(state);
                self.leave_out(&reason, told);
                return Ok(());
            }
        };
        *broken = false;
        let used = builder.frames();
        {
            let mut figures = lock(&self.figures);
            figures.learn_time += start.elapsed();
            figures.skipped += u64::from(!learned);
            figures.novelty = builder.novelty();
            figures.frames_used = used as u64;
            figures.vectors = builder.vectors() as u64;
        }
        if !learned {
            gst::log!(CAT, imp = self, "frame {seen} adds nothing: novelty {:?}", builder.novelty());
            return Ok(());
        }
        gst::log!(CAT, imp = self, "frame {seen} learned, {used} frames so far");
        let max = settings.max_frames as usize;
        if max > 0 && used >= max {
            drop(state);
            return self.finish().map_err(|error| error::message(&error));
        }
        let every = settings.checkpoint_frames as usize;
        if every > 0 && used.is_multiple_of(every) {
            let written =
                builder.build(&mut |_, _, _| {}).and_then(|bank| save(bank, &settings, held.as_mut()));
            drop(state);
            self.tell_checkpoint(written, &settings);
        }
        Ok(())
    }

    /// Counts a frame that cannot be read, and tells of the first of several.
    fn leave_out(&self, reason: &str, told: bool) {
        lock(&self.figures).unreadable += 1;
        if !told {
            frame::warn_unreadable(&*self.obj(), reason, "it passes and is not learned");
        }
    }

    /// Says that a partial bank is written, or that it could not be: learning goes on either way.
    fn tell_checkpoint(&self, written: Result<Bank, snarm_core::Error>, settings: &Settings) {
        let location = settings.location.as_deref().unwrap_or(Path::new(""));
        match written {
            Ok(bank) => {
                lock(&self.figures).checkpoints += 1;
                gst::info!(CAT, imp = self, "checkpoint of {} frames: {location:?}", bank.frames());
                messages::checkpoint(&self.obj(), &bank, location);
            }
            Err(error) => {
                gst::element_imp_warning!(self, gst::ResourceError::Write, ("no checkpoint written: {error}"))
            }
        }
    }

    /// Makes the bank of what was learned, unless one was made already.
    pub(super) fn finish(&self) -> Result<(), snarm_core::Error> {
        let turn = lock(&self.finishing);
        let made = self.make(&turn)?;
        drop(turn);
        if let Some(made) = made {
            self.tell_made(&made);
        }
        Ok(())
    }

    /// Makes the bank of what was learned and writes it; none if there is nothing to make it of. After a failure what was
    /// collected is there for whoever has the next turn.
    fn make(&self, _turn: &MutexGuard<'_, ()>) -> Result<Option<Made>, snarm_core::Error> {
        let settings = lock(&self.settings).clone();
        let (mut builder, mut held) = {
            let mut state = lock(&self.state);
            let Some(builder) = state.builder.take() else { return Ok(None) };
            (builder, state.held.take())
        };
        self.enter(BankState::Finishing);
        messages::progress(&self.obj(), gst::ProgressType::Start, 0, "Making the bank");
        let start = Instant::now();
        match self.build(&mut builder).and_then(|bank| save(bank, &settings, held.as_mut())) {
            Ok(bank) => {
                let seconds = start.elapsed().as_secs_f64();
                let location = settings.location.unwrap_or_default();
                gst::info!(CAT, imp = self, "{} vectors in {seconds:.1} s: {location:?}", bank.vectors());
                lock(&self.figures).vectors = bank.vectors() as u64;
                Ok(Some(Made { bank, location, seconds }))
            }
            Err(error) => {
                {
                    let mut state = lock(&self.state);
                    (state.builder, state.held) = (Some(builder), held);
                }
                messages::progress(&self.obj(), gst::ProgressType::Error, 0, "No bank written");
                Err(error)
            }
        }
    }

    /// Tells the application of its bank.
    fn tell_made(&self, made: &Made) {
        let Made { bank, location, seconds } = made;
        self.enter(BankState::Ready);
        messages::progress(&self.obj(), gst::ProgressType::Complete, 100, "Bank written");
        messages::ready(&self.obj(), bank, location, *seconds);
        if let Some(doubt) = bank.calibrations().last().and_then(|used| bank.doubt(used)) {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{doubt}: {}", location.display()));
        }
        match bank.chosen_views() {
            Some(chosen) if chosen.lower.is_empty() => {
                gst::element_imp_warning!(self, gst::StreamError::Failed, ("{chosen}"))
            }
            Some(chosen) => gst::info!(CAT, imp = self, "{chosen}"),
            None => {}
        }
        if let Some(odd) = odd_text(bank, lock(&self.settings).leave_out_odd_frames) {
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{odd}"));
        }
        let (name, vectors) = (location.to_string_lossy().into_owned(), bank.vectors() as u32);
        self.obj().emit_by_name::<()>("bank-ready", &[&name, &vectors]);
    }

    /// Reduces and calibrates, telling how far it is.
    fn build(&self, builder: &mut BankBuilder) -> Result<Bank, snarm_core::Error> {
        let mut clock = StageClock::default();
        builder.build(&mut |stage, done, all| {
            let Some(told) = clock.tell(stage, done, all) else { return };
            let element = self.obj();
            messages::progress(&element, gst::ProgressType::Continue, told.percent, &told.text);
            messages::stage(&element, told.stage, told.share, told.seconds_left);
        })
    }

    /// Action: makes the bank now. On failure learning goes on, and the application gets a warning.
    pub(super) fn finalize_now(&self) -> bool {
        let Some(turn) = self.turn() else { return false };
        match self.make(&turn) {
            Ok(made) => {
                drop(turn);
                made.inspect(|made| self.tell_made(made)).is_some()
            }
            Err(error) => {
                // Set in this turn, as the next one may be that of EOS.
                let learning = lock(&self.settings).learning;
                lock(&self.figures).state = if learning { BankState::Learning } else { BankState::Paused };
                drop(turn);
                gst::element_imp_warning!(self, gst::StreamError::Failed, ("no bank made: {error}"));
                self.obj().notify("state");
                false
            }
        }
    }

    /// Action: forgets all and learns anew.
    pub(super) fn reset(&self) {
        let started = lock(&self.state).started;
        if !started || self.turn().is_none() {
            gst::warning!(
                CAT,
                imp = self,
                "reset is ignored while a bank is made, and before the element starts"
            );
            return;
        }
        if let Err(error) = self.begin() {
            self.fail(error);
        }
    }

    /// Action: takes back the last `n` learned frames. Returns their number.
    pub(super) fn discard_last(&self, n: u32) -> u32 {
        let mut state = lock(&self.state);
        let Some(builder) = &mut state.builder else { return 0 };
        let discarded = builder.discard_last(n as usize);
        let mut figures = lock(&self.figures);
        figures.frames_used = builder.frames() as u64;
        figures.vectors = builder.vectors() as u64;
        discarded as u32
    }

    /// Setter of `learning`.
    pub(super) fn set_learning(&self, learning: bool) {
        lock(&self.settings).learning = learning;
        let now = lock(&self.figures).state;
        match (now, learning) {
            (BankState::Learning, false) => self.enter(BankState::Paused),
            (BankState::Paused, true) => self.enter(BankState::Learning),
            _ => {}
        }
    }

    /// The turn to make a bank, unless one is being made: a handler of this element's own thread would wait for itself.
    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.finishing.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Enters a state and notifies.
    pub(super) fn enter(&self, state: BankState) {
        lock(&self.figures).state = state;
        gst::debug!(CAT, imp = self, "{state:?}");
        self.obj().notify("state");
    }

    /// Ends learning after a failure: the error goes to the application once, the frames are given up.
    pub(super) fn fail(&self, error: gst::ErrorMessage) {
        gst::error!(CAT, imp = self, "{error}");
        {
            let mut state = lock(&self.state);
            (state.builder, state.held) = (None, None);
        }
        self.enter(BankState::Failed);
        self.post_error_message(error);
    }
}

/// Least time between two messages of one stage.
const TELL: Duration = Duration::from_millis(500);

/// Tells of the stages of making a bank: now and then, with the share of the stage that is done and the time left.
#[derive(Default)]
struct StageClock {
    /// The stage, when it began, and when it was told of last.
    now: Option<(BuildStage, Instant, Instant)>,
}

/// How far a stage is.
struct Told {
    stage: &'static str,
    /// Of all stages.
    percent: i32,
    /// Of this stage, 0..1.
    share: f64,
    seconds_left: f64,
    text: String,
}

impl StageClock {
    /// What to tell; nothing too soon after the last time, but for the beginning and the end of a stage.
    fn tell(&mut self, stage: BuildStage, done: usize, all: usize) -> Option<Told> {
        let (began, last) = match self.now {
            Some((current, began, last)) if current == stage => (began, Some(last)),
            _ => (Instant::now(), None),
        };
        let share = (done as f64 / all.max(1) as f64).min(1.0);
        if share < 1.0 && last.is_some_and(|last| last.elapsed() < TELL) {
            return None;
        }
        self.now = Some((stage, began, Instant::now()));
        // Where each stage begins in percent of the way, and what it takes of it.
        let ((before, length), stage, doing) = match stage {
            BuildStage::Views => ((0.0, 40.0), "views", "Looking at views"),
            BuildStage::Reduce => ((40.0, 10.0), "reduce", "Reducing"),
            BuildStage::Calibrate => ((50.0, 50.0), "calibrate", "Calibrating"),
        };
        let left = if share > 0.0 { began.elapsed().as_secs_f64() * (1.0 - share) / share } else { -1.0 };
        let time = if left >= 0.0 { format!(", {left:.0} s left") } else { String::new() };
        let text = format!("{doing}: {:.0} %{time}", 100.0 * share);
        let percent = (before + length * share) as i32;
        Some(Told { stage, percent, share, seconds_left: left, text })
    }
}

/// The most odd frames that a warning names.
const NAMED: usize = 5;

/// Names the learned frames that are unlike the rest; nothing where there is none.
fn odd_text(bank: &Bank, left_out: bool) -> Option<String> {
    let odd = bank.odd_frames();
    if odd.is_empty() {
        return None;
    }
    let name = |odd: &OddFrame| match messages::time_of(odd) {
        Some(time) => format!("{} at {time:.3}", odd.frame),
        None => odd.frame.to_string(),
    };
    let named: Vec<String> = odd.iter().take(NAMED).map(name).collect();
    let more = if odd.len() > NAMED { ", ..." } else { "" };
    let fate = if left_out { "they are left out" } else { "look whether they show good parts" };
    let (all, frames) = (odd.len(), bank.frames());
    Some(format!(
        "{all} of {frames} learned frames are unlike the rest (numbers from 0: {}{more}): {fate}",
        named.join(", ")
    ))
}

/// A bank that was written.
struct Made {
    bank: Bank,
    location: PathBuf,
    /// From the last frame to the complete file.
    seconds: f64,
}

/// A builder for these settings, with the rows of the existing file where it is asked for; nobody else may write that
/// one meanwhile.
fn begin(settings: &Settings, location: &Path) -> Result<(BankBuilder, Option<Held>), snarm_core::Error> {
    let [encoder, model] =
        [&settings.encoder, &settings.model_location].map(|path| path.as_deref().map(paths::name));
    let (encoder, model, wanted) = (encoder.as_deref(), model.as_deref(), settings.bank()?);
    let how = How { precision: settings.precision.choose()?, ..How::default() };
    let (encoder, mut builder, held) = if settings.append {
        let (bank, held) = Bank::open_to_append(location)?;
        let encoder = registry::encoder_for(&bank, encoder, how)?;
        (encoder.clone(), BankBuilder::append(encoder, &bank, wanted)?, Some(held))
    } else {
        let encoder = registry::encoder_with(encoder, model, how)?;
        (encoder.clone(), BankBuilder::new(encoder, wanted)?, Bank::hold(location)?)
    };
    if let Some(decoder) = registry::decoder(model, &encoder)? {
        builder.calibrate_with(decoder)?;
    }
    Ok((builder, held))
}

/// Writes a bank to where the settings say, or to the file that is held.
fn save(bank: Bank, settings: &Settings, held: Option<&mut Held>) -> Result<Bank, snarm_core::Error> {
    match (held, &settings.location) {
        (Some(held), _) => held.save(&bank)?,
        (None, Some(location)) => bank.save(location)?,
        (None, None) => {}
    }
    Ok(bank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_of_at_its_beginning_and_end_and_seldom_between() {
        let mut clock = StageClock::default();
        let first = clock.tell(BuildStage::Calibrate, 0, 4).unwrap();
        assert_eq!((first.percent, first.share, first.seconds_left), (50, 0.0, -1.0));
        assert_eq!(first.text, "Calibrating: 0 %");
        assert!(clock.tell(BuildStage::Calibrate, 1, 4).is_none(), "a moment later");
        let began = Instant::now() - Duration::from_secs(6);
        clock.now = Some((BuildStage::Calibrate, began, began));
        let middle = clock.tell(BuildStage::Calibrate, 3, 4).unwrap();
        assert_eq!((middle.stage, middle.percent, middle.share), ("calibrate", 87, 0.75));
        assert!((middle.seconds_left - 2.0).abs() < 0.5, "{}", middle.seconds_left);
        assert_eq!(middle.text, "Calibrating: 75 %, 2 s left");
        assert_eq!(clock.tell(BuildStage::Calibrate, 4, 4).map(|told| told.percent), Some(100));
    }
}
