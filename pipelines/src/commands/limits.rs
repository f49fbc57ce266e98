//! `snarm limits`: what each rule makes of the good frames that a bank knows, and what it would change.

mod picture;

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snarm_core::bank::{Bank, Calibration, Promises, Rule};
use snarm_core::paths::text;
use snarm_core::registry;
use snarm_core::results::{self, Record};

use super::outputs::{self, Holds, Inputs};
use super::{fraction, make_parent, write_text};
use crate::exit::Outcome;
use crate::output::{self, Table};

/// Shows the limits that each rule takes from a bank, and what they would change of frames that were judged.
///
/// For each rule: the threshold, the good frames of the bank that reach it (they were scored as if they had not been
/// learned), and with RESULTS the judged frames that reach it, with how many more or less that is than at the threshold they were
/// judged with, and the recent ones. The last column is the part of new good frames that will reach it: in four of five cases it
/// lies in that range.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bank whose limits are shown
    bank: PathBuf,
    /// Results of frames that it judged (results.jsonl), of elements or command
    results: Vec<PathBuf>,
    /// Rate of good frames above the threshold, for threshold-mode=fpr
    #[arg(long, default_values_t = Promises::USUAL.fprs.to_vec(), value_parser = fraction, value_name = "RATE")]
    target_fpr: Vec<f64>,
    /// False alarms an hour, for threshold-mode=events
    #[arg(long, default_value_t = Promises::USUAL.events_per_hour, value_parser = positive)]
    target_events_per_hour: f64,
    /// Frames of the stream that are analysed in a second, where RESULTS carry no times that say so [default: 25]
    #[arg(long, value_parser = positive)]
    fps: Option<f64>,
    /// Standard deviations above the median, for threshold-mode=sigma
    #[arg(long, default_value_t = Promises::USUAL.sigma, value_parser = positive)]
    sigma: f64,
    /// Results of frames that were judged of late, to show beside the others
    #[arg(long, value_name = "FILE")]
    recent: Option<PathBuf>,
    /// Picture of it: good frames of the bank above the line, judged and recent ones below
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    picture: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (LEAST..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {LEAST} to {MOST}, found {text}")),
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    check_once(&args.results)?;
    let format = match &args.picture {
        Some(path) => {
            let inputs = args.results.iter().chain(&args.recent).chain([&args.bank]);
            Some(check_picture(path, &Inputs::of(inputs.map(PathBuf::as_path)))?)
        }
        None => None,
    };
    let bank = registry::bank(&args.bank)?;
    let (mut judged, mut times) = (Vec::new(), Vec::new());
    for path in &args.results {
        let of_file = judged_in(path)?;
        times.push(of_file.iter().filter_map(|record| record.running_time.or(record.timestamp)).collect());
        judged.extend(of_file);
    }
    if !args.results.is_empty() && judged.is_empty() {
        bail!("expected frames that were analysed, found none in {}", args.results[0].display());
    }
    let recent = match &args.recent {
        Some(path) => judged_in(path)?,
        None => Vec::new(),
    };
    if let Some(path) = args.recent.as_ref().filter(|_| recent.is_empty()) {
        bail!("--recent: expected frames that were analysed, found none in {}", text(path));
    }
    let all: Vec<&Record> = judged.iter().chain(&recent).collect();
    let calibration = calibration(&bank, &all)?;
    if all.iter().any(|record| !record.bank_id.is_empty() && record.bank_id != bank.digest()) {
        tracing::warn!("some of the frames were judged by another bank: their scores have another scale");
    }
    let fps = match (rate(&times), args.fps) {
        (Some(fps), Some(_)) => {
            tracing::warn!("--fps: not used, since the results carry times, of {} frames/s", rounded(fps));
            fps
        }
        (found, given) => found.or(given).unwrap_or(Promises::USUAL.rate),
    };
    let rules = calibration.rules(&Promises {
        sigma: args.sigma,
        fprs: &args.target_fpr,
        events_per_hour: args.target_events_per_hour,
        rate: rounded(fps),
    });
    table(&rules, &bank, calibration, &judged, &recent).print()?;
    output::line(format!(
        "{} good frames, scores of {}; runs of high frames are {:.1} long",
        calibration.frames, calibration.scorer, calibration.run
    ))?;
    if let Some(doubt) = bank.doubt(calibration) {
        tracing::warn!("{doubt}");
    }
    if let (Some(path), Some(format)) = (&args.picture, format) {
        let (judged, recent) = (scores(&judged), scores(&recent));
        let scores = picture::Scores { good: &calibration.scores, judged: &judged, recent: &recent };
        match format {
            Format::Svg => write_text(path, &picture::svg(&rules, &scores))?,
            Format::Png => picture::pixels(&rules, &scores).save_png(path)?,
        }
    }
    Ok(Outcome::Done)
}

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

