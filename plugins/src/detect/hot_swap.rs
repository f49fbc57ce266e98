//! Another bank while the stream goes on: read and checked by a thread of its own, taken by the analysis between two
//! frames. One that cannot be used leaves the old one in place, which may show with its first frame only.

use std::path::PathBuf;
use std::sync::Arc;

use gst::subclass::prelude::*;
use snarm_core::bank::WITHOUT_LIGHT;

use super::analyzer::Loaded;
use super::found::InUse;
use super::imp::{CAT, SnarmDetect};
use super::messages;
use super::settings::Settings;
use crate::cuda::Device;
use crate::lock;

impl SnarmDetect {
    /// Sets the property; while playing, the new bank is loaded.
    pub(super) fn set_bank_location(&self, location: Option<PathBuf>) {
        lock(&self.settings).bank_location = location;
        if self.loader.is_running() {
            self.reload();
        }
    }

    /// Loads what `bank-location` names in the background. Whether there is something to load and a stream for it.
    pub(super) fn reload(&self) -> bool {
        let location = lock(&self.settings).bank_location.clone();
        let mut state = lock(&self.loader.state);
        let Some(location) = location.filter(|_| state.running) else {
            gst::warning!(
                CAT,
                imp = self,
                "no bank is loaded: the element is stopped or bank-location is unset"
            );
            return false;
        };
        state.wanted = Some(location);
        if state.looked_after {
            return true;
        }
        let element = self.obj().downgrade();
        let builder = std::thread::Builder::new().name("snarm-loader".into());
        let started = builder.spawn(move || {
            while let Some(element) = element.upgrade() {
                let imp = element.imp();
                let Some(location) = imp.loader.next() else { return };
                imp.load_next(location);
            }
        });
        match started {
            Ok(thread) => {
                state.looked_after = true;
                state.thread = Some(thread);
                true
            }
            Err(error) => {
                gst::error!(CAT, imp = self, "no thread to load a bank: {error}");
                false
            }
        }
    }

    /// Tells of a bank that scores from the next frame on, and of scores that it cannot have meant.
    pub(super) fn tell_loaded(&self, bank: &InUse, settings: &Settings) {
        messages::bank_loaded(&self.obj(), bank);
        // An application that sets the limits by hand asks for no other.
        if let Some(doubt) = bank.doubt.as_ref().filter(|_| settings.threshold < 0.0) {
            let location = bank.location.display();
            gst::element_imp_warning!(self, gst::StreamError::Failed, ("{doubt}: {location}"));
        }
        if let Some(used) = settings.crop.asked().filter(|used| *used != bank.crop) {
            let (made, used) = (bank.crop.name(), used.name());
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("crop: expected {made}, as the bank was made, found {used}; its thresholds are not those of such \
                     frames, and {WITHOUT_LIGHT}")
            );
        }
        if let Some(doubt) = &bank.doubt_of_tiles {
            gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{doubt}"));
        }
    }

    /// Takes the bank before again, as the one that was loaded cannot score the frames.
    pub(super) fn keep_bank(&self, error: &snarm_core::Error, refused: &Arc<InUse>, kept: Arc<InUse>) {
        {
            let mut figures = lock(&self.figures);
            // The next one may be loaded already.
            if figures.bank.as_ref().is_some_and(|bank| Arc::ptr_eq(bank, refused)) {
                figures.use_bank(kept);
            }
        }
        self.tell_kept(error);
    }

    fn tell_kept(&self, error: &snarm_core::Error) {
        gst::warning!(CAT, imp = self, "the old bank goes on: {error}");
        messages::warn(&self.obj(), error, "the bank in use stays");
    }

    /// Loads a bank and leaves it to the analysis of the next frame.
    fn load_next(&self, location: PathBuf) {
        let settings = lock(&self.settings).clone();
        let generation = lock(&self.loader.state).generation + 1;
        let place = lock(&self.place).clone();
        let loaded = Loaded::load(Some(&location), &settings, generation).and_then(|mut loaded| {
            match loaded.detector.set_place(&place) {
                // A bank that the device in use does not take leaves the old one in place.
                Err(error) if settings.device == Device::Cuda => Err(error),
                // The next frame tries again, and tells of the processor if it has to.
                _ => Ok(loaded),
            }
        });
        match loaded {
            Ok(loaded) => {
                let bank = loaded.bank.clone();
                {
                    // Held until the bank is in place, so that none comes after stop.
                    let mut state = lock(&self.loader.state);
                    if !state.running {
                        return;
                    }
                    state.generation = generation;
                    // Shown first: the next frame may refuse it.
                    lock(&self.figures).use_bank(bank.clone());
                    *lock(&self.next) = Some(loaded);
                }
                gst::info!(
                    CAT,
                    imp = self,
                    "bank {generation} loaded in {:.2?}: {location:?}",
                    bank.load_time
                );
                self.tell_loaded(&bank, &settings);
            }
            Err(error) => self.tell_kept(&error),
        }
    }
}
