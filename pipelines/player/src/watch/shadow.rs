//! A second detector beside the first one, which judges the same frames by another bank and leaves no trace in the stream.

use anyhow::{Context, Result};
use gst::prelude::*;

/// Name of the second detector; the station knows its errors by it.
const NAME: &str = "snarm-shadow";

/// Properties of which each element has its own.
const OWN: [&str; 9] = [
    "name",
    "parent",
    "bank-location",
    "results-location",
    "attach",
    "message-mode",
    "pass",
    "emit-signals",
    "stats-interval",
];

/// What a shadow is set to besides: buffers get nothing, every result is a message.
pub(super) const SET: [(&str, &str); 2] = [("attach", "0"), ("message-mode", "all")];

/// Makes an element of the same kind and settings as a detector, but for the properties that are its own.
///
/// # Errors
/// When the kind is not installed.
pub(super) fn like(detector: &gst::Element) -> Result<gst::Element> {
    let factory = detector.factory().context("expected a detector that a factory made")?;
    let shadow = factory.create().name(NAME).build()?;
    let wanted = glib::ParamFlags::READWRITE;
    for property in detector.list_properties().iter().filter(|property| property.flags().contains(wanted)) {
        let name = property.name();
        if !OWN.contains(&name) && !property.flags().contains(glib::ParamFlags::CONSTRUCT_ONLY) {
            shadow.set_property_from_value(name, &detector.property_value(name));
        }
    }
    Ok(shadow)
}

/// Puts a shadow behind its detector, so that verdicts do not wait for it; or before a detector that hands on only some of
/// its frames.
///
/// # Errors
/// When the detector is not linked there.
pub(super) fn insert(shadow: &gst::Element, detector: &gst::Element) -> Result<()> {
    let bin = detector.parent().and_downcast::<gst::Bin>().context("expected a detector in a pipeline")?;
    let pad = |element: &gst::Element, name: &str| {
        element.static_pad(name).with_context(|| format!("{}: expected a pad {name}", element.name()))
    };
    let side = if hands_all_on(detector) { "src" } else { "sink" };
    let own = pad(detector, side)?;
    let other = own.peer().with_context(|| {
        format!("{}: expected its pad {side} to be linked from the start, found it free", detector.name())
    })?;
    bin.add(shadow)?;
    let (before, after) = if side == "src" { (own, other) } else { (other, own) };
    before.unlink(&after)?;
    before.link(&pad(shadow, "sink")?)?;
    pad(shadow, "src")?.link(&after)?;
    Ok(())
}

fn hands_all_on(detector: &gst::Element) -> bool {
    detector.find_property("pass").is_none_or(|_| {
        let pass = detector.property_value("pass");
        glib::EnumValue::from_value(&pass).is_some_and(|(_, pass)| pass.nick() == "all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::parse;

    #[test]
    fn a_shadow_has_the_settings_of_its_detector_and_sees_its_frames() {
        gst::init().unwrap();
        let pipeline =
            parse(&["fakesrc num-buffers=3 ! identity name=first sleep-time=7 ! fakesink name=end"]).unwrap();
        let first = pipeline.by_name("first").unwrap();
        let shadow = like(&first).unwrap();
        assert_eq!((shadow.name().as_str(), shadow.property::<u32>("sleep-time")), (NAME, 7));
        insert(&shadow, &first).unwrap();
        let peer = |element: &gst::Element| element.static_pad("src").and_then(|pad| pad.peer()).unwrap();
        assert_eq!(peer(&first).parent_element().unwrap(), shadow);
        assert_eq!(peer(&shadow).parent_element().unwrap().name(), "end");
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let ended = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(10), &ends);
        assert_eq!(ended.unwrap().type_(), gst::MessageType::Eos);
        pipeline.set_state(gst::State::Null).unwrap();
    }

    #[test]
    fn a_detector_without_a_neighbour_gets_no_shadow() {
        gst::init().unwrap();
        let pipeline = parse(&["fakesrc ! identity name=first"]).unwrap();
        let first = pipeline.by_name("first").unwrap();
        let text = format!("{:#}", insert(&like(&first).unwrap(), &first).unwrap_err());
        assert!(text.contains("first: expected its pad src to be linked"), "{text}");
        assert!(pipeline.by_name(NAME).is_none());
    }
}
