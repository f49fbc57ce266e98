//! What `snarmbank` tells the application.

use std::path::Path;

use gst::prelude::*;
use snarm_core::bank::{Bank, OddFrame};

/// Code of the progress messages.
const PROGRESS: &str = "snarm-bank";

/// Posts how far the bank is.
pub(super) fn progress(element: &super::SnarmBank, kind: gst::ProgressType, percent: i32, text: &str) {
    let message = gst::message::Progress::builder(kind, PROGRESS, text)
        .src(element)
        .other_field("percent", percent)
        .build();
    // Without a bus nobody listens, which is no fault.
    let _ = element.post_message(message);
}

/// Posts how far a stage is: `share` of it is done, and so many seconds of it are left.
pub(super) fn stage(element: &super::SnarmBank, stage: &str, share: f64, seconds_left: f64) {
    let fields = gst::Structure::builder("snarm-progress")
        .field("stage", stage)
        .field("share", share)
        .field("seconds-left", seconds_left)
        .build();
    let _ = element.post_message(gst::message::Element::builder(fields).src(element).build());
}

/// Posts that the bank is written. `seconds` is the time from the last frame to the complete file.
pub(super) fn ready(element: &super::SnarmBank, bank: &Bank, location: &Path, seconds: f64) {
    // The last is that of the trained decoder, where there is one.
    let calibration = bank.calibrations().last().unwrap_or_else(|| bank.calibration());
    let promise = bank.promise(calibration);
    let odd: gst::Array = bank.odd_frames().iter().map(|odd| odd_frame(odd).to_send_value()).collect();
    let fields = gst::Structure::builder("snarm-bank-ready")
        .field("location", location.to_string_lossy().as_ref())
        .field("digest", bank.digest())
        .field("vectors", bank.vectors() as u64)
        .field("frames", bank.frames() as u64)
        .field("copies", bank.header().copies as u64)
        .field("odd-frames", odd)
        .field("place-radius", bank.place_radius().unwrap_or(-1.0))
        .field("views", bank.views_text())
        .field("views-reason", bank.chosen_views().map(|chosen| chosen.to_string()).unwrap_or_default())
        .field("threshold", calibration.threshold)
        .field("false-alarms-low", promise.rate_low)
        .field("false-alarms-high", promise.rate_high)
        .field("score-mean", calibration.mean)
        .field("score-std", calibration.std)
        .field("score-max", calibration.max)
        .field("seconds", seconds)
        .build();
    let _ = element.post_message(gst::message::Element::builder(fields).src(element).build());
}

/// Running time of a learned frame.
pub(super) fn time_of(odd: &OddFrame) -> Option<gst::ClockTime> {
    odd.origin.as_ref().and_then(|origin| origin.time).map(gst::ClockTime::from_nseconds)
}

/// A learned frame that is unlike the rest.
fn odd_frame(odd: &OddFrame) -> gst::Structure {
    gst::Structure::builder("odd-frame")
        .field("frame", odd.frame as u64)
        .field("running-time", time_of(odd))
        .field("sigmas", odd.sigmas)
        .build()
}

/// Posts that a partial bank is written.
pub(super) fn checkpoint(element: &super::SnarmBank, bank: &Bank, location: &Path) {
    let fields = gst::Structure::builder("snarm-bank-checkpoint")
        .field("location", location.to_string_lossy().as_ref())
        .field("digest", bank.digest())
        .field("vectors", bank.vectors() as u64)
        .field("frames", bank.frames() as u64)
        .field("threshold", bank.calibration().threshold)
        .build();
    let _ = element.post_message(gst::message::Element::builder(fields).src(element).build());
}
