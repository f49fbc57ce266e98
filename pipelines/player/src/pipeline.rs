//! What all that handles pipelines shares: making one of words, and its errors as one line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use gst::prelude::*;

use crate::packages;

/// Words of a launch line, of which paths may be any bytes. GStreamer reads lines in UTF-8 alone: a word that is none is
/// NAME=VALUE, and the value is handed to its element as it stands.
pub(crate) struct Line {
    words: Vec<String>,
    values: Vec<Bytes>,
}

/// A value that is not UTF-8.
struct Bytes {
    /// The word, as it is told.
    word: String,
    property: String,
    /// What stands in the line for it.
    stand_in: String,
    value: PathBuf,
}

impl Line {
    /// # Errors
    /// When a word is neither UTF-8 nor NAME=VALUE.
    pub(crate) fn new(words: &[OsString]) -> Result<Self> {
        let mut line = Self { words: Vec::new(), values: Vec::new() };
        for word in words {
            if let Some(text) = word.to_str() {
                line.words.push(text.to_owned());
                continue;
            }
            let parts = word
                .as_bytes()
                .split_at_checked(word.as_bytes().iter().position(|b| *b == b'=').unwrap_or(0));
            let is_name = |name: &&str| {
                name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(char::is_whitespace)
            };
            let (property, value) = parts
                .and_then(|(name, value)| Some((std::str::from_utf8(name).ok().filter(is_name)?, value.get(1..)?)))
                .with_context(|| format!("expected a pipeline in UTF-8, of which a path alone may be other bytes, as in location=PATH, found {word:?}"))?;
            let stand_in = format!("snarm-bytes-{}", line.values.len());
            line.words.push(format!("{property}={stand_in}"));
            line.values.push(Bytes {
                word: format!("{word:?}"),
                property: property.to_owned(),
                stand_in,
                value: OsStr::from_bytes(value).into(),
            });
        }
        Ok(line)
    }

    /// The words, in which something stands for what is no UTF-8.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Makes the pipeline.
    ///
    /// # Errors
    /// As [`parse`], and when an element does not take bytes where it is given some.
    pub(crate) fn pipeline(&self) -> Result<gst::Pipeline> {
        let pipeline = parse(&self.words())?;
        for bytes in &self.values {
            let elements = pipeline.iterate_recurse().into_iter().filter_map(Result::ok);
            let element = elements.into_iter().find(|element| bytes.is_of(element)).with_context(|| {
                format!("{}: expected text in UTF-8, found {}", bytes.property, bytes.word)
            })?;
            element.set_property_from_value(&bytes.property, &bytes.value.to_value());
        }
        Ok(pipeline)
    }
}

impl Bytes {
    /// Whether an element was given what stands for it.
    fn is_of(&self, element: &gst::Element) -> bool {
        let both = glib::ParamFlags::READWRITE;
        let property = element.find_property(&self.property);
        let is_text = property
            .is_some_and(|found| found.value_type() == String::static_type() && found.flags().contains(both));
        // Bytes of another word may be there already.
        let holds = || element.property_value(&self.property).get::<Option<PathBuf>>().ok().flatten();
        is_text && holds().is_some_and(|path| path.as_os_str() == self.stand_in.as_str())
    }
}

/// Makes a pipeline of the words of a launch line.
///
/// # Errors
/// When the line is none, or names what is not installed.
pub(crate) fn parse(words: &[&str]) -> Result<gst::Pipeline> {
    let mut context = gst::ParseContext::new();
    let flags = gst::ParseFlags::FATAL_ERRORS;
    // One word is a whole line.
    let made = match words {
        [line] => gst::parse::launch_full(line, Some(&mut context), flags),
        words => gst::parse::launchv_full(words, Some(&mut context), flags),
    };
    let made = made.map_err(|error| {
        // Elements with a wrong property are in this list, too.
        let is_missing = |name: &String| gst::ElementFactory::find(name).is_none();
        let missing: Vec<String> = context.missing_elements().into_iter().filter(is_missing).collect();
        if missing.is_empty() {
            return anyhow!("{}", error.message());
        }
        let named: Vec<String> = missing.iter().map(|name| packages::missing(name)).collect();
        anyhow!("{}", named.join("; "))
    })?;
    match made.downcast::<gst::Pipeline>() {
        Ok(pipeline) => Ok(pipeline),
        Err(element) => {
            let pipeline = gst::Pipeline::new();
            pipeline.add(&element)?;
            Ok(pipeline)
        }
    }
}

/// An error message as one line: which element, what happened, and what its details add.
pub(crate) fn error_text(error: &gst::message::Error) -> String {
    let source = error.src().map_or_else(|| "pipeline".into(), |source| source.name());
    let (reason, debug) = (error.error(), error.debug());
    // Messages of our own elements are whole; the first line of details is a place in the source code.
    let is_ours = error.src().is_some_and(|source| source.type_().name().starts_with("GstSnarm"));
    let debug = debug.filter(|_| !is_ours);
    let details = debug.iter().flat_map(|text| text.lines().skip(1)).map(str::trim);
    let words = [reason.message().trim()].into_iter().chain(details.filter(|line| !line.is_empty()));
    format!("{source}: {}", words.collect::<Vec<_>>().join(" "))
}

/// A warning as one line.
pub(crate) fn warning_text(warning: &gst::message::Warning) -> String {
    let source = warning.src().map_or_else(|| "pipeline".into(), |source| source.name());
    format!("{source}: {}", warning.error().message())
}

/// Says which decoder or plugin is missing, where the message says so.
pub(crate) fn missing_plugin(message: &gst::MessageRef) -> Option<String> {
    let fields = message.structure().filter(|fields| fields.name() == "missing-plugin")?;
    let what = fields.get::<String>("name").ok()?;
    Some(format!("GStreamer has nothing for: {what}{}", packages::for_decoding(&what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_bytes_reaches_its_element() {
        gst::init().unwrap();
        let bytes = |word: &[u8]| OsStr::from_bytes(word).to_owned();
        let words = ["filesrc", "name=in", "", "!", "identity", "!", "filesink", "name=out", ""];
        let mut words: Vec<OsString> = words.iter().map(OsString::from).collect();
        words[2] = bytes(b"location=caf\xe9 = \"1\".raw");
        words[8] = bytes(b"location=/x/\xff\\.raw");
        let pipeline = Line::new(&words).unwrap().pipeline().unwrap();
        let location =
            |name| pipeline.by_name(name).unwrap().property::<PathBuf>("location").into_os_string();
        assert_eq!(location("in"), bytes(b"caf\xe9 = \"1\".raw"));
        assert_eq!(location("out"), bytes(b"/x/\xff\\.raw"));
    }

    #[test]
    fn bytes_that_no_element_takes_are_refused_by_name() {
        gst::init().unwrap();
        for (word, expected) in [
            (&b"caf\xe9"[..], "as in location=PATH, found \"caf\\xE9\""),
            (b"=caf\xe9", "as in location=PATH"),
            (b"num-buffers=\xe9", "num-buffers"),
        ] {
            let words = ["fakesrc".into(), OsStr::from_bytes(word).to_owned(), "!".into(), "fakesink".into()];
            let refused = Line::new(&words).and_then(|line| line.pipeline().map(drop)).unwrap_err();
            let text = format!("{refused:#}");
            assert!(text.contains(expected), "{text}");
        }
    }
}
