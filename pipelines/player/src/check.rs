//! Whether a pipeline would run: it is made, its sinks are taken away so that nothing is written and nothing is sent, and
//! its first frames go through.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;
use serde::Serialize;

use crate::advice;
use crate::pipeline::{Line, error_text, missing_plugin, warning_text};

/// How long a source may take to its first frame.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often the state of things is looked at.
const TICK: gst::ClockTime = gst::ClockTime::from_mseconds(50);

/// Something that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// False where it keeps the pipeline from doing its work.
    pub(crate) good: bool,
    /// What it is about.
    pub(crate) what: String,
    pub(crate) text: String,
}

impl Finding {
    fn good(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { good: true, what: what.into(), text: text.into() }
    }

    fn bad(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { good: false, what: what.into(), text: text.into() }
    }
}

/// Says whether the pipeline of these words would run, and what is missing where it would not.
pub(crate) fn check(line: &Line) -> Vec<Finding> {
    let pipeline = match line.pipeline() {
        Ok(pipeline) => pipeline,
        Err(error) => {
            let text = format!("{error:#}");
            let advice = advice::unlinkable(&text, &line.words())
                .map_or_else(String::new, |advice| format!("; {advice}"));
            return vec![Finding::bad("pipeline", text + &advice)];
        }
    };
    let mut findings = outputs(pipeline.upcast_ref());
    let gates = disarm(pipeline.upcast_ref());
    findings.extend(play(&pipeline, &gates));
    // The elements have no results to complete.
    let _ = pipeline.set_state(gst::State::Null);
    findings
}

/// Properties that name files to write, by the kind of the element.
const OUTPUTS: [(&str, &str); 5] = [
    ("filesink", "location"),
    ("multifilesink", "location"),
    ("splitmuxsink", "location"),
    ("snarmbank", "location"),
    ("snarmdetect", "results-location"),
];

/// Elements that the user wrote, the ones in parentheses included.
fn elements(bin: &gst::Bin) -> Vec<gst::Element> {
    let mut found = Vec::new();
    for child in bin.children() {
        match child.downcast::<gst::Bin>() {
            Ok(inner) if advice::is_plain(&inner) => found.extend(elements(&inner)),
            Ok(inner) => found.push(inner.upcast()),
            Err(child) => found.push(child),
        }
    }
    found
}

fn kind(element: &gst::Element) -> String {
    element.factory().map_or_else(String::new, |factory| factory.name().to_string())
}

/// Faults of what the pipeline writes.
fn outputs(bin: &gst::Bin) -> Vec<Finding> {
    let mut findings = Vec::new();
    for element in elements(bin) {
        let kind = kind(&element);
        let Some((_, property)) = OUTPUTS.iter().find(|(name, _)| *name == kind) else { continue };
        let location = element.property_value(property).get::<Option<PathBuf>>().ok().flatten();
        let folder = location.as_deref().and_then(Path::parent);
        if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            let text = format!("{property}: expected a folder to write to, found none: {}", folder.display());
            findings.push(Finding::bad(element.name(), text));
        }
        if kind == "splitmuxsink" && !element.property::<bool>("async-handling") {
            let text = "loses the end of a clip, and then the pipeline never ends: set async-handling=true";
            findings.push(Finding::bad(element.name(), text));
        }
    }
    findings
}

/// A place that frames have to come to.
struct Gate {
    name: String,
    pad: gst::Pad,
    passed: Arc<AtomicBool>,
    /// Whether this is one of our elements, whose frames are told of.
    is_ours: bool,
}

