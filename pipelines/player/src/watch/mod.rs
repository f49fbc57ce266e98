//! Runs a pipeline for a station. Standard input is a socket that goes both ways; when its other end is gone, the stream
//! ends. Standard output has the JSON lines of `snarmdetect`.
//!
//! The station writes lines of JSON, [`Order`], the first of them before the pipeline starts. It reads packets: a line of
//! JSON, and behind it as many bytes as the line's `parts` say, in their order.
//!
//! | `kind` | when | fields | parts |
//! |---|---|---|---|
//! | `message` | an element posts a `snarm-...` message, or a warning | `name`, `fields` | |
//! | `shadow` | the shadow of the detector does so; its results are such messages | `name`, `fields` | |
//! | `live` | ten times a second while asked for | `frame` | annotated JPEG |
//! | `found` | frames with an alarm, or in the uncertain band, came to their end | `frame` of the highest score, `first`, `last` | annotated JPEG, PNG of the frame, anomaly map as PGM (may be empty) |
//! | `learned` | a `snarmbank` learned a frame | its running `time` in nanoseconds | JPEG |
//! | `refused` | an order made no sense | `text` | |
//! | `lost` | pictures came faster than they can be compressed | `pictures` since the start | |

mod finds;
mod learned;
mod pictures;
mod shadow;
mod station;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use station::Station;

use crate::pipeline::Line;
use crate::run::{self, Asked};
use crate::say;

/// The element whose results are told.
const DETECTOR: &str = "snarmdetect";

/// Time between two `snarm-stats` messages, in nanoseconds.
const STATS_INTERVAL: u64 = 1_000_000_000;

/// What the station asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Order {
    /// Properties of the detector, as text, or of the element that learns where there is no detector.
    set: BTreeMap<String, String>,
    /// Properties that the element that learns takes where it has them.
    offer: BTreeMap<String, String>,
    /// The same of its shadow, which there is where the first order has some.
    shadow: BTreeMap<String, String>,
    /// Whether somebody looks at the live picture.
    live: Option<bool>,
    /// The stream is to end.
    stop: bool,
}

/// Runs a pipeline until the end of its stream, a signal, or the end of the station.
///
/// # Errors
/// As [`run::run`]; when standard input is no socket, and when there are several detectors, or one whose results go
/// elsewhere, or that can have no shadow.
pub(crate) fn watch(line: &Line, asked: &Asked) -> Result<()> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("cannot take standard input")?;
    let stream = UnixStream::from(stdin);
    let station = Station::new(stream.try_clone().context("cannot take standard input")?);
    let mut orders = BufReader::new(stream);
    let first = read(&mut orders).context("expected a socket with a first order as standard input")?;
    let pipeline = line.pipeline()?;
    let detector = the_one(&pipeline, DETECTOR)?;
    let learner = the_one(&pipeline, learned::LEARNER)?;
    let mut shadow = None;
    if let (None, Some(learner)) = (&detector, &learner) {
        set(learner, &first.offer.into_iter().filter(|(name, _)| learner.has_property(name)).collect())?;
        set(learner, &first.set)?;
    }
    if let Some(detector) = &detector {
        take_results(detector)?;
        set(detector, &first.set)?;
        if !first.shadow.is_empty() {
            shadow = Some(begin_shadow(detector, &first.shadow)?);
        }
    }
    let watcher = detector.as_ref().map(|detector| finds::Watcher::start(detector, &station)).transpose()?;
    let learner = learner.as_ref().map(|learner| learned::Watcher::start(learner, &station)).transpose()?;
    let live = watcher.as_ref().map(finds::Watcher::live);
    if let (Some(live), Some(is_wanted)) = (&live, first.live) {
        live.set(is_wanted);
    }
    let beside = shadow.clone();
    let listener = Listener { detector, shadow, live, station: station.clone(), asked: asked.clone() };
    std::thread::Builder::new().name("orders".into()).spawn(move || listener.listen(orders))?;
    let ended = run::play(&pipeline, asked, run::END_PATIENCE, &mut |message| {
        if let Some(told) = told(message, beside.as_ref()) {
            station.tell(told, &[]);
        }
    });
    if let Some(watcher) = watcher {
        watcher.finish();
    }
    if let Some(learner) = learner {
        learner.finish();
    }
    ended
}

