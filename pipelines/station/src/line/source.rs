//! Whether the source of a line brings frames. A camera cannot be opened twice: while the pipeline has it, what is known of the
//! line says so; else `snarm-player check` opens it, and the pipeline waits meanwhile.

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
    check.arg("check").arg(text).kill_on_drop(true);
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
            "expected a line that judges frames, waits or is stopped, found one that gets ready: try again later"
        )
    };
    let lamp = state.source();
    let size = last.resolution;
    let text = format!("frames of {} x {}, {}", size.width, size.height, lamp.text);
    let finding = Finding { good: lamp.light == Light::Good, what: "pipeline".to_owned(), text };
    Ok(SourceTest { is_running: true, findings: vec![finding] })
}

/// The launch line that a source is tried with: of a launch recipe its variable `source`, of a launch line what is before the
/// detector.
///
/// # Errors
/// When there is neither.
fn of(config: &config::Line) -> Result<String> {
    if let Some(source) = config.variables.get("source") {
        // It brings what videoconvert takes.
        return Ok(format!("{source} ! videoconvert ! fakesink"));
    }
    let is_apart = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || "!()".contains(c));
    let text = config.pipeline.as_str();
    let at = text.match_indices(DETECTOR).map(|(at, _)| at).find(|at| {
        let (before, after) = text.split_at(*at);
        is_apart(before.chars().next_back()) && is_apart(after.chars().nth(DETECTOR.len()))
    });
    let at = at.with_context(|| {
        format!("expected a pipeline with a variable `source` or a {DETECTOR}, found {text}")
    })?;
    let before = text[..at].trim_end().trim_end_matches(['!', '(']).trim_end();
    if before.is_empty() {
        bail!("expected a source before {DETECTOR}, found none");
    }
    let count = |sign| before.matches(sign).count();
    let closed = " )".repeat(count('(').saturating_sub(count(')')));
    Ok(format!("{before} ! identity ! fakesink{closed}"))
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
}