impl Gate {
    /// Watches a sink pad. Ends of streams are kept from our elements, which would write what they learned.
    fn new(element: &gst::Element, pad: gst::Pad, is_ours: bool) -> Self {
        let passed = Arc::new(AtomicBool::new(false));
        let seen = passed.clone();
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(kinds, move |_, info| match &info.data {
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                seen.store(true, Ordering::Relaxed);
                if is_ours { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
            }
            Some(gst::PadProbeData::Buffer(_)) => {
                seen.store(true, Ordering::Relaxed);
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        });
        Self { name: element.name().to_string(), pad, passed, is_ours }
    }
}

/// Takes the sinks away, keeps our elements from writing, and returns the places to watch.
fn disarm(bin: &gst::Bin) -> Vec<Gate> {
    let mut gates = Vec::new();
    for element in elements(bin) {
        match kind(&element).as_str() {
            "snarmdetect" => element.set_property("results-location", None::<&str>),
            "snarmbank" => {
                element.set_property("max-frames", 0u32);
                element.set_property("checkpoint-frames", 0u32);
            }
            _ if element.element_flags().contains(gst::ElementFlags::SINK) => {
                gates.extend(replace(&element));
                continue;
            }
            _ => {}
        }
        if kind(&element).starts_with("snarm") {
            gates.extend(element.static_pad("sink").map(|pad| Gate::new(&element, pad, true)));
        }
    }
    gates
}

/// Puts a sink that throws all away in the place of one, for each of its streams.
fn replace(sink: &gst::Element) -> Vec<Gate> {
    let linked: Vec<(gst::Pad, gst::Pad)> =
        sink.sink_pads().into_iter().filter_map(|pad| Some((pad.peer()?, pad))).collect();
    let Some(bin) = sink.parent().and_then(|parent| parent.downcast::<gst::Bin>().ok()) else {
        return Vec::new();
    };
    // One that still waits for a stream to be made for it stays: only the stream's own maker can link it.
    if linked.is_empty() {
        if sink.has_property("location") {
            sink.set_property("location", "/dev/null");
        }
        return Vec::new();
    }
    let mut gates = Vec::new();
    for (source, pad) in &linked {
        let taken = pad.query_caps(None);
        let made =
            gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build();
        let filter = gst::ElementFactory::make("capsfilter").property("caps", taken).build();
        let (Ok(fake), Ok(filter)) = (made, filter) else { continue };
        let unlinked = source.unlink(pad);
        if unlinked.is_err() || bin.add_many([&filter, &fake]).is_err() || filter.link(&fake).is_err() {
            continue;
        }
        let Some(entry) = filter.static_pad("sink") else { continue };
        if source.link(&entry).is_ok() {
            gates.push(Gate::new(sink, entry, false));
        }
    }
    // It was never started.
    let _ = bin.remove(sink);
    gates
}

/// Runs the pipeline until frames have come everywhere.
fn play(pipeline: &gst::Pipeline, gates: &[Gate]) -> Vec<Finding> {
    let Some(bus) = pipeline.bus() else { return Vec::new() };
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let _ = pipeline.set_state(gst::State::Playing);
    let passed = |gate: &Gate| gate.passed.load(Ordering::Relaxed);
    while start.elapsed() < PATIENCE && !gates.iter().all(passed) {
        let Some(message) = bus.timed_pop(TICK) else { continue };
        match message.view() {
            // Warnings before it are of the same fault.
            gst::MessageView::Error(error) => {
                findings.push(fault(pipeline, &message, error_text(error)));
                return findings;
            }
            gst::MessageView::Warning(warning) => {
                warnings.push(fault(pipeline, &message, warning_text(warning)));
            }
            gst::MessageView::Eos(_) => break,
            _ => findings.extend(missing_plugin(&message).map(|text| Finding::bad("GStreamer", text))),
        }
    }
    findings.extend(warnings);
    for gate in gates {
        findings.extend(verdict(gate, passed(gate), start.elapsed()));
    }
    findings
}

fn verdict(gate: &Gate, passed: bool, waited: Duration) -> Option<Finding> {
    let seconds = waited.as_secs();
    match (passed, gate.pad.current_caps()) {
        (true, Some(caps)) => Some(Finding::good(&gate.name, format!("gets {}", described(&caps)))),
        (true, None) => Some(Finding::bad(&gate.name, "gets an end without a frame")),
        // With pass=anomalous no frame may come that far.
        (false, Some(caps)) => Some(Finding::good(
            &gate.name,
            format!("would get {}; no frame came within {seconds} s", described(&caps)),
        )),
        (false, None) if gate.is_ours => {
            Some(Finding::bad(&gate.name, format!("no frame came within {seconds} s")))
        }
        (false, None) => {
            Some(Finding::good(&gate.name, format!("no frame came within {seconds} s, and no error either")))
        }
    }
}

/// What an element said of a fault, with what would mend it.
fn fault(pipeline: &gst::Pipeline, message: &gst::MessageRef, text: String) -> Finding {
    let source = message.src().map_or_else(|| "pipeline".to_owned(), |source| source.name().to_string());
    let text = text.strip_prefix(&format!("{source}: ")).unwrap_or(&text).to_owned();
    let advice = advice::misfits(pipeline.upcast_ref());
    Finding::bad(source, [text].into_iter().chain(advice).collect::<Vec<_>>().join("; "))
}

/// Caps of frames in words.
fn described(caps: &gst::Caps) -> String {
    let Some(fields) = caps.structure(0) else { return "nothing".to_owned() };
    let mut words = vec![fields.name().to_string()];
    words.extend(fields.get::<String>("format").ok());
    if let (Ok(width), Ok(height)) = (fields.get::<i32>("width"), fields.get::<i32>("height")) {
        words.push(format!("{width} x {height}"));
    }
    if let Ok(rate) = fields.get::<gst::Fraction>("framerate") {
        words.push(match (rate.numer(), rate.denom()) {
            (0, _) => "at a variable rate".to_owned(),
            (n, d) => format!("{:.4} frames a second", f64::from(n) / f64::from(d)).replace(".0000 ", " "),
        });
    }
    words.join(", ")
}
