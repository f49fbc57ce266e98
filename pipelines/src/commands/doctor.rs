//! `snarm doctor`: what this machine offers, and what is missing.

use anyhow::Result;
use snarm_core::{cuda, registry};

use crate::exit::Outcome;
use crate::gst;
use crate::output;

/// Says what was found on this machine: processor, GStreamer, the elements, the encoder, GPUs.
///
/// Ends with exit code 1 when something is missing that the elements or the command need.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Encoder to look at [default: $SNARM_ENCODER, or snarm-tiny]
    #[arg(long)]
    encoder: Option<String>,
}

/// The elements of the plugin.
const ELEMENTS: [&str; 3] = ["snarmbank", "snarmdetect", "snarmoverlay"];
/// Elements that clips are read and written with, and the Debian packages they come in.
const HELPERS: [(&str, &str); 6] = [
    ("decodebin", "gstreamer1.0-plugins-base"),
    ("matroskamux", "gstreamer1.0-plugins-good"),
    ("jpegenc", "gstreamer1.0-plugins-good"),
    ("y4menc", "gstreamer1.0-plugins-good"),
    ("avdec_h264", "gstreamer1.0-libav"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
];

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut findings = Findings::default();
    findings.good("snarm", env!("CARGO_PKG_VERSION"));
    processor(&mut findings);
    if gstreamer(&mut findings) {
        elements(&mut findings)?;
        helpers(&mut findings)?;
    }
    encoder(args, &mut findings);
    gpus(&mut findings);
    findings.print()
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

fn gstreamer(findings: &mut Findings) -> bool {
    match gst::version() {
        Ok(version) => findings.good("GStreamer", version),
        Err(reason) => {
            findings.bad("GStreamer", reason.to_string());
            return false;
        }
    }
    true
}

fn elements(findings: &mut Findings) -> Result<()> {
    for name in ELEMENTS {
        match gst::inspect(name)? {
            Some(text) => findings.good(name, place(&text)),
            None => findings.bad(
                name,
                "not found: `make install`, or GST_PLUGIN_PATH with the folder of libgstsnarm.so".to_owned(),
            ),
        }
    }
    Ok(())
}

/// The file that an element comes from, as `gst-inspect-1.0` says it.
fn place(text: &str) -> String {
    let field = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name))?;
        Some(line.trim_start().strip_prefix(name)?.trim().to_owned())
    };
    let (file, version) = (field("Filename"), field("Version"));
    format!("{} {}", version.unwrap_or_default(), file.unwrap_or_default()).trim().to_owned()
}

fn helpers(findings: &mut Findings) -> Result<()> {
    for (name, package) in HELPERS {
        if gst::inspect(name)?.is_none() {
            findings
                .bad(name, format!("not found (Debian package {package}): clips cannot be read or written"));
        }
    }
    Ok(())
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

/// Frames are scored on the processor; what is here is told all the same.
fn gpus(findings: &mut Findings) {
    match cuda::probe() {
        Ok(devices) if devices.is_empty() => findings.good("GPU", "no CUDA device found"),
        Ok(devices) => {
            for device in devices {
                let ((major, minor), gigabytes) = (device.capability, device.memory as f64 / 1e9);
                let use_of = if cfg!(feature = "cuda") {
                    "for `--device cuda` of `snarm train` and `snarm distill`"
                } else {
                    "not used by this build"
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
    lines: Vec<(bool, &'static str, String)>,
}

impl Findings {
    fn good(&mut self, what: &'static str, text: impl Into<String>) {
        self.lines.push((true, what, text.into()));
    }

    fn bad(&mut self, what: &'static str, text: String) {
        self.lines.push((false, what, text));
    }

    fn print(&self) -> Result<Outcome> {
        let width = self.lines.iter().map(|(_, what, _)| what.len()).max().unwrap_or(0);
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
