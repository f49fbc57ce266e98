//! What a file is, and whether several fit each other.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use snarm_core::bank::Bank;
use snarm_core::dataset::{self, Picture};
use snarm_core::encoder::{Encoder, PositionInterpolation};
use snarm_core::files::{self, Weights};
use snarm_core::models::{self, Decoder};
use snarm_core::{Precision, paths, registry};

use super::Findings;
use crate::commands::outputs;
use crate::inputs::Video;

/// Files shown of those that cannot be read.
const SHOWN: usize = 5;

/// How long frames of a clip are decoded, and pictures of a folder read.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was opened.
enum Opened {
    Bank(Box<Bank>),
    Decoder(Decoder),
    Encoder(Arc<Encoder>),
    /// Frames, which fit everything.
    Frames(String),
}

/// Says of each file what it is, and whether all fit each other.
pub(super) fn look(paths: &[OsString], encoder: Option<&str>, findings: &mut Findings) {
    let mut opened = Vec::new();
    for path in paths.iter().map(Path::new) {
        // An empty argument, of a variable without a value, is one all the same.
        let is_blank = path.to_str().is_some_and(|name| name.trim().is_empty());
        let name = if is_blank { format!("'{}'", path.display()) } else { paths::text(path) };
        match open(path).with_context(|| "cannot be used") {
            Ok(one) => {
                describe(&name, &one, findings);
                opened.push((name, one));
            }
            Err(reason) => findings.bad(name, format!("{reason:#}")),
        }
    }
    fit(&opened, encoder, findings);
}

/// Opens a file as what its first bytes say.
fn open(path: &Path) -> Result<Opened> {
    if path.is_dir() {
        let (images, left_out) = dataset::images(path)?;
        if images.is_empty() {
            let endings = dataset::IMAGE_ENDINGS.join(", ");
            let found = if left_out.is_empty() { "none".to_owned() } else { left_out.to_string() };
            bail!("expected pictures ({endings}) in the folder, found {found}");
        }
        let rest = if left_out.is_empty() { String::new() } else { format!("; left out: {left_out}") };
        return pictures(&images).map(|found| Opened::Frames(format!("folder of {found}{rest}")));
    }
    // A pipe or a device might keep us waiting.
    let found = path.metadata().context("expected a file, a folder, a pipeline or a recipe")?;
    if !found.is_file() {
        bail!("expected a file or a folder, found {}", files::kind(&found));
    }
    if dataset::is_image(path) {
        let picture = Picture::open(path)?;
        return Ok(Opened::Frames(format!("picture of {} x {}", picture.width, picture.height)));
    }
    let start = outputs::beginning(path)?;
    let has = |word: &str| outputs::has(&start, word);
    let (is_safetensors, is_torch) = (outputs::is_safetensors(&start), outputs::is_torch(&start));
    if start.is_empty() {
        bail!("the file is empty");
    }
    match () {
        () if is_safetensors && has("snarm-bank") => Ok(Opened::Bank(Box::new(Bank::open(path)?))),
        () if is_safetensors && has("snarm-decoder") => Ok(Opened::Decoder(Decoder::open(path)?)),
        () if is_safetensors || is_torch => weights(path),
        () => clip(path),
    }
}

/// How many pictures of a folder there are, all of which can be read as far as there is time for.
fn pictures(paths: &[PathBuf]) -> Result<String> {
    let start = Instant::now();
    let looked: Vec<Option<snarm_core::Error>> = paths
        .par_iter()
        .filter(|_| start.elapsed() < PATIENCE)
        .map(|path| Picture::open(path).err())
        .collect();
    let (all, read) = (paths.len(), looked.len());
    let looked_at = if read < all { format!(", {read} of which were read") } else { String::new() };
    let broken: Vec<snarm_core::Error> = looked.into_iter().flatten().collect();
    if broken.is_empty() {
        return Ok(format!("{all} pictures{looked_at}"));
    }
    let mut names: Vec<String> = broken.iter().take(SHOWN).map(ToString::to_string).collect();
    if broken.len() > SHOWN {
        names.push(format!("and {} more", broken.len() - SHOWN));
    }
    let n = broken.len();
    bail!("folder of {all} pictures{looked_at}, {n} that cannot be read: {}", names.join("; "))
}

/// A decoder or an encoder, without a header of ours. Decoders that reconstruct features hold an encoder, too.
fn weights(path: &Path) -> Result<Opened> {
    let file = Weights::open(path)?;
    if let Some(decoder) = models::reconstruction_in(&file, Precision::F32)? {
        return Ok(Opened::Decoder(Decoder::from(decoder)));
    }
    let reason = match Encoder::load(&paths::text(path), PositionInterpolation::Legacy) {
        Ok(encoder) => return Ok(Opened::Encoder(Arc::new(encoder))),
        Err(reason) => reason,
    };
    Decoder::from_weights(&file, Precision::F32).map(Opened::Decoder).map_err(|_| reason.into())
}

