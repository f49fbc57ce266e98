//! Start and stop, and what events and queries do to a stream.

use std::path::Path;
use std::sync::atomic::Ordering;

use gst::subclass::prelude::*;
use snarm_core::device::Place;
use snarm_core::frame::Orientation;

use super::analyzer::{Analyzer, Loaded};
use super::events::Events;
use super::imp::{CAT, SnarmDetect};
use super::look::Look;
use super::results::Results;
use super::settings::Settings;
use super::stats::{Figures, Stats};
use super::stream::Stream;
use crate::cuda::Seat;
use crate::{error, files, lock, start};

impl SnarmDetect {
    /// Loads the bank, or a decoder that needs none, or says why no frame could be scored.
    pub(super) fn begin(&self) -> Result<(), gst::ErrorMessage> {
        start::prepare(&*self.obj())?;
        let settings = lock(&self.settings).clone();
        let location = settings.bank_location.as_deref();
        settings.check_threshold().map_err(|error| error::message(&error))?;
        let mut loaded = Loaded::load(location, &settings, 0).map_err(|error| error::message(&error))?;
        let seat = Seat::new(settings.device, settings.cuda_device_id, self.place.clone());
        seat.begin(&mut loaded.detector, &self.sharing).map_err(|error| error::message(&error))?;
        let mut look = Look::new(&settings).map_err(|error| error::message(&error))?;
        let (learned, used) =
            (loaded.detector.bank().view(), look.view(loaded.detector.bank(), Orientation::UPRIGHT));
        if learned != used {
            gst::warning!(CAT, imp = self, "the bank was learned of {learned}, {used} is analysed");
        }
        // Opened last: an older results file is not touched for a start that fails anyway.
        let results = self.open_results(location, &settings)?;
        let bank = loaded.bank.clone();
        gst::info!(CAT, imp = self, "bank loaded in {:.2?}: {}", bank.load_time, bank.info);
        self.flushing.store(false, Ordering::SeqCst);
        *lock(&self.next) = None;
        *lock(&self.analyzer) = Some(Analyzer::new(loaded, look, self.next.clone(), seat));
        *lock(&self.stream) = Stream::default();
        *lock(&self.results) = results;
        *lock(&self.figures) =
            Figures { bank: Some(bank.clone()), stats: Stats::begin(), ..Figures::default() };
        *lock(&self.events) = Events::default();
        self.loader.start();
        self.tell_loaded(&bank, &settings);
        self.check_band(&settings);
        if lock(&self.settings).bank_location.as_deref() != location {
            // Another one was named while this one was loaded.
            self.reload();
        }
        Ok(())
    }

    /// Opens the results file, which is none that the element reads.
    fn open_results(
        &self,
        bank: Option<&Path>,
        settings: &Settings,
    ) -> Result<Option<Results>, gst::ErrorMessage> {
        let Some(location) = settings.results_location.as_deref() else { return Ok(None) };
        let read = [
            ("bank-location", bank),
            ("ignore-mask", settings.ignore_mask.as_deref()),
            ("encoder", settings.encoder.as_deref()),
            ("model-location", settings.model_location.as_deref()),
        ];
        files::check_apart("results-location", location, &read)?;
        Results::open(location, settings.results_mode).map(Some)
    }

    /// Gives up what a stream needs.
    pub(super) fn end(&self) {
        self.loader.stop();
        self.worker.stop();
        self.end_defect("stop");
        *lock(&self.stream) = Stream::default();
        *lock(&self.results) = None;
        *lock(&self.analyzer) = None;
        *lock(&self.next) = None;
        *lock(&self.place) = Place::Host;
        lock(&self.figures).bank = None;
    }

    /// Lets frames out before a serialized event, and ends the defect that goes with their stream.
    pub(super) fn before_event(&self, event: &gst::Event) {
        use gst::EventView;
        match event.view() {
            EventView::FlushStart(_) => self.flushing.store(true, Ordering::SeqCst),
            EventView::FlushStop(_) => {
                self.flushing.store(false, Ordering::SeqCst);
                self.forget();
                self.end_defect("flush");
            }
            _ if event.is_serialized() => {
                self.drain_for_event();
                match event.view() {
                    EventView::Eos(_) => self.end_defect("eos"),
                    EventView::SegmentDone(_) => self.end_defect("segment"),
                    EventView::Segment(_) | EventView::StreamStart(_) => {
                        self.end_defect("segment");
                        lock(&self.stream).forget_result();
                    }
                    _ => {}
                }
                let mut stream = lock(&self.stream);
                if stream.turning.hear(event) {
                    stream.forget_result();
                }
            }
            _ => {}
        }
    }

    /// Adds the time of an analysis to what a live pipeline has to wait.
    pub(super) fn add_latency(&self, query: &mut gst::query::Latency) {
        if !lock(&self.settings).report_latency {
            return;
        }
        let (live, min, max) = query.result();
        let ours = lock(&self.figures).latency.reported();
        if live {
            query.set(live, min + ours, max.map(|max| max + ours));
        }
    }

    /// Value of the property `bank-info`.
    pub(super) fn bank_info(&self) -> Option<gst::Structure> {
        lock(&self.figures).bank.as_ref().map(|bank| bank.info.clone())
    }
}
