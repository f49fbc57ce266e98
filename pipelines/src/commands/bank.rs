//! `snarm bank`: good frames in, a bank out.

mod odd;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::bank::{Bank, BankBuilder, Held};
use snarm_core::files::check_writable;
use snarm_core::paths::text;
use snarm_core::registry;

use super::outputs::{self, Holds, Inputs};
use super::{BankOptions, FramesOn, ModelOption, ReadingOptions, make_parent, show_stage};
use crate::exit::Outcome;
use crate::inputs::{self, Ranges, Selection, Source};
use crate::output;
use crate::progress::Progress;

/// Learns what good looks like and writes a bank.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Images, folders, patterns ('good/*.png') or clips that show good parts alone
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Bank file to write
    #[arg(long, short)]
    out: PathBuf,
    /// Stretches of clips to learn from, such as 0-10s or 0-10s,1m-1m20s
    #[arg(long)]
    range: Option<Ranges>,
    /// Learn each so many-th frame
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    interval: u32,
    /// Stop after so many learned frames; 0 is no limit
    #[arg(long, default_value_t = 0)]
    max_frames: usize,
    /// Start from what the bank file holds already
    #[arg(long)]
    append: bool,
    /// Pass over image files that cannot be read, with a warning
    #[arg(long)]
    skip_unreadable: bool,
    /// Folder for pictures of the learned frames that are unlike the rest, and odd-frames.json, which says how much
    #[arg(long, value_name = "DIR")]
    odd_frames: Option<PathBuf>,
    #[command(flatten)]
    reading: ReadingOptions,
    #[command(flatten)]
    bank: BankOptions,
    #[command(flatten)]
    model: ModelOption,
    #[command(flatten)]
    frames: FramesOn,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let sources = inputs::resolve(&args.inputs)?;
    if args.range.is_some() && sources.iter().all(|s| matches!(s, Source::Still { .. })) {
        bail!("--range: expected a clip, found images only");
    }
    // Before the long work.
    let read = Inputs::of(sources.iter().map(Source::path));
    if args.append {
        outputs::check_continued("--out", &args.out, &read)?;
    } else {
        outputs::check("--out", &args.out, Holds::Bank, &read)?;
    }
    if let Some(folder) = &args.odd_frames {
        odd::check(&sources, folder, &read)?;
    }
    make_parent(&args.out)?;
    check_writable(&args.out).with_context(|| format!("cannot write bank {}", text(&args.out)))?;
    let (mut builder, held) = start(args)?;
    let mut wanted = Selection {
        ranges: args.range.clone().unwrap_or_default(),
        interval: args.interval as usize,
        max_frames: args.max_frames,
        skip_unreadable: args.skip_unreadable,
        reading: args.reading.reading(),
    };
    wanted.reading.bits = wanted.reading.bits.or(builder.picture_bits());
    inputs::find_bits(&sources, &mut wanted)?;
    builder.set_picture_bits(wanted.reading.bits);
    let progress = Progress::new("learn");
    let mut alike = 0;
    let seen = inputs::visit(&sources, &wanted, &progress, &mut |item| {
        alike += usize::from(!builder.add_from(&item.frame, Some(odd::origin(item)))?);
        Ok(())
    })?;
    let bank = builder.finish(&mut show_stage(&progress))?;
    match held {
        Some(mut held) => held.save(&bank)?,
        None => bank.save(&args.out)?,
    }
    drop(progress);
    if let Some(doubt) = bank.calibrations().last().and_then(|used| bank.doubt(used)) {
        tracing::warn!("{doubt}");
        if alike > 0 {
            tracing::warn!("{alike} of {} frames are not as new as --min-novelty asks for", seen.frames);
        }
    }
    if let Some(chosen) = bank.chosen_views().filter(|chosen| chosen.lower.is_empty()) {
        tracing::warn!("{chosen}");
    }
    odd::tell(&bank);
    if let Some(folder) = &args.odd_frames {
        odd::write(&bank, &sources, &wanted, folder)?;
    }
    output::line(describe(args, &bank, seen))?;
    Ok(Outcome::Done)
}

/// A builder, and the right to write the file.
fn start(args: &Args) -> Result<(BankBuilder, Option<Held>)> {
    let name = args.bank.encoder.as_deref();
    let (encoder, mut builder, held) = if args.append {
        let (bank, held) = Bank::open_to_append(&args.out)?;
        let encoder = registry::encoder_for(&bank, name, args.frames.how()?)?;
        (Arc::clone(&encoder), BankBuilder::append(encoder, &bank, args.bank.settings()?)?, Some(held))
    } else {
        let encoder = args.model.encoder(name, args.frames.how()?)?;
        (Arc::clone(&encoder), BankBuilder::new(encoder, args.bank.settings()?)?, Bank::hold(&args.out)?)
    };
    if let Some(decoder) = args.model.decoder(&encoder)? {
        builder.calibrate_with(decoder)?;
    }
    Ok((builder.on(args.frames.device)?, held))
}

fn describe(args: &Args, bank: &Bank, seen: inputs::Seen) -> String {
    // What the bank was calibrated with last is what a detector will use.
    let good = bank.calibrations().last().unwrap_or_else(|| bank.calibration());
    let skipped =
        if seen.skipped > 0 { format!(" ({} files unreadable)", seen.skipped) } else { String::new() };
    let vectors = match bank.memory() {
        Some(memory) => format!("{} vectors of {}", memory.vectors(), memory.width()),
        None => "no vectors".to_owned(),
    };
    let copies = match bank.header().copies {
        0 => String::new(),
        copies => format!(", {copies} of them copies"),
    };
    let views = match bank.chosen_views().filter(|chosen| !chosen.lower.is_empty()) {
        Some(chosen) => format!("; {chosen}"),
        None if bank.views().is_empty() => String::new(),
        None => format!("; views: {} learned", bank.views_text()),
    };
    // Of few frames.
    let scored = if good.frames > bank.frames() { " and views" } else { "" };
    let places = bank.place_radius().map_or_else(String::new, |radius| {
        format!("; vectors count within {:.0} % of the frame around their places", 100.0 * radius)
    });
    format!(
        "{}: {vectors} from {} frames{copies}{skipped}; {} good frames{scored} score {:.3} on average, {:.3} at most; threshold \
         {:.3}{places}{views}",
        text(&args.out),
        bank.frames(),
        good.frames,
        good.mean,
        good.max,
        good.threshold,
    )
}