/// A clip that can be decoded to its end, or as far as there is time for.
fn clip(path: &Path) -> Result<Opened> {
    let start = Instant::now();
    let mut video = Video::open(path).context("expected a bank, decoder, encoder, picture or clip")?;
    let shown = video.next()?.context("expected a clip with at least one frame, found none")?;
    let size = format!("{} x {}", shown.frame.width(), shown.frame.height());
    let mut is_whole = false;
    while !is_whole && start.elapsed() < PATIENCE {
        is_whole = video.next()?.is_none();
    }
    let lacks: Vec<String> = video.lacks().filter(|_| is_whole).collect();
    if !lacks.is_empty() {
        bail!("clip of {size}: {}", lacks.join("; "));
    }
    let (frames, end) = video.position();
    let length = video.length().unwrap_or(end) as f64 / 1e9;
    let decoded = if is_whole {
        format!("{frames} frames in {length:.2} s")
    } else {
        format!("{length:.2} s, of which the first {frames} frames were decoded")
    };
    Ok(Opened::Frames(format!("clip of {size} as it is seen upright, {decoded}")))
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn describe(name: &str, opened: &Opened, findings: &mut Findings) {
    match opened {
        Opened::Frames(text) => findings.good(name, text),
        Opened::Bank(bank) => {
            let (vectors, width, frames) = (bank.vectors(), bank.width(), bank.frames());
            findings.good(name, format!("bank of {vectors} vectors of {width}, from {frames} frames"));
            let encoder = format!(
                "made with the encoder {} ({})",
                bank.encoder_name(),
                short(&bank.header().encoder_digest)
            );
            findings.good("", encoder);
            for calibration in bank.calibrations() {
                let (scorer, threshold) = (&calibration.scorer, calibration.threshold);
                findings.good("", format!("threshold {threshold:.3} for {scorer}"));
                if let Some(doubt) = bank.doubt(calibration) {
                    findings.bad("", doubt);
                }
            }
        }
        Opened::Decoder(decoder) => describe_decoder(name, decoder, findings),
        Opened::Encoder(encoder) => {
            let (geometry, digest) = (encoder.geometry(), short(encoder.digest()));
            let (side, grid, width) = (encoder.input_side(), geometry.grid(), geometry.width());
            findings.good(name, format!("encoder ({digest}), {side} pixels, {grid} descriptors of {width}"));
            findings.good("", encoder.provenance());
        }
    }
}

fn describe_decoder(name: &str, decoder: &Decoder, findings: &mut Findings) {
    findings.good(name, format!("decoder of the family {}: {}", decoder.family(), decoder.summary()));
    let encoder = match (decoder.encoder(), decoder.encoder_digest()) {
        (Some(encoder), Some(digest)) => format!("made for the encoder {encoder} ({})", short(digest)),
        (Some(_), None) => "holds its encoder".to_owned(),
        (None, _) => "does not say which encoder it is made for".to_owned(),
    };
    findings.good("", encoder);
    if !decoder.needs_memory() {
        findings.good(
            "",
            "detects without a bank; `snarm bank --model` with it makes one of limits, view and mask",
        );
    }
}

/// Checks every bank and decoder against the encoders that were given, or else against the one it names.
fn fit(opened: &[(String, Opened)], named: Option<&str>, findings: &mut Findings) {
    let encoders: Vec<Arc<Encoder>> = opened
        .iter()
        .filter_map(|(_, one)| if let Opened::Encoder(encoder) = one { Some(encoder.clone()) } else { None })
        .collect();
    let banks: Vec<(&str, &Bank)> =
        opened
            .iter()
            .filter_map(|(name, one)| {
                if let Opened::Bank(bank) = one { Some((name.as_str(), bank.as_ref())) } else { None }
            })
            .collect();
    let mut known = encoders.clone();
    for (name, bank) in &banks {
        // Of several encoders one has to fit; where none does, the last one says why.
        let mut found = Err(None);
        for encoder in &encoders {
            found = bank.check_encoder(encoder).map(|()| encoder.clone()).map_err(Some);
            if found.is_ok() {
                break;
            }
        }
        match found.or_else(|reason| reason.map_or_else(|| registry::encoder_of(bank, named), Err)) {
            Ok(encoder) => {
                findings.good(*name, format!("fits the encoder {}", encoder.name()));
                known.push(encoder);
            }
            Err(reason) => findings.bad(*name, reason.to_string()),
        }
    }
    for (name, one) in opened {
        let Opened::Decoder(decoder) = one else { continue };
        let mut candidates = known.clone();
        // A decoder that needs no bank may bring an encoder that no other of these files has.
        if candidates.is_empty() || banks.is_empty() && !decoder.needs_memory() {
            match registry::encoder(named.or(decoder.encoder())) {
                Ok(encoder) => candidates.push(encoder),
                Err(reason) => {
                    findings.bad(name, format!("its encoder: {reason}"));
                    continue;
                }
            }
        }
        let mut wrong = None;
        let mut fit =
            |encoder: &&Arc<Encoder>| decoder.check_encoder(encoder).map_err(|e| wrong = Some(e)).is_ok();
        let fits = candidates.iter().find(&mut fit);
        match (fits, wrong) {
            (Some(encoder), _) => findings.good(name, format!("fits the encoder {}", encoder.name())),
            (None, Some(reason)) => findings.bad(name, reason.to_string()),
            (None, None) => {}
        }
        for (bank_name, _) in banks.iter().filter(|(_, bank)| bank.calibration_of(decoder.scorer()).is_none())
        {
            let text = format!(
                "{bank_name} is not calibrated with it: its own default limit is used, learn with --model"
            );
            findings.good(name, text);
        }
    }
}
