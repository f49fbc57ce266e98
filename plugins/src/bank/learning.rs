//! What the element does with frames: collects, writes, forgets.
//!
//! Two locks order it. [`SnarmBank::state`] is held for the time of a frame. `finishing` is held while a bank is made of
//! what was collected, so that EOS waits for an application's `finalize`, and signals are given when neither is held:
//! a handler may call any action.

use std::path::Path;
use std::sync::TryLockError;
use std::time::Instant;

use gst::prelude::*;
use gst::subclass::prelude::*;
use snarm_core::bank::{Bank, BankBuilder, BuildStage};
use snarm_core::registry;

use super::imp::{CAT, Figures, SnarmBank, State};
use super::settings::Settings;
use super::{BankState, location, messages};
use crate::{error, frame, lock};

impl SnarmBank {
    /// Starts collecting, or says why nothing could come of it.
    pub(super) fn begin(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let Some(location) = &settings.location else {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("location: expected the bank file to write, found nothing")
            ));
        };
        location::check_writable(location)?;
        let builder = start(&settings, location).map_err(|error| error::message(&error))?;
        let (needed, max) = (builder.frames_needed(), settings.max_frames as usize);
        if max > 0 && max < needed {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("max-frames: expected 0 or at least {needed}, found {max}")
            ));
        }
        let vectors = builder.vectors() as u64;
        {
            let mut state = lock(&self.state);
            *state = State { info: state.info.take(), builder: Some(builder), started: true };
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
        let State { info: Some(info), builder: Some(builder), .. } = &mut *state else { return Ok(()) };
        let seen = lock(&self.figures).see();
        let broken = buffer.flags().intersects(gst::BufferFlags::GAP | gst::BufferFlags::CORRUPTED);
        if broken || !seen.is_multiple_of(u64::from(settings.interval)) {
            return Ok(());
        }
        builder.set_min_novelty(settings.min_novelty);
        let start = Instant::now();
        let learned = frame::with_frame(buffer, info, |frame| builder.add(frame))?;
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
        if settings.max_frames > 0 && used >= settings.max_frames as usize {
            drop(state);
            return self.finish().map(|_| ()).map_err(|(error, _)| error::message(&error));
        }
        let every = settings.checkpoint_frames as usize;
        if every > 0 && used.is_multiple_of(every) && used >= builder.frames_needed() {
            let written = builder.build(&mut |_, _, _| {}).and_then(|bank| save(bank, &settings));
            drop(state);
            self.tell_checkpoint(written, &settings);
        }
        Ok(())
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

    /// Makes the bank of what was learned, writes it and tells the application. Whether a bank was made; with an error
    /// comes what was collected.
    pub(super) fn finish(&self) -> Result<bool, (snarm_core::Error, Box<BankBuilder>)> {
        let turn = lock(&self.finishing);
        let settings = lock(&self.settings).clone();
        let Some(mut builder) = lock(&self.state).builder.take() else { return Ok(false) };
        self.enter(BankState::Finishing);
        messages::progress(&self.obj(), gst::ProgressType::Start, 0, "Making the bank");
        let start = Instant::now();
        let bank = self.build(&mut builder).and_then(|bank| save(bank, &settings));
        match bank {
            Ok(bank) => {
                let seconds = start.elapsed().as_secs_f64();
                let location = settings.location.unwrap_or_default();
                gst::info!(CAT, imp = self, "{} vectors in {seconds:.1} s: {location:?}", bank.vectors());
                lock(&self.figures).vectors = bank.vectors() as u64;
                drop(turn);
                self.enter(BankState::Ready);
                messages::progress(&self.obj(), gst::ProgressType::Complete, 100, "Bank written");
                messages::ready(&self.obj(), &bank, &location, seconds);
                let (name, vectors) = (location.to_string_lossy().into_owned(), bank.vectors() as u32);
                self.obj().emit_by_name::<()>("bank-ready", &[&name, &vectors]);
                Ok(true)
            }
            Err(error) => {
                messages::progress(&self.obj(), gst::ProgressType::Error, 0, "No bank written");
                Err((error, Box::new(builder)))
            }
        }
    }

    /// Reduces and calibrates, telling how far it is.
    fn build(&self, builder: &mut BankBuilder) -> Result<Bank, snarm_core::Error> {
        let mut last = 0;
        builder.build(&mut |stage, done, all| {
            // Each of the two stages gets half of the way.
            let (before, text) = match stage {
                BuildStage::Reduce => (0, "Reducing"),
                BuildStage::Calibrate => (50, "Calibrating"),
            };
            let percent = before + (50 * done / all.max(1)).min(50) as i32;
            if percent > last {
                last = percent;
                messages::progress(&self.obj(), gst::ProgressType::Continue, percent, text);
            }
        })
    }

    /// Action: makes the bank now. On failure learning goes on, and the application gets a warning.
    pub(super) fn finalize_now(&self) -> bool {
        if self.is_finishing() {
            return false;
        }
        match self.finish() {
            Ok(made) => made,
            Err((error, builder)) => {
                lock(&self.state).builder = Some(*builder);
                gst::element_imp_warning!(self, gst::StreamError::Failed, ("no bank made: {error}"));
                let learning = lock(&self.settings).learning;
                self.enter(if learning { BankState::Learning } else { BankState::Paused });
                false
            }
        }
    }

    /// Action: forgets all and learns anew.
    pub(super) fn reset(&self) {
        let started = lock(&self.state).started;
        if self.is_finishing() || !started {
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

    /// Whether a bank is being made. A handler of this element's own thread would wait for itself.
    fn is_finishing(&self) -> bool {
        matches!(self.finishing.try_lock(), Err(TryLockError::WouldBlock))
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
        lock(&self.state).builder = None;
        self.enter(BankState::Failed);
        self.post_error_message(error);
    }
}

/// A builder for these settings, with the rows of the existing file where it is asked for.
fn start(settings: &Settings, location: &Path) -> Result<BankBuilder, snarm_core::Error> {
    let (encoder, wanted) = (settings.encoder.as_deref(), settings.bank()?);
    let (encoder, mut builder) = if settings.append {
        let bank = Bank::open(location)?;
        let encoder = registry::encoder_of(&bank, encoder)?;
        (encoder.clone(), BankBuilder::append(encoder, &bank, wanted)?)
    } else {
        let encoder = registry::encoder(encoder)?;
        (encoder.clone(), BankBuilder::new(encoder, wanted)?)
    };
    if let Some(head) = registry::head(settings.model_location.as_deref(), &encoder)? {
        builder.calibrate_with(head)?;
    }
    Ok(builder)
}

/// Writes a bank to where the settings say.
fn save(bank: Bank, settings: &Settings) -> Result<Bank, snarm_core::Error> {
    if let Some(location) = &settings.location {
        bank.save(location)?;
    }
    Ok(bank)
}
