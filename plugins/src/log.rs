//! Forwards what the core logs into the GStreamer debug category `snarm-model`, so that one tool shows everything.
//!
//! A plugin is a guest: when the host has a global subscriber of its own, that one gets the events instead. A host has
//! time to set it until the first element starts.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use gst::{DebugLogger, glib};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "snarm-model",
        gst::DebugColorFlags::empty(),
        Some("SNARM models, banks and kernels"),
    )
});

/// Makes the category, so that `gst-launch-1.0 --gst-debug-help` lists it before the first event.
pub(crate) fn announce() {
    LazyLock::force(&CAT);
}

/// Starts forwarding unless somebody listens already. The elements call it when they start.
pub(crate) fn forward() {
    if !tracing::dispatcher::has_been_set() {
        // It fails only when a host was faster, which is then the one that listens.
        let _ = tracing::subscriber::set_global_default(Forward);
    }
}

/// Writes events to the category. Spans are not kept: the elements log the stage times themselves.
struct Forward;

impl Subscriber for Forward {
    fn register_callsite(&self, _metadata: &'static Metadata<'static>) -> Interest {
        // The category's threshold may change at any time.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("snarm") && CAT.above_threshold(level(metadata))
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        let file = glib::GString::from(metadata.file().unwrap_or_default());
        let row = metadata.line().unwrap_or_default();
        CAT.log(
            None::<&glib::Object>,
            level(metadata),
            file.as_ref(),
            metadata.target(),
            row,
            format_args!("{}", line.0),
        );
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// The core's levels in GStreamer's words: its traces are per frame, as LOG is here.
fn level(metadata: &Metadata<'_>) -> gst::DebugLevel {
    match *metadata.level() {
        Level::ERROR => gst::DebugLevel::Error,
        Level::WARN => gst::DebugLevel::Warning,
        Level::INFO => gst::DebugLevel::Info,
        Level::DEBUG => gst::DebugLevel::Debug,
        Level::TRACE => gst::DebugLevel::Log,
    }
}

/// An event as one line: the message, then `name=value` for each field.
#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let space = if self.0.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{space}{value:?}"),
            name => write!(self.0, "{space}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_host_may_listen_itself_until_an_element_starts() {
        gst::init().unwrap();
        crate::plugin_register_static().unwrap();
        assert!(!tracing::dispatcher::has_been_set(), "the plugin took the place of the host's subscriber");
        super::forward();
        assert!(tracing::dispatcher::has_been_set());
    }
}
