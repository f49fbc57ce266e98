//! What all that handles pipelines shares: making one of words, and its errors as one line.

use anyhow::{Result, anyhow};
use gst::prelude::*;

use crate::packages;

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
