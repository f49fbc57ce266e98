//! `snarm-player`: the helper process of the `snarm` command, and the only one that links GStreamer. It runs pipelines,
//! decodes clips for the command to read, and looks at what GStreamer offers. Users do not call it.
//!
//! ```text
//! snarm-player run WORD...     runs a pipeline to its end; INT, TERM and HUP end the stream properly, within a time that
//!                              the first word may set: --end-within=SECONDS
//! snarm-player watch WORD...   the same for a station, which is told what is found over standard input, a socket
//! snarm-player clip FILE       writes the frames of a clip, upright and with their times, to standard output
//! snarm-player check WORD...   says as JSON whether a pipeline would run; it writes nothing and sends nothing
//! snarm-player about           says as JSON which GStreamer this is, and what it has
//! snarm-player load FILE       loads a plugin file, or says why it cannot be loaded
//! ```
//!
//! Ends with 0 when done, with 1 and a message on standard error when not. clip, check, about and load end with whoever asked
//! for them: where standard input is a pipe, its end is theirs.

mod about;
mod advice;
mod check;
mod clip;
mod lifeline;
mod mirror;
mod packages;
mod pipeline;
mod run;
mod watch;
mod whole;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;

use crate::pipeline::Line;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match work(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &[OsString]) -> Result<()> {
    let (name, rest) = arguments.split_first().context("expected run, watch, clip, check, about or load")?;
    fail_instead_of_signal().context("no handler of signals")?;
    if let Some(verb @ ("run" | "watch")) = name.to_str() {
        // GStreamer may take seconds to start; a signal that comes meanwhile must not be lost.
        let asked = run::listen()?;
        start()?;
        if verb == "watch" {
            return watch::watch(&Line::new(rest)?, &asked);
        }
        let (patience, words) = patience(rest)?;
        return run::run(&Line::new(words)?, &asked, patience);
    }
    lifeline::hold()?;
    start()?;
    match (name.to_str(), rest) {
        (Some("clip"), [file]) => clip::write(Path::new(file)),
        (Some("check"), words) => print(&check::check(&Line::new(words)?)),
        (Some("about"), []) => print(&about::about()),
        (Some("load"), [file]) => {
            gst::Plugin::load_file(Path::new(file)).map(drop).map_err(|error| anyhow!("{}", error.message()))
        }
        _ => bail!("expected run WORD..., watch WORD..., clip FILE, check WORD..., about or load FILE"),
    }
}

/// How long a stream may take to end after a signal, and the words of the pipeline behind that.
fn patience(words: &[OsString]) -> Result<(Duration, &[OsString])> {
    let said = words
        .split_first()
        .and_then(|(first, rest)| Some((first.to_str()?.strip_prefix("--end-within=")?, rest)));
    let Some((text, rest)) = said else { return Ok((run::END_PATIENCE, words)) };
    let seconds: u32 =
        text.parse().with_context(|| format!("--end-within: expected seconds, found {text}"))?;
    Ok((Duration::from_secs(seconds.into()), rest))
}

/// Lets a file that outgrows the limit of this process (`ulimit -f`) be an error of the element that writes it, and not end
/// the process by a signal.
fn fail_instead_of_signal() -> io::Result<()> {
    let unread = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unread).map(drop)
}

fn start() -> Result<()> {
    gst::init().context("GStreamer does not start")
}

fn print(value: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    Ok(writeln!(out)?)
}

/// Prints one line on standard error, under the name of the command.
fn say(text: std::fmt::Arguments<'_>) {
    // There is nowhere left to report that this failed.
    let _ = writeln!(io::stderr().lock(), "snarm: {text}");
}
