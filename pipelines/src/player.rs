//! GStreamer, through the helper process `snarm-player`. The command does not link GStreamer: it starts without it,
//! pipelines are text, and frames travel through pipes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

/// Name of the program.
const PLAYER: &str = "snarm-player";

/// A running player. Dropped before [`Player::finish`], it is ended.
pub(crate) struct Player {
    child: Child,
    errors: Option<JoinHandle<String>>,
    /// Standard input of one that reads nothing from it: it ends with this, and so with the command, however that ends.
    lifeline: Option<ChildStdin>,
}

impl Player {
    /// Starts to decode a clip; its frames come as YUV4MPEG2.
    pub(crate) fn clip(path: &Path) -> Result<(Self, ChildStdout)> {
        let mut player = Self::spawn(command()?.arg("clip").arg(path), Stdio::piped())?;
        player.lifeline = player.child.stdin.take();
        let stdout = player.child.stdout.take().context("no pipe from snarm-player")?;
        Ok((player, stdout))
    }

    /// Starts a pipeline whose input is written by us, and whose output is a file.
    pub(crate) fn writer(pipeline: &[String], output: File) -> Result<(Self, ChildStdin)> {
        let mut player = Self::spawn(command()?.arg("run").args(pipeline), output.into())?;
        let stdin = player.child.stdin.take().context("no pipe to snarm-player")?;
        Ok((player, stdin))
    }

    fn spawn(command: &mut Command, stdout: Stdio) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|reason| unusable(command, &reason))?;
        let errors = match child.stderr.take() {
            Some(pipe) => {
                Some(std::thread::Builder::new().name("gst-errors".into()).spawn(|| read_text(pipe))?)
            }
            None => None,
        };
        Ok(Self { child, errors, lifeline: None })
    }

    /// Waits for the end. A failed run is an error that carries what the player said; of another one that is returned, line
    /// by line, which of a clip is what it lacks.
    pub(crate) fn finish(mut self) -> Result<Vec<String>> {
        let status = self.child.wait().context("cannot wait for snarm-player")?;
        drop(self.lifeline.take());
        let text = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if !status.success() {
            bail!("{}", said(&text).unwrap_or_else(|| format!("snarm-player ended with {status}")));
        }
        Ok(text.lines().filter_map(|line| line.strip_prefix("snarm: ")).map(str::to_owned).collect())
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        // Both fail when the child has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a pipeline in the place of this process: signals, input and output are its own. After a signal its stream has so
/// many seconds to end. Returns only when it cannot be started.
pub(crate) fn run(pipeline: &[OsString], end_within: u32) -> anyhow::Error {
    match command() {
        Ok(mut command) => {
            let reason = command.arg("run").arg(format!("--end-within={end_within}")).args(pipeline).exec();
            unusable(&command, &reason)
        }
        Err(reason) => reason,
    }
}

/// What `snarm-player about` says.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) registry: PathBuf,
    pub(crate) system: Option<PathBuf>,
    pub(crate) plugin: Option<PathBuf>,
    pub(crate) plugin_version: Option<String>,
    pub(crate) refused: Vec<PathBuf>,
    pub(crate) missing: Vec<String>,
}

/// Which GStreamer there is, and what it has.
pub(crate) fn about() -> Result<About> {
    let output = output(command()?.arg("about"))?;
    serde_json::from_slice(&output.stdout).context("snarm-player about: expected JSON, found other bytes")
}

/// Something that `snarm-player check` found.
#[derive(Debug, Deserialize)]
pub(crate) struct Finding {
    pub(crate) good: bool,
    pub(crate) what: String,
    pub(crate) text: String,
}

/// Says whether a pipeline would run.
pub(crate) fn check(pipeline: &[OsString]) -> Result<Vec<Finding>> {
    let output = output(command()?.arg("check").args(pipeline))?;
    serde_json::from_slice(&output.stdout).context("snarm-player check: expected JSON, found other bytes")
}

/// Why a plugin file cannot be loaded; nothing where it can.
pub(crate) fn load_failure(plugin: &Path) -> Option<String> {
    output(command().ok()?.arg("load").arg(plugin)).err().map(|reason| format!("{reason:#}"))
}

/// Runs the player to its end, or to that of the command.
fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|reason| unusable(command, &reason))?;
    let lifeline = child.stdin.take();
    let output = child.wait_with_output().context("cannot wait for snarm-player")?;
    drop(lifeline);
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.signal() {
        Some(signal) => bail!("it ends its process by signal {signal}"),
        None => {
            bail!("{}", said(&text).unwrap_or_else(|| format!("snarm-player ended with {}", output.status)))
        }
    }
}

fn command() -> Result<Command> {
    path().map(Command::new)
}

/// The player of this installation: beside the command, or in `libexec`.
pub(crate) fn path() -> Result<PathBuf> {
    let exe = std::env::current_exe().and_then(|path| path.canonicalize()).context("cannot find myself")?;
    let folder = exe.parent().unwrap_or(Path::new(""));
    let places = [folder.join(PLAYER), folder.join("../libexec/snarm").join(PLAYER)];
    match places.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!(
            "expected the program {PLAYER}, which is installed with snarm, found none in {} and ../libexec/snarm",
            folder.display()
        ),
    }
}

fn unusable(command: &Command, reason: &std::io::Error) -> anyhow::Error {
    anyhow!("cannot run {}: {reason}", Path::new(command.get_program()).display())
}

fn read_text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read until an error is still worth showing.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the player said at its end, without its name, or what the loader said where the player did not start.
fn said(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let own: Vec<&str> = lines.clone().filter_map(|line| line.strip_prefix("snarm: ")).collect();
    let all: Vec<&str> = if own.is_empty() { lines.collect() } else { own };
    (!all.is_empty()).then(|| all.join("; "))
}

/// A line of elements as words, split at white space.
pub(crate) fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Version of a tool of GStreamer on the path, when it is there.
pub(crate) fn tool_version(tool: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(tool).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| line.starts_with("GStreamer ")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_what_the_player_says_or_else_what_the_system_says() {
        let text = "(snarm-player:7): GStreamer-WARNING **: x\nsnarm: filesrc0: Resource not found.\n";
        assert_eq!(said(text).unwrap(), "filesrc0: Resource not found.");
        assert_eq!(said("one\n\ntwo\n").unwrap(), "one; two");
        assert_eq!(said("\n"), None);
    }
}
