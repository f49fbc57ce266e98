//! The way of a frame through the element: whose turn it is, who analyses it, what waits behind it.
//!
//! All of this runs under the stream lock of the sink pad, which chain, serialized events and queries hold anyway. With
//! busy-policy=skip the analysing thread takes it too, to send on its frame and those that came meanwhile. The mutexes
//! of the element are held for moments only, never while something is pushed, posted, emitted or analysed.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use snarm_core::detector::StageTimes;

use super::analyzer::Found;
use super::imp::{CAT, SnarmDetect};
use super::results::Results;
use super::settings::Settings;
use super::{BusyPolicy, messages, record};
use crate::lock;

/// The most frames that wait for a result; one more makes upstream wait.
const MAX_HELD: usize = 64;

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is analysed.
    Analyse,
    /// It gets the last result.
    Repeat,
    /// It gets none: there is nothing to see, or nobody wants to.
    Leave,
}

/// A frame inside the element.
pub(super) struct Frame {
    pub(super) buffer: gst::Buffer,
    pub(super) number: u64,
    pub(super) turn: Turn,
}

/// What lives from start to stop.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) info: Option<gst_video::VideoInfo>,
    pub(super) results: Option<Results>,
    /// The last result, for frames that get no own.
    pub(super) last: Option<Found>,
    /// Frames in order; the first is at the worker.
    pub(super) held: VecDeque<Frame>,
    /// Number of the next frame.
    frames: u64,
    /// Frames until the next one is analysed.
    wait: u32,
    /// What downstream said to frames that the worker sent, for upstream to hear.
    failed: Option<gst::FlowError>,
}

/// A frame for the worker.
pub(super) struct Job {
    buffer: gst::Buffer,
    info: gst_video::VideoInfo,
    settings: Settings,
    number: u64,
}

/// What became of it.
pub(super) type Outcome = Result<Found, gst::ErrorMessage>;

impl Stream {
    /// A stream whose results are written there.
    pub(super) fn new(results: Option<Results>) -> Self {
        Self { results, ..Self::default() }
    }
}

