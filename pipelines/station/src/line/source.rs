//! Whether the source of a line brings frames. A camera cannot be opened twice: while the pipeline has it, what is known of the
//! line says so; else `snarm-player check` opens it, and the pipeline waits meanwhile.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use utoipa::ToSchema;

use super::prepare::succeeded;
use super::shared::Line;
use super::state::{Light, Status};
use crate::config;

/// How long a check may take, which waits 15 s for a frame itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// The element that the source ends before.
const DETECTOR: &str = "snarmdetect";

/// Something that was found.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Finding {
    /// False where it keeps frames from coming.
    good: bool,
    /// The element that it is about.
    what: String,
    text: String,
}

/// What is known of a source.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SourceTest {
    /// Whether the pipeline has the source, so that it was not opened for the test.
    is_running: bool,
    findings: Vec<Finding>,
}

/// Says whether frames come from the source of a line.
///
/// # Errors
/// When the pipeline has the source and judges nothing yet, when the line says nothing of its source, and when the check does
/// not run.
pub(crate) async fn try_source(line: &Arc<Line>, author: &str) -> Result<SourceTest> {
    let Ok(_held) = line.source.try_lock() else { return running(line) };
    let text = of(&line.config)?;
    let author = author.to_owned();
    line.ask(move |line| line.store.note(&author, "test of the source", line.name())).await?;
    let mut check = Command::new(&line.host.player);
    // Of a pipe that is the input of the station it would take the end for ours, and end.
    check.arg("check").arg(text).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, check.output())
        .await
        .with_context(|| format!("the check did not end within {} s", PATIENCE.as_secs()))?
        .context("cannot run the check")?;
    let findings = serde_json::from_slice(&output.stdout);
    succeeded(output)?;
    Ok(SourceTest { is_running: false, findings: findings.context("expected JSON of the check")? })
}

/// What a pipeline that has the source tells of it.
fn running(line: &Line) -> Result<SourceTest> {
    let state = line.state();
    let (Status::Running, Some(last)) = (state.status, state.last()) else {
        bail!(
            "expected a line that judges frames, waits or is stopped, found one that gets ready, or whose source \
             another of its recipes or another test has: try again later"
        )
    };
    let lamp = state.source();
    let size = last.resolution;
    let text = format!("frames of {} x {}, {}", size.width, size.height, lamp.text);
    let finding = Finding { good: lamp.light == Light::Good, what: "pipeline".to_owned(), text };
    Ok(SourceTest { is_running: true, findings: vec![finding] })
}

/// The launch line that a source is tried with.
///
/// # Errors
/// When the line says nothing of its source.
fn of(config: &config::Line) -> Result<String> {
    let source = source(config).with_context(|| {
        format!(
            "expected a pipeline with a variable `source`, or with a source before {DETECTOR}, found {}",
            config.pipeline
        )
    })?;
    if config.variables.contains_key("source") {
        // It brings what videoconvert takes.
        return Ok(format!("{source} ! videoconvert ! fakesink"));
    }
    let count = |sign| source.matches(sign).count();
    let closed = " )".repeat(count('(').saturating_sub(count(')')));
    Ok(format!("{source} ! identity ! fakesink{closed}"))
}

/// Where frames of a line come from: of a launch recipe its variable `source`, of a launch line what is before the detector.
pub(crate) fn source(config: &config::Line) -> Option<&str> {
    if let Some(source) = config.variables.get("source") {
        return Some(source);
    }
    let (before, _) = around(&config.pipeline)?;
    let source = before.trim_end_matches(|c: char| c.is_whitespace() || "!(".contains(c));
    Some(source).filter(|source| !source.is_empty())
}

/// A property of the detector of a line, as its configuration or its launch line says.
pub(crate) fn property<'a>(config: &'a config::Line, name: &str) -> Option<&'a str> {
    let of_launch_line = || {
        let (_, after) = around(&config.pipeline)?;
        let mut words = after.split('!').next()?.split_whitespace();
        let text = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        Some(text.trim_matches(['"', '\'', ')']))
    };
    config.detect.get(name).map(String::as_str).or_else(of_launch_line)
}

/// What is before and behind the name of the detector in a launch line.
fn around(pipeline: &str) -> Option<(&str, &str)> {
    let is_apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "!()".contains(c));
    let cut = |(at, name): (usize, &str)| (&pipeline[..at], &pipeline[at + name.len()..]);
    let mut all = pipeline.match_indices(DETECTOR).map(cut);
    all.find(|(before, after)| is_apart(before.chars().next_back()) && is_apart(after.chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> config::Line {
        toml::from_str(&format!("name = 'cap'\n{text}")).unwrap()
    }

    #[test]
    fn a_source_is_what_is_before_the_detector_or_the_variable_of_a_recipe() {
        for (text, expected) in [
            (
                "pipeline = 'inspect'\nvariables = { source = 'v4l2src device=/dev/video1' }",
                "v4l2src device=/dev/video1 ! videoconvert ! fakesink",
            ),
            ("pipeline = 'a ! b x=1 ! snarmdetect roi=0,0,1,1 ! c'", "a ! b x=1 ! identity ! fakesink"),
            (
                "pipeline = 'a name=snarmdetect2 ! b!snarmdetect'",
                "a name=snarmdetect2 ! b ! identity ! fakesink",
            ),
            ("pipeline = '( a ! snarmdetect ) ! c'", "( a ! identity ! fakesink )"),
        ] {
            assert_eq!(of(&line(text)).unwrap(), expected, "{text}");
        }
        for text in ["pipeline = 'inspect'", "pipeline = 'snarmdetect ! fakesink'"] {
            assert!(format!("{:#}", of(&line(text)).unwrap_err()).contains("expected a"), "{text}");
        }
    }

    #[test]
    fn a_property_is_in_the_configuration_or_in_the_launch_line() {
        let own =
            line("pipeline = 'a roi=1 ! snarmdetect roi=\"0,0,1,1\" ignore-mask=m.png ! b model-location=x'");
        let found = ["roi", "ignore-mask", "model-location", "ignore"].map(|name| property(&own, name));
        assert_eq!(found, [Some("0,0,1,1"), Some("m.png"), None, None]);
        let both = line("pipeline = 'a ! snarmdetect roi=0,0,1,1 ! b'\ndetect = { roi = '0,0,0.5,1' }");
        assert_eq!(property(&both, "roi"), Some("0,0,0.5,1"));
    }
}
