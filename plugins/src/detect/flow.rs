//! The way of a frame through the element: whose turn it is, and what it gets. What waits is in `held`.
//!
//! All of this runs under the stream lock of the sink pad, which chain, serialized events and queries hold anyway. With
//! busy-policy=skip the analysing thread takes it too, to send on its frame and those that came meanwhile. The mutexes
//! of the element are held for moments only, never while something is pushed, posted, emitted or analysed; but for those
//! of the analysis and of the results, which no reader of a property takes.

use std::time::Duration;

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use snarm_core::bank::WITHOUT_LIGHT;
use snarm_core::detect::StageTimes;

use super::analyzer::Refused;
use super::found::Found;
use super::imp::{CAT, SnarmDetect};
use super::settings::Settings;
use super::stream::{Frame, Outcome, Turn};
use super::{BusyPolicy, ThresholdMode, messages, record};
use crate::frame::{Failure, Layout};
use crate::{cuda, error, frame, lock};

impl SnarmDetect {
    /// Takes the next frame from upstream.
    pub(super) fn take_in(&self, buffer: gst::Buffer) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let settings = self.frame_settings();
        let turn = self.turn(&buffer, &settings);
        let frame = {
            let mut stream = lock(&self.stream);
            if let Some(failed) = stream.failed.take() {
                return Err(failed);
            }
            let number = stream.frames;
            stream.frames += 1;
            Frame { buffer, number, turn }
        };
        self.check_threshold(&settings);
        self.check_band(&settings);
        if !settings.enabled {
            // The frames inside belong to the defect, and to the result.
            self.drain()?;
            self.end_defect("disabled");
            lock(&self.stream).forget_result();
        }
        let held = lock(&self.stream).held.len();
        if settings.busy_policy == BusyPolicy::Skip && (turn == Turn::Analyse || held > 0) {
            return self.hold(frame, &settings).map(|()| GenerateOutputSuccess::NoOutput);
        }
        self.drain()?;
        let found = match turn {
            Turn::Analyse => {
                let layout = self.layout()?;
                self.analyse(&frame.buffer, &layout, &settings, frame.number)
                    .map_err(|error| self.fail(error))?
            }
            _ => self.without_analysis(&frame, &settings)?,
        };
        match self.deliver(frame, found, &settings)? {
            Some(buffer) => Ok(GenerateOutputSuccess::Buffer(buffer)),
            None => Ok(GenerateOutputSuccess::Dropped),
        }
    }

    /// The settings of the next frame.
    pub(super) fn frame_settings(&self) -> Settings {
        let settings = lock(&self.settings).clone();
        // Nothing else asks how fast frames come.
        let events = settings.threshold_mode == ThresholdMode::Events;
        Settings { seen_step: events.then(|| lock(&self.events).step()).flatten(), ..settings }
    }

    /// Warns once when the threshold is to be set by hand and is not.
    fn check_threshold(&self, settings: &Settings) {
        let checked = settings.check_threshold();
        let told = std::mem::replace(&mut lock(&self.stream).told_threshold, checked.is_err());
        if let (false, Err(error)) = (told, checked) {
            messages::warn(&self.obj(), &error, "the bank's holds");
        }
    }

    /// Warns once when the lower threshold is above the threshold.
    pub(super) fn check_band(&self, settings: &Settings) {
        let checked = if settings.threshold_low < 0.0 { Ok(()) } else { self.compare_thresholds(settings) };
        let told = std::mem::replace(&mut lock(&self.stream).told_band, checked.is_err());
        if let (false, Err(error)) = (told, checked) {
            messages::warn(&self.obj(), &error, "no frame is uncertain");
        }
    }

    /// Compares the lower threshold with the one of the next frame, as far as it is known.
    fn compare_thresholds(&self, settings: &Settings) -> Result<(), snarm_core::Error> {
        let Some(bank) = lock(&self.figures).bank.clone() else { return Ok(()) };
        let info = lock(&self.stream).info.clone();
        let threshold = settings.threshold(&bank, info.as_ref());
        threshold.map_or(Ok(()), |threshold| settings.check_band(threshold))
    }

    /// What is to be done with a frame.
    fn turn(&self, buffer: &gst::BufferRef, settings: &Settings) -> Turn {
        if !settings.enabled || buffer.flags().intersects(gst::BufferFlags::GAP | gst::BufferFlags::CORRUPTED)
        {
            return Turn::Leave;
        }
        let mut stream = lock(&self.stream);
        // The interval may have become shorter.
        stream.wait = stream.wait.min(settings.interval.saturating_sub(1));
        if stream.wait > 0 {
            stream.wait -= 1;
            return Turn::Repeat;
        }
        stream.wait = settings.interval.saturating_sub(1);
        Turn::Analyse
    }

    /// Scores a frame.
    pub(super) fn analyse(
        &self,
        buffer: &gst::BufferRef,
        layout: &Layout,
        settings: &Settings,
        number: u64,
    ) -> Outcome {
        let mut analyzer = lock(&self.analyzer);
        let Some(analyzer) = analyzer.as_mut() else {
            return Err(gst::error_msg!(gst::CoreError::StateChange, ("a frame came to a stopped element")));
        };
        let log = |score: f64, times: &StageTimes| {
            if CAT.above_threshold(gst::DebugLevel::Log) {
                let total = times.total();
                let stage = |(stage, time): &(&str, Duration)| format!("{stage} {time:.2?}");
                let stages = times.stages().iter().map(stage).collect::<Vec<_>>().join(", ");
                gst::log!(CAT, imp = self, "frame {number}: score {score:.4}, {total:.2?}: {stages}");
            }
        };
        let warn = |error: &snarm_core::Error, refused: Refused| match refused {
            Refused::Region => messages::warn(&self.obj(), error, "the region stays as it was"),
            Refused::Bank { refused, kept } => self.keep_bank(error, &refused, kept),
            Refused::Device => {
                messages::warn(&self.obj(), error, "frames are scored on the CPU from now on");
            }
            Refused::Light => messages::warn(&self.obj(), error, WITHOUT_LIGHT),
        };
        match analyzer.analyse(buffer, layout, settings, number, &self.sharing, log, warn) {
            Ok(found) => {
                lock(&self.stream).broken = false;
                Ok(found)
            }
            Err(Failure::Core(error)) => Err(error::message(&error)),
            Err(Failure::Buffer(reason)) => {
                let found = analyzer.unknown(layout, settings, number);
                self.tell_unreadable(&reason);
                Ok(found)
            }
        }
    }

    /// Counts a frame that cannot be read, and tells of the first of several. The next one is analysed.
    fn tell_unreadable(&self, reason: &str) {
        lock(&self.figures).stats.count_unreadable();
        let told = {
            let mut stream = lock(&self.stream);
            stream.forget_result();
            std::mem::replace(&mut stream.broken, true)
        };
        if !told {
            frame::warn_unreadable(&*self.obj(), reason, "it passes with analysed=false");
        }
    }

    /// The result of a frame that is not analysed: the last one, or none.
    pub(super) fn without_analysis(
        &self,
        frame: &Frame,
        settings: &Settings,
    ) -> Result<Found, gst::FlowError> {
        let info = self.layout()?.info;
        let last = lock(&self.stream).last.as_ref().map(|last| last.stale(frame.number, &info));
        if let Some(last) = last.filter(|_| frame.turn == Turn::Repeat) {
            return Ok(last);
        }
        let Some(bank) = lock(&self.figures).bank.clone() else {
            return Err(
                self.fail(gst::error_msg!(gst::CoreError::StateChange, ("a frame came without a bank")))
            );
        };
        Ok(record::unknown(&bank, &info, settings, frame.number, &cuda::name(&self.place)))
    }

    /// How the frames are stored that come now.
    pub(super) fn layout(&self) -> Result<Layout, gst::FlowError> {
        let layout = {
            let stream = lock(&self.stream);
            let orientation = stream.turning.orientation();
            stream.info.clone().map(|info| Layout { info, orientation })
        };
        layout.ok_or_else(|| {
            self.fail(gst::error_msg!(gst::CoreError::Negotiation, ("a frame came before its caps")))
        })
    }

    /// Tells of a failure that ends the stream.
    pub(super) fn fail(&self, error: gst::ErrorMessage) -> gst::FlowError {
        gst::error!(CAT, imp = self, "{error}");
        self.post_error_message(error);
        gst::FlowError::Error
    }
}
