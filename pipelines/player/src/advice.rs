//! What is missing between two elements that do not fit.

use gst::prelude::*;

/// Says for every link of a pipeline over which no frame can go what it is that does not fit, and what would mend it.
pub(crate) fn misfits(bin: &gst::Bin) -> Vec<String> {
    let mut found = Vec::new();
    for child in bin.children() {
        for pad in child.src_pads() {
            let Some(peer) = pad.peer() else {
                found.extend(unlinked(bin, &child, &pad));
                continue;
            };
            let taker = owner(&peer);
            if peer.current_caps().is_some() || taker.is_empty() {
                continue;
            }
            let given = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let taken = peer.query_caps(None);
            if !given.can_intersect(&taken) {
                found.push(text(&child.name(), &given, &taker, &taken));
            }
        }
        if let Ok(inner) = child.downcast::<gst::Bin>()
            && is_plain(&inner)
        {
            found.extend(misfits(&inner));
        }
    }
    found
}

/// Whether a bin was made of parentheses in a launch line: what is in it is the user's.
pub(crate) fn is_plain(bin: &gst::Bin) -> bool {
    bin.factory().is_none_or(|factory| matches!(factory.name().as_str(), "bin" | "pipeline"))
}

/// Says why two elements of the launch line `words` were not linked, from GStreamer's own words on it.
pub(crate) fn unlinkable(message: &str, words: &[&str]) -> Option<String> {
    let rest = message.strip_prefix("could not link ")?;
    let (from, rest) = rest.split_once(" to ")?;
    let end = rest.find([',', ' ']).unwrap_or(rest.len());
    let (to, rest) = rest.split_at(end);
    let caps = rest.split_once("caps ").and_then(|(_, caps)| caps.trim().parse::<gst::Caps>().ok());
    let given = caps.or_else(|| template(from, words, gst::PadDirection::Src))?;
    let taken = template(to, words, gst::PadDirection::Sink)?;
    (!given.can_intersect(&taken)).then(|| text(from, &given, to, &taken))
}

/// What the pads of an element may carry, which has the name that GStreamer gives it: that of its kind or of its class, and
/// a number.
fn template(name: &str, words: &[&str], direction: gst::PadDirection) -> Option<gst::Caps> {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let class = |factory: &gst::ElementFactory| {
        let loaded = factory.clone().load().ok()?.downcast::<gst::ElementFactory>().ok()?;
        Some(loaded.element_type().name().trim_start_matches("Gst").to_lowercase())
    };
    let of_class = || {
        let named = words.iter().flat_map(|word| word.split_whitespace());
        let mut factories = named.filter_map(gst::ElementFactory::find);
        factories.find(|factory| class(factory).is_some_and(|class| class == kind))
    };
    let factory = gst::ElementFactory::find(kind).or_else(of_class)?;
    let mut all = gst::Caps::new_empty();
    for pad in factory.static_pad_templates().iter().filter(|pad| pad.direction() == direction) {
        all.merge(pad.caps());
    }
    Some(all)
}

/// A pad that a source made while it ran, and that nothing took although an element waits for it.
fn unlinked(bin: &gst::Bin, child: &gst::Element, pad: &gst::Pad) -> Option<String> {
    let given = pad.current_caps()?;
    let waits = |pad: &gst::Pad| pad.direction() == gst::PadDirection::Sink && !pad.is_linked();
    let waiting = bin.children().into_iter().flat_map(|other| other.sink_pads()).find(waits)?;
    let taken = waiting.query_caps(None);
    (!given.can_intersect(&taken)).then(|| text(&child.name(), &given, &owner(&waiting), &taken))
}

/// Name of the element that a pad belongs to; empty for the pads between a bin and what is in it.
fn owner(pad: &gst::Pad) -> String {
    pad.parent_element().map_or_else(String::new, |element| element.name().to_string())
}

