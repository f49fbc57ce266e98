//! `snarm doctor`: what this machine offers, what files and pipelines are worth, and what is missing.

mod files;
mod plugin;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use snarm_core::{cuda, registry};

use super::{launch, path_text};
use crate::exit::Outcome;
use crate::output;
use crate::player;

/// Says what was found on this machine, in files, or in the way of a pipeline.
///
/// Without arguments: processor, GStreamer, the elements and why they are not found, the encoder, GPUs. With files: what
/// each of them is (bank, decoder, encoder, clip or picture) and whether they fit each other. With a pipeline, or a recipe
/// and its variables: whether it would run, and what is missing in it; its source is opened and its first frames go
/// through, nothing is written and nothing is sent.
///
/// Ends with exit code 1 when something is missing or does not fit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files, a pipeline as gst-launch-1.0 takes it, or a recipe and its variables
    #[arg(value_name = "FILE|PIPELINE")]
    what: Vec<OsString>,
    /// Encoder to look at [default: $SNARM_ENCODER, or snarm-tiny]
    #[arg(long, value_parser = path_text())]
    encoder: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut findings = Findings::default();
    match args.what.as_slice() {
        [] => machine(args, &mut findings),
        [first, ..] if Path::new(first).exists() => {
            files::look(&args.what, args.encoder.as_deref(), &mut findings)
        }
        words if launch::is_pipeline(words) || launch::is_recipe(words) => {
            for found in player::check(&launch::words(words)?)? {
                findings.add(found.good, found.what, found.text);
            }
        }
        _ => files::look(&args.what, args.encoder.as_deref(), &mut findings),
    }
    findings.print()
}

/// What this machine offers.
fn machine(args: &Args, findings: &mut Findings) {
    findings.good("snarm", env!("CARGO_PKG_VERSION"));
    processor(findings);
    match player::about() {
        Ok(about) => plugin::look(&about, findings),
        Err(reason) => findings.bad("GStreamer", format!("{reason:#}")),
    }
    encoder(args, findings);
    gpus(findings);
}

fn processor(findings: &mut Findings) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match snarm_core::threads::pool() {
        Ok(pool) => {
            let threads = pool.current_num_threads();
            findings.good("processor", format!("{cores} cores, {threads} threads{}", level()));
        }
        Err(reason) => findings.bad("processor", format!("{cores} cores{}: {reason}", level())),
    }
}

/// Level of the CPU kernels.
fn level() -> String {
    format!(", kernels at level {}", snarm_core::simd::isa().name())
}

fn encoder(args: &Args, findings: &mut Findings) {
    match registry::encoder(args.encoder.as_deref()) {
        Ok(encoder) => {
            let digest: String = encoder.digest().chars().take(12).collect();
            findings.good("encoder", format!("{} ({digest})", encoder.name()));
            findings.good("", encoder.provenance());
        }
        Err(reason) => findings.bad("encoder", reason.to_string()),
    }
}

/// Elements score frames on the processor; the command does so on a GPU where it is asked to.
fn gpus(findings: &mut Findings) {
    match cuda::probe() {
        Ok(devices) if devices.is_empty() => findings.good("GPU", "no CUDA device found"),
        Ok(devices) => {
            for device in devices {
                let ((major, minor), gigabytes) = (device.capability, device.memory as f64 / 1e9);
                let use_of = if cfg!(feature = "cuda") {
                    "for `--device cuda` of detect, bench, train and distill"
                } else {
                    "for `--device cuda` of detect and bench"
                };
                let what = format!("{}, CUDA {major}.{minor}, {gigabytes:.0} GB; {use_of}", device.name);
                findings.good("GPU", what);
            }
        }
        Err(reason) => findings.good("GPU", format!("not usable: {reason}")),
    }
}

/// What was found, one line each.
#[derive(Default)]
struct Findings {
    lines: Vec<(bool, String, String)>,
}

impl Findings {
    fn good(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.add(true, what, text);
    }

    fn bad(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.add(false, what, text);
    }

    fn add(&mut self, good: bool, what: impl Into<String>, text: impl Into<String>) {
        self.lines.push((good, what.into(), text.into()));
    }

    fn print(&self) -> Result<Outcome> {
        let width = self.lines.iter().map(|(_, what, _)| what.chars().count()).max().unwrap_or(0);
        for (good, what, text) in &self.lines {
            let mark = if *good { "  " } else { "! " };
            output::line(format!("{mark}{what:<width$}  {text}"))?;
        }
        let missing = self.lines.iter().filter(|(good, _, _)| !good).count();
        if missing > 0 {
            output::line(format!("{missing} of these need attention (marked with !)"))?;
        }
        Ok(if missing > 0 { Outcome::Unfit } else { Outcome::Done })
    }
}
