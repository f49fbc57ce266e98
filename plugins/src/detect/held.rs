//! With busy-policy=skip: frames that wait behind the one that the worker analyses, and how they are sent on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::found::Found;
use super::imp::SnarmDetect;
use super::settings::Settings;
use super::stream::{Frame, Job, Outcome, Turn};
use crate::lock;

/// The most frames that wait for a result; one more makes upstream wait.
const MAX_HELD: usize = 64;

impl SnarmDetect {
    /// Gives the worker a frame, or lines it up behind the one that is there.
    pub(super) fn hold(&self, mut frame: Frame, settings: &Settings) -> Result<(), gst::FlowError> {
        self.release()?;
        let layout = self.layout()?;
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
            return self.hand_over(Job { buffer, layout, settings: settings.clone(), number });
        }
        drop(stream);
        // What it would have waited for has just gone.
        let found = self.without_analysis(&frame, settings)?;
        self.send(frame, found, settings)
    }

    /// Starts the worker on a frame.
    fn hand_over(&self, job: Job) -> Result<(), gst::FlowError> {
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
            let released = catch_unwind(AssertUnwindSafe(|| imp.release())).unwrap_or_else(|_| {
                Err(imp.fail(gst::error_msg!(gst::StreamError::Failed, ("the delivery of a frame panicked"))))
            });
            if let Err(failed) = released {
                lock(&imp.stream).failed = Some(failed);
            }
        };
        self.worker.begin(job, work, told).map_err(|error| {
            self.fail(gst::error_msg!(gst::CoreError::Thread, ("no thread to analyse frames: {error}")))
        })
    }

    /// Does a job.
    fn work(&self, job: Job) -> Outcome {
        let Job { buffer, layout, settings, number } = job;
        // The thread outlives a panic, and the frame is free of this reference before it is sent on.
        catch_unwind(AssertUnwindSafe(|| self.analyse(&buffer, &layout, &settings, number))).unwrap_or_else(
            |_| Err(gst::error_msg!(gst::StreamError::Failed, ("the analysis of a frame panicked"))),
        )
    }

    /// Sends on the frames that waited, if the worker is done. The caller holds the stream lock.
    fn release(&self) -> Result<(), gst::FlowError> {
        let Some(outcome) = self.worker.take() else { return Ok(()) };
        let settings = self.frame_settings();
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
        stream.failed = None;
        stream.forget_result();
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
}
