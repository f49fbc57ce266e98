//! GStreamer's tools as child processes. The command does not link GStreamer: recipes are text, and frames travel
//! through pipes.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};

const LAUNCH: &str = "gst-launch-1.0";
const INSPECT: &str = "gst-inspect-1.0";

/// A running `gst-launch-1.0`. Dropped before [`Launch::finish`], it is ended.
pub(crate) struct Launch {
    child: Child,
    errors: Option<JoinHandle<String>>,
}

impl Launch {
    /// Starts a pipeline whose output is read by us.
    pub(crate) fn reader(pipeline: &[String]) -> Result<(Self, ChildStdout)> {
        let mut launch = Self::spawn(pipeline, Stdio::null(), Stdio::piped())?;
        let stdout = launch.child.stdout.take().context("no pipe from gst-launch-1.0")?;
        Ok((launch, stdout))
    }

    /// Starts a pipeline whose input is written by us.
    pub(crate) fn writer(pipeline: &[String]) -> Result<(Self, ChildStdin)> {
        let mut launch = Self::spawn(pipeline, Stdio::piped(), Stdio::null())?;
        let stdin = launch.child.stdin.take().context("no pipe to gst-launch-1.0")?;
        Ok((launch, stdin))
    }

    fn spawn(pipeline: &[String], stdin: Stdio, stdout: Stdio) -> Result<Self> {
        let mut command = Command::new(LAUNCH);
        command.arg("-q").args(pipeline).stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| missing(LAUNCH, &e))?;
        let errors = match child.stderr.take() {
            Some(pipe) => {
                Some(std::thread::Builder::new().name("gst-errors".into()).spawn(|| read_text(pipe))?)
            }
            None => None,
        };
        Ok(Self { child, errors })
    }

    /// Waits for the end of the pipeline; a failed one is an error that carries what it wrote.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.child.wait().context("cannot wait for gst-launch-1.0")?;
        let text = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if !status.success() {
            bail!("gst-launch-1.0 ended with {status}: {}", summary(&text));
        }
        Ok(())
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        // Both fail when the child has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read until an error is still worth showing.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first error of gst-launch with the line that explains it, without its surroundings.
fn summary(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let Some(at) =
        lines.iter().position(|line| line.contains("ERROR") || line.contains("WARNING: erroneous"))
    else {
        return lines.join("; ");
    };
    let shown = lines.iter().skip(at).take(4).filter(|line| !line.starts_with("Additional debug info"));
    shown.copied().collect::<Vec<_>>().join("; ")
}

fn missing(tool: &str, source: &std::io::Error) -> anyhow::Error {
    anyhow!("expected the tool {tool} (Debian package gstreamer1.0-tools), found none: {source}")
}

/// `name=value` as gst-launch reads it back, whatever `value` holds.
pub(crate) fn property(name: &str, value: impl std::fmt::Display) -> String {
    let escaped = value.to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}=\"{escaped}\"")
}

/// A file as a child finds it, while we have it open. `gst-launch-1.0` takes text alone: a path that is none is that of our
/// open file.
pub(crate) fn location(path: &Path, open: &File) -> String {
    let ours = || format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd());
    path.to_str().map_or_else(ours, str::to_owned)
}

/// A line as gst-launch takes it, split at white space.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Version of the tools, when they are there.
pub(crate) fn version() -> Result<String> {
    let output = Command::new(LAUNCH).arg("--version").output().map_err(|e| missing(LAUNCH, &e))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line =
        text.lines().find(|line| line.starts_with("GStreamer ")).unwrap_or("GStreamer of unknown version");
    Ok(line.to_owned())
}

/// Description of an element or plugin as `gst-inspect-1.0` prints it; `None` when there is no such thing.
pub(crate) fn inspect(name: &str) -> Result<Option<String>> {
    let output = Command::new(INSPECT).arg(name).output().map_err(|e| missing(INSPECT, &e))?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_taken_out_of_what_gst_launch_wrote() {
        let text = "ERROR: from element /GstPipeline:pipeline0/GstFileSrc:filesrc0: Resource not found.\n\
                    Additional debug info:\n../gstfilesrc.c(553): gst_file_src_start ():\nNo such file \"a.mp4\"\n\
                    ERROR: pipeline doesn't want to preroll.\n";
        let shown = summary(text);
        assert!(
            shown.starts_with("ERROR: from element") && shown.ends_with("No such file \"a.mp4\""),
            "{shown}"
        );
        assert_eq!(summary("one\n\ntwo\n"), "one; two");
    }

    #[test]
    fn values_are_quoted() {
        assert_eq!(property("location", r#"a b!c "d\e.mp4"#), r#"location="a b!c \"d\\e.mp4""#);
    }
}