/// One misfit, and what to put between.
fn text(from: &str, given: &gst::Caps, to: &str, taken: &gst::Caps) -> String {
    let mend = mend(given, taken).map_or_else(String::new, |what| format!(": put `{what}` before {to}"));
    format!("{from} gives {}, and {to} takes {}{mend}", short(given), short(taken))
}

/// Caps without the list of what else is possible.
fn short(caps: &gst::Caps) -> String {
    if caps.is_any() {
        return "anything".to_owned();
    }
    let mut kinds: Vec<String> = Vec::new();
    for (fields, features) in caps.iter_with_features() {
        let mut kind = fields.name().to_string();
        if !features.is_empty() && !features.contains("memory:SystemMemory") {
            kind += &format!("({features})");
        }
        for field in ["format", "width", "height"] {
            match fields.value(field) {
                Ok(value) if value.is::<gst::List>() => {
                    let n = value.get::<gst::List>().map_or(0, |list| list.as_slice().len());
                    kind += &format!(", {field} one of {n}");
                }
                Ok(value) if value.is::<i32>() || value.is::<String>() => {
                    if let Ok(value) = value.serialize() {
                        kind += &format!(", {field} {value}");
                    }
                }
                _ => {}
            }
        }
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        return "nothing".to_owned();
    }
    kinds.truncate(3);
    kinds.join(" or ")
}

/// Elements that make `taken` of `given`, in the words of a launch line.
fn mend(given: &gst::Caps, taken: &gst::Caps) -> Option<&'static str> {
    let (fields, features) = given.iter_with_features().next()?;
    let takes_raw = taken.is_any() || taken.iter().any(|fields| fields.name() == "video/x-raw");
    if !takes_raw {
        return (fields.name() == "video/x-raw").then_some(match taken.structure(0)?.name().as_str() {
            "image/jpeg" => "videoconvert ! jpegenc",
            "image/png" => "videoconvert ! pngenc",
            "video/x-h265" => "videoconvert ! x265enc ! h265parse",
            _ => "videoconvert ! x264enc ! h264parse",
        });
    }
    match fields.name().as_str() {
        "video/x-raw" => Some(match memory(features) {
            Some("CUDAMemory") => "cudadownload ! videoconvert",
            Some("GLMemory") => "gldownload ! videoconvert",
            Some("VAMemory") | Some("VASurface") | Some("DMABuf") => {
                "vapostproc ! video/x-raw ! videoconvert"
            }
            Some("D3D11Memory") => "d3d11download ! videoconvert",
            Some("NVMM") => "nvvideoconvert ! video/x-raw ! videoconvert",
            Some(_) => return None,
            None => raw_mend(given, taken),
        }),
        "video/x-bayer" => Some("bayer2rgb ! videoconvert"),
        "image/jpeg" => Some("jpegdec ! videoconvert"),
        "image/png" => Some("pngdec ! videoconvert"),
        name if name.starts_with("video/")
            || name.starts_with("image/")
            || name.starts_with("application/") =>
        {
            Some("decodebin ! videoconvert")
        }
        _ => None,
    }
}

/// The memory that caps name, where it is not that of the system.
fn memory(features: &gst::CapsFeaturesRef) -> Option<&str> {
    features
        .iter()
        .filter_map(|feature| feature.as_str().strip_prefix("memory:"))
        .find(|m| *m != "SystemMemory")
}

/// The converter for raw video: the first that leaves nothing apart.
fn raw_mend(given: &gst::Caps, taken: &gst::Caps) -> &'static str {
    let without = |names: &[&str]| {
        let mut caps = given.clone();
        for fields in caps.make_mut().iter_mut() {
            fields.remove_fields(names.iter().copied());
        }
        caps.can_intersect(taken)
    };
    let format = ["format", "colorimetry", "chroma-site", "interlace-mode"];
    let size = ["width", "height", "pixel-aspect-ratio"];
    match () {
        () if without(&format) => "videoconvert",
        () if without(&size) => "videoscale",
        () if without(&["framerate", "max-framerate"]) => "videorate",
        () => "videoconvert ! videoscale ! videorate",
    }
}