/// The next order; an empty one asks for the end, as the end of the socket does.
fn read(orders: &mut impl BufRead) -> Result<Order> {
    let mut line = String::new();
    if orders.read_line(&mut line)? == 0 {
        bail!("the station is gone");
    }
    serde_json::from_str(&line).context("expected an order")
}

/// The one element of a kind in a pipeline, where there is one.
fn the_one(pipeline: &gst::Pipeline, kind: &str) -> Result<Option<gst::Element>> {
    let is_one = |element: &gst::Element| element.factory().is_some_and(|factory| factory.name() == kind);
    let mut found: Vec<gst::Element> =
        pipeline.iterate_recurse().into_iter().filter_map(Result::ok).filter(is_one).collect();
    if found.len() > 1 {
        bail!("expected one {kind} in a pipeline of a station, found {}: make a line for each", found.len());
    }
    Ok(found.pop())
}

/// Sends results and figures of a detector here.
fn take_results(detector: &gst::Element) -> Result<()> {
    match detector.property::<Option<String>>("results-location").as_deref() {
        None => detector.set_property("results-location", "-"),
        Some("-") => {}
        Some(other) => bail!(
            "expected a {DETECTOR} without results-location, since the station keeps the results, found {other}"
        ),
    }
    if detector.property::<u64>("stats-interval") == 0 {
        detector.set_property("stats-interval", STATS_INTERVAL);
    }
    Ok(())
}

/// Sets properties of an element from text; none where one of them cannot be.
fn set(element: &gst::Element, properties: &BTreeMap<String, String>) -> Result<()> {
    let kind =
        element.factory().map_or_else(|| "the element".to_owned(), |factory| factory.name().to_string());
    let mut values = Vec::new();
    for (name, text) in properties {
        let property = element
            .find_property(name)
            .filter(|property| property.flags().contains(glib::ParamFlags::WRITABLE))
            .with_context(|| format!("expected a property of {kind} that can be set, found {name}"))?;
        let value = glib::Value::deserialize_with_pspec(text, &property)
            .with_context(|| format!("{name}: expected a {}, found {text}", property.value_type()))?;
        values.push((name, value));
    }
    for (name, value) in values {
        element.set_property_from_value(name, &value);
    }
    Ok(())
}

/// Puts a shadow of these properties beside a detector.
fn begin_shadow(detector: &gst::Element, properties: &BTreeMap<String, String>) -> Result<gst::Element> {
    let shadow = shadow::like(detector)?;
    let own = shadow::SET.map(|(name, text)| (name.to_owned(), text.to_owned()));
    set(&shadow, &own.into())
        .and_then(|()| set(&shadow, properties))
        .and_then(|()| shadow::insert(&shadow, detector))
        .with_context(|| shadow.name())?;
    Ok(shadow)
}

/// What carries orders out while the pipeline runs.
struct Listener {
    detector: Option<gst::Element>,
    shadow: Option<gst::Element>,
    live: Option<finds::Live>,
    station: Station,
    asked: Asked,
}

impl Listener {
    fn listen(&self, mut orders: impl BufRead) {
        loop {
            match read(&mut orders) {
                Ok(order) if order.stop => break,
                Ok(order) => self.obey(&order),
                Err(error) if error.downcast_ref::<serde_json::Error>().is_some() => self.refuse(&error),
                Err(_) => {
                    say(format_args!("the station is gone: ends the stream"));
                    break;
                }
            }
        }
        self.asked.end();
    }

    fn obey(&self, order: &Order) {
        if let (Some(live), Some(is_wanted)) = (&self.live, order.live) {
            live.set(is_wanted);
        }
        for (element, properties) in [(&self.detector, &order.set), (&self.shadow, &order.shadow)] {
            if let Some(element) = element
                && let Err(error) = set(element, properties)
            {
                self.refuse(&error);
            }
        }
    }

    fn refuse(&self, error: &anyhow::Error) {
        self.station.tell(json!({ "kind": "refused", "text": format!("{error:#}") }), &[]);
    }
}