/// The format of a picture by the ending of its file, which is refused where it would replace something else.
fn check_picture(path: &Path, inputs: &Inputs) -> Result<Format> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let (format, holds) = match ending.as_deref() {
        Some("png") => (Format::Png, Holds::Plot),
        _ => (Format::Svg, Holds::Drawing),
    };
    outputs::check("--picture", path, holds, inputs)?;
    let is_file = !path.exists() || path.is_file();
    if is_file && !matches!(ending.as_deref(), Some("svg" | "png")) {
        bail!("--picture: expected a file that ends in .svg or .png, found {}", text(path));
    }
    make_parent(path)?;
    Ok(format)
}

/// The frames of a file of results that were judged.
fn judged_in(path: &Path) -> Result<Vec<Record>> {
    let of_file = results::read(path)?.into_iter().filter(|record| record.analysed);
    // A frame that could not be judged has a score that says nothing.
    let (known, unknown): (Vec<Record>, Vec<Record>) = of_file.partition(|record| record.reason.is_none());
    if !unknown.is_empty() {
        let n = unknown.len();
        tracing::warn!("left out: {n} frame(s) that could not be judged: {}", text(path));
    }
    Ok(known)
}

/// Least and greatest number of standard deviations, of events an hour and of frames a second.
const LEAST: f64 = 1e-6;
const MOST: f64 = 1e6;

/// Refuses a file that comes twice, whose frames would count twice.
fn check_once(files: &[PathBuf]) -> Result<()> {
    let mut met = HashSet::new();
    for file in files {
        // One that is not there says so when it is read.
        let known = std::fs::metadata(file).map(|found| (found.dev(), found.ino()));
        if known.is_ok_and(|known| !met.insert(known)) {
            bail!("expected each file of results once, found one that came before: {}", text(file));
        }
    }
    Ok(())
}

/// That of the scorer which judged the frames; without frames that of the decoder, where the bank has one.
fn calibration<'a>(bank: &'a Bank, judged: &[&Record]) -> Result<&'a Calibration> {
    let scorer = judged.iter().find_map(|record| record.model_id.split_once(':')).map(|(_, scorer)| scorer);
    match scorer {
        Some(scorer) => bank.calibration_of(scorer).with_context(|| {
            let known: Vec<&str> = bank.calibrations().map(|one| &*one.scorer).collect();
            format!("expected frames that were scored by {}, found {scorer}", known.join(" or "))
        }),
        None => Ok(bank.calibrations().last().unwrap_or(bank.calibration())),
    }
}

/// Frames a second by the times of files of results, in nanoseconds: by the middle one of the intervals, since recordings have
/// gaps.
fn rate(files: &[Vec<u64>]) -> Option<f64> {
    let pairs = files.iter().flat_map(|times| times.windows(2));
    let intervals = pairs.filter_map(|pair| pair[1].checked_sub(pair[0]).filter(|interval| *interval > 0));
    let mut intervals: Vec<u64> = intervals.collect();
    intervals.sort_unstable();
    intervals.get(intervals.len() / 2).map(|interval| 1e9 / *interval as f64)
}

/// A rate, to a hundredth where it is not below.
fn rounded(fps: f64) -> f64 {
    if fps < 0.1 { fps } else { (100.0 * fps).round() / 100.0 }
}

fn scores(judged: &[Record]) -> Vec<f64> {
    judged.iter().map(|record| record.score).collect()
}

fn table(
    rules: &[Rule],
    bank: &Bank,
    calibration: &Calibration,
    judged: &[Record],
    recent: &[Record],
) -> Table {
    let above = |scores: &[f64], limit: f64| {
        let found = scores.iter().filter(|score| **score >= limit).count();
        (found, format!("{found} of {}", scores.len()))
    };
    let (of_judged, of_recent) = (scores(judged), scores(recent));
    let used = judged.iter().filter(|record| record.score >= record.threshold).count();
    let mut header = vec!["rule", "threshold", "good frames above"];
    if !judged.is_empty() {
        header.extend(["judged frames above", "change"]);
    }
    if !recent.is_empty() {
        header.push("recent frames above");
    }
    header.push("of new good ones");
    let mut table = Table::new(&header);
    for Rule { name, threshold } in rules {
        let good = above(&calibration.scores, *threshold).1;
        let mut row = vec![name.clone(), format!("{threshold:.3}"), good];
        if !judged.is_empty() {
            let (found, text) = above(&of_judged, *threshold);
            row.extend([text, format!("{:+}", found as i64 - used as i64)]);
        }
        if !recent.is_empty() {
            row.push(above(&of_recent, *threshold).1);
        }
        row.push(calibration.promise(*threshold, bank.frames()).range());
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_times_of_results() {
        let at = |fps: f64, n: u64, from: f64| -> Vec<u64> {
            (0..n).map(|i| (1e9 * (from + i as f64 / fps)) as u64).collect()
        };
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&[Vec::new(), vec![7], vec![7, 7]]), None);
        let found = rate(&[at(10.0, 5, 0.0), at(10.0, 5, 0.0)]).unwrap();
        assert!((found - 10.0).abs() < 1e-6, "{found}");
        // A camera that records on motion, and one whose clock was set.
        let gap = [at(12.5, 20, 0.0), at(12.5, 20, 60.0), at(12.5, 3, 30.0)].concat();
        assert_eq!(rounded(rate(&[gap]).unwrap()), 12.5);
    }
}
