//! What `snarmdetect` tells the application: the structures of messages and signals.

use gst::prelude::*;
use snarm_core::light::Kind;
use snarm_core::results::Record;

use super::SnarmDetect;
use super::drift::Told;
use super::events::Event;
use super::found::InUse;
use crate::{error, meta};

/// Posts a structure.
pub(super) fn post(element: &SnarmDetect, fields: gst::Structure) {
    // Without a bus nobody listens, which is no fault.
    let _ = element.post_message(gst::message::Element::builder(fields).src(element).build());
}

/// Warns of a failure that the stream survives.
pub(super) fn warn(element: &SnarmDetect, failed: &snarm_core::Error, consequence: &str) {
    let reason = error::glib(failed, &format!("{failed}; {consequence}"));
    let debug = format!("{failed:?}");
    let message = gst::message::Warning::builder_from_error(reason).debug(&debug).src(element).build();
    let _ = element.post_message(message);
}

/// Posts that a bank was loaded; the next frame is scored by it.
pub(super) fn bank_loaded(element: &SnarmDetect, bank: &InUse) {
    let vectors = bank.info.get::<u64>("vectors").unwrap_or_default();
    let fields = gst::Structure::builder("snarm-bank-loaded")
        .field("location", bank.location.to_string_lossy().as_ref())
        .field("bank-id", &bank.bank_id)
        .field("generation", bank.generation)
        .field("vectors", vectors)
        .field("load-time", bank.load_time.as_nanos() as u64);
    post(element, fields.build());
}

/// Fields of `snarm-result` beside its times in the stream.
const RESULT: [&str; 15] = [
    "capture-time",
    "frame-number",
    "score",
    "threshold",
    "threshold-low",
    "verdict",
    "reason",
    "light",
    "sharpness",
    "area",
    "regions",
    "latency",
    "source-id",
    "device",
    "precision",
];

/// The result of a frame. The map is left out: a message is printed and kept.
pub(super) fn result(record: &Record) -> gst::Structure {
    let mut fields = gst::Structure::builder("snarm-result")
        .field("timestamp", clock(record.timestamp))
        .field("stream-time", clock(record.stream_time))
        .field("running-time", clock(record.running_time))
        .field("duration", clock(record.duration))
        .build();
    meta::write_some(&mut fields, record, &RESULT);
    fields
}

/// A defect that begins, or with `reason` one that ends. Times are running times.
pub(super) fn defect(event: &Event, source_id: Option<&str>, reason: Option<&str>) -> gst::Structure {
    let name = if reason.is_some() { "snarm-defect-end" } else { "snarm-defect-begin" };
    gst::Structure::builder(name)
        .field("event-id", event.id)
        .field("begin", event.begin)
        .field("end", event.end)
        .field("peak-score", event.peak_score)
        .field("peak-time", event.peak_time)
        .field("frames", event.frames)
        .field("source-id", source_id)
        .field_if_some("reason", reason)
        .build()
}

/// What left its learned range, or came back. That of the light has its fields under their own names, too.
pub(super) fn drift(told: &Told, source_id: Option<&str>) -> gst::Structure {
    let Told { kind, drifting, value, range: (low, high) } = *told;
    let mut fields = gst::Structure::builder("snarm-drift")
        .field("kind", kind.name())
        .field("drifting", drifting)
        .field("value", value)
        .field("low", low)
        .field("high", high)
        .field("source-id", source_id)
        .build();
    if kind == Kind::Light {
        for (name, number) in [("light", value), ("light-low", low), ("light-high", high)] {
            fields.set(name, number);
        }
    }
    fields
}

/// A time as GStreamer writes it, the missing one included.
fn clock(nanoseconds: Option<u64>) -> Option<gst::ClockTime> {
    nanoseconds.map(gst::ClockTime::from_nseconds)
}