/// A message of one of our elements as a packet, which says whether it is of the shadow.
fn told(message: &gst::MessageRef, shadow: Option<&gst::Element>) -> Option<Value> {
    let is_of = |shadow: &gst::Element| message.src() == Some(shadow.upcast_ref());
    let kind = if shadow.is_some_and(is_of) { "shadow" } else { "message" };
    if let gst::MessageView::Warning(warning) = message.view() {
        let fields = json!({ "text": crate::pipeline::warning_text(warning) });
        return Some(json!({ "kind": kind, "name": "warning", "fields": fields }));
    }
    let structure = message.structure().filter(|structure| structure.name().starts_with("snarm-"))?;
    Some(json!({ "kind": kind, "name": structure.name().as_str(), "fields": fields(structure) }))
}

/// Fields of a message as JSON, but for the regions of results, which nobody asks for.
fn fields(structure: &gst::StructureRef) -> Map<String, Value> {
    let wanted = structure.iter().filter(|(name, _)| name.as_str() != "regions");
    wanted.filter_map(|(name, value)| Some((name.to_string(), plain(value)?))).collect()
}

/// A value of a message as JSON; nothing of kinds that have no words there, such as buffers.
fn plain(value: &glib::SendValue) -> Option<Value> {
    if let Ok(list) = value.get::<gst::ArrayRef<'_>>() {
        return Some(list.iter().filter_map(plain).collect());
    }
    if let Ok(structure) = value.get::<gst::Structure>() {
        return Some(fields(&structure).into());
    }
    if let Ok(number) = value.get::<u64>() {
        return Some(number.into());
    }
    if let Ok(number) = value.get::<u32>() {
        return Some(number.into());
    }
    if let Ok(number) = value.get::<f64>() {
        return Some(number.into());
    }
    if let Ok(truth) = value.get::<bool>() {
        return Some(truth.into());
    }
    value.get::<Option<String>>().ok().map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_line_by_line_and_unknown_ones_are_refused() {
        let first = r#"{"set":{"threshold":"0.6"},"shadow":{"enabled":"false"},"live":true}"#;
        let text = format!("{first}\n{{\"sett\":{{}}}}\n");
        let mut lines = text.as_bytes();
        let order = read(&mut lines).unwrap();
        assert_eq!((order.set["threshold"].as_str(), order.live, order.stop), ("0.6", Some(true), false));
        assert_eq!(order.shadow["enabled"], "false");
        let text = format!("{:#}", read(&mut lines).unwrap_err());
        assert!(text.contains("sett"), "{text}");
        assert!(read(&mut lines).unwrap_err().downcast_ref::<serde_json::Error>().is_none());
    }

    #[test]
    fn messages_of_our_elements_become_packets_and_others_do_not() {
        gst::init().unwrap();
        let message = |name: &str| {
            let fields = gst::Structure::builder(name)
                .field("fps", 25.0)
                .field("frames", 7_u64)
                .field("generation", 2_u32)
                .field("is-new", true)
                .field("location", "a.bank")
                .field(
                    "odd-frames",
                    gst::Array::new([gst::Structure::builder("odd-frame").field("frame", 3_u64).build()]),
                )
                .field("regions", gst::Array::new([1_u32]))
                .build();
            gst::message::Element::new(fields)
        };
        let packet = told(&message("snarm-stats"), None).unwrap();
        assert_eq!((&packet["kind"], &packet["name"]), (&json!("message"), &json!("snarm-stats")));
        let expected = json!({
            "fps": 25.0, "frames": 7, "generation": 2, "is-new": true, "location": "a.bank", "odd-frames": [{ "frame": 3 }],
        });
        assert_eq!(packet["fields"], expected);
        assert!(told(&message("level"), None).is_none());
    }

    #[test]
    fn messages_of_the_shadow_are_told_apart() {
        gst::init().unwrap();
        let make = || gst::ElementFactory::make("identity").build().unwrap();
        let (detector, shadow) = (make(), make());
        let kind = |source: &gst::Element| {
            let fields = gst::Structure::new_empty("snarm-result");
            let message = gst::message::Element::builder(fields).src(source).build();
            told(&message, Some(&shadow)).unwrap()["kind"].clone()
        };
        assert_eq!((kind(&detector), kind(&shadow)), (json!("message"), json!("shadow")));
    }
}