impl SnarmDetect {
    /// Takes the next frame from upstream.
    pub(super) fn take_in(&self, buffer: gst::Buffer) -> Result<GenerateOutputSuccess, gst::FlowError> {
        let settings = lock(&self.settings).clone();
        let turn = self.turn(&buffer, &settings);
        let (frame, held) = {
            let mut stream = lock(&self.stream);
            if let Some(failed) = stream.failed.take() {
                return Err(failed);
            }
            let number = stream.frames;
            stream.frames += 1;
            (Frame { buffer, number, turn }, stream.held.len())
        };
        if !settings.enabled {
            self.end_defect("disabled");
        }
        if settings.busy_policy == BusyPolicy::Skip && (turn == Turn::Analyse || held > 0) {
            return self.hold(frame, &settings).map(|()| GenerateOutputSuccess::NoOutput);
        }
        self.drain()?;
        let found = match turn {
            Turn::Analyse => {
                let info = self.info()?;
                self.analyse(&frame.buffer, &info, &settings, frame.number)
                    .map_err(|error| self.fail(error))?
            }
            _ => self.without_analysis(&frame, &settings)?,
        };
        match self.deliver(frame, found, &settings)? {
            Some(buffer) => Ok(GenerateOutputSuccess::Buffer(buffer)),
            None => Ok(GenerateOutputSuccess::Dropped),
        }
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

    /// Gives the worker a frame, or lines it up behind the one that is there.
    fn hold(&self, mut frame: Frame, settings: &Settings) -> Result<(), gst::FlowError> {
        self.release()?;
        let info = self.info()?;
        let mut stream = lock(&self.stream);
        if !stream.held.is_empty() {
            if frame.turn == Turn::Analyse {
                frame.turn = Turn::Repeat;
            }
            stream.held.push_back(frame);
            let full = stream.held.len() > MAX_HELD;
            drop(stream);
            return if full { self.drain() } else { Ok(()) };
        }
        if frame.turn == Turn::Analyse {
            let (buffer, number) = (frame.buffer.clone(), frame.number);
            stream.held.push_back(frame);
            drop(stream);
            return self.begin(Job { buffer, info, settings: settings.clone(), number });
        }
        drop(stream);
        // What it would have waited for has just gone.
        let found = self.without_analysis(&frame, settings)?;
        self.send(frame, found, settings)
    }

    /// Starts the worker on a frame.
    fn begin(&self, job: Job) -> Result<(), gst::FlowError> {
        let (worker, teller) = (self.obj().downgrade(), self.obj().downgrade());
        let work = move |job: Job| match worker.upgrade() {
            Some(element) => element.imp().work(job),
            None => Err(gst::error_msg!(gst::CoreError::StateChange, ("the element is gone"))),
        };
        let told = move || {
            let Some(element) = teller.upgrade() else { return };
            let pad = element.sink_pad();
            let _order = pad.stream_lock();
            let imp = element.imp();
            if let Err(failed) = imp.release() {
                lock(&imp.stream).failed = Some(failed);
            }
        };
        self.worker.begin(job, work, told).map_err(|error| {
            self.fail(gst::error_msg!(gst::CoreError::Thread, ("no thread to analyse frames: {error}")))
        })
    }

    /// Does a job.
    fn work(&self, job: Job) -> Outcome {
        let Job { buffer, info, settings, number } = job;
        // The thread outlives a panic, and the frame is free of this reference before it is sent on.
        catch_unwind(AssertUnwindSafe(|| self.analyse(&buffer, &info, &settings, number))).unwrap_or_else(
            |_| Err(gst::error_msg!(gst::StreamError::Failed, ("the analysis of a frame panicked"))),
        )
    }

    /// Sends on the frames that waited, if the worker is done. The caller holds the stream lock.
    fn release(&self) -> Result<(), gst::FlowError> {
        let Some(outcome) = self.worker.take() else { return Ok(()) };
        let settings = lock(&self.settings).clone();
        let held = std::mem::take(&mut lock(&self.stream).held);
        let mut outcome = Some(outcome);
        for frame in held {
            let found = match outcome.take() {
                Some(outcome) => outcome.map_err(|error| self.fail(error))?,
                None => self.without_analysis(&frame, &settings)?,
            };
            self.send(frame, found, &settings)?;
        }
        Ok(())
    }

    /// Waits for the worker and sends on the frames that waited for it.
    pub(super) fn drain(&self) -> Result<(), gst::FlowError> {
        self.worker.wait(|job| self.work(job));
        self.release()
    }

    /// Drops the frames inside: what was before a flush is of no use.
    pub(super) fn forget(&self) {
        self.worker.discard();
        let mut stream = lock(&self.stream);
        stream.held.clear();
        (stream.last, stream.failed, stream.wait) = (None, None, 0);
    }

    /// Keeps what downstream said to drained frames until upstream can hear it.
    pub(super) fn drain_for_event(&self) {
        if let Err(failed) = self.drain() {
            lock(&self.stream).failed = Some(failed);
        }
    }

    fn send(&self, frame: Frame, found: Found, settings: &Settings) -> Result<(), gst::FlowError> {
        match self.deliver(frame, found, settings)? {
            Some(buffer) => self.obj().src_pad().push(buffer).map(drop),
            None => Ok(()),
        }
    }

    /// Scores a frame.
    fn analyse(
        &self,
        buffer: &gst::BufferRef,
        info: &gst_video::VideoInfo,
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
                let stages = times.stages().map(|(stage, time)| format!("{stage} {time:.2?}")).join(", ");
                gst::log!(CAT, imp = self, "frame {number}: score {score:.4}, {total:.2?}: {stages}");
            }
        };
        let warn = |error: &snarm_core::Error| {
            messages::warn(&self.obj(), error, "the region stays as it was");
        };
        analyzer.analyse(buffer, info, settings, number, log, warn)
    }

    /// The result of a frame that is not analysed: the last one, or none.
    fn without_analysis(&self, frame: &Frame, settings: &Settings) -> Result<Found, gst::FlowError> {
        let info = self.info()?;
        let last = lock(&self.stream).last.as_ref().map(|last| last.stale(frame.number, &info));
        if let Some(last) = last.filter(|_| frame.turn == Turn::Repeat) {
            return Ok(last);
        }
        let Some(bank) = lock(&self.figures).bank.clone() else {
            return Err(
                self.fail(gst::error_msg!(gst::CoreError::StateChange, ("a frame came without a bank")))
            );
        };
        Ok(record::unknown(&bank, &info, settings, frame.number))
    }

    fn info(&self) -> Result<gst_video::VideoInfo, gst::FlowError> {
        let info = lock(&self.stream).info.clone();
        info.ok_or_else(|| {
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
