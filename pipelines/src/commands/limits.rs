//! `snarm limits`: what each rule makes of the good frames that a bank knows, and what it would change.

use std::fmt::Write as _;
use std::path::PathBuf;

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
/// judged with.
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
    /// Frames of the stream that are analysed in a second
    #[arg(long, default_value_t = Promises::USUAL.rate, value_parser = positive)]
    fps: f64,
    /// Standard deviations above the median, for threshold-mode=sigma
    #[arg(long, default_value_t = Promises::USUAL.sigma, value_parser = positive)]
    sigma: f64,
    /// Picture of it: good frames of the bank above the line, judged ones below
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("expected a number above 0, found {text}")),
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if let Some(path) = &args.picture {
        let inputs = Inputs::of(args.results.iter().chain([&args.bank]).map(PathBuf::as_path));
        outputs::check("--picture", path, Holds::Drawing, &inputs)?;
        make_parent(path)?;
    }
    let bank = registry::bank(&args.bank)?;
    let mut judged = Vec::new();
    for path in &args.results {
        let of_file = results::read(path)?.into_iter().filter(|record| record.analysed);
        // A frame that could not be judged has a score that says nothing.
        let (known, unknown): (Vec<Record>, Vec<Record>) =
            of_file.partition(|record| record.reason.is_none());
        if !unknown.is_empty() {
            let n = unknown.len();
            tracing::warn!("left out: {n} frame(s) that could not be judged: {}", text(path));
        }
        judged.extend(known);
    }
    if !args.results.is_empty() && judged.is_empty() {
        bail!("expected frames that were analysed, found none in {}", args.results[0].display());
    }
    let calibration = calibration(&bank, &judged)?;
    if judged.iter().any(|record| !record.bank_id.is_empty() && record.bank_id != bank.digest()) {
        tracing::warn!("some of the frames were judged by another bank: their scores have another scale");
    }
    let rules = calibration.rules(&Promises {
        sigma: args.sigma,
        fprs: &args.target_fpr,
        events_per_hour: args.target_events_per_hour,
        rate: args.fps,
    });
    table(&rules, calibration, &judged).print()?;
    output::line(format!(
        "{} good frames, scores of {}; runs of high frames are {:.1} long",
        calibration.frames, calibration.scorer, calibration.run
    ))?;
    if let Some(doubt) = bank.doubt(calibration) {
        tracing::warn!("{doubt}");
    }
    if let Some(path) = &args.picture {
        write_text(path, &picture(&rules, &calibration.scores, &scores(&judged)))?;
    }
    Ok(Outcome::Done)
}

/// That of the scorer which judged the frames; without frames that of the decoder, where the bank has one.
fn calibration<'a>(bank: &'a Bank, judged: &[Record]) -> Result<&'a Calibration> {
    let scorer = judged.iter().find_map(|record| record.model_id.split_once(':')).map(|(_, scorer)| scorer);
    match scorer {
        Some(scorer) => bank.calibration_of(scorer).with_context(|| {
            let known: Vec<&str> = bank.calibrations().map(|one| &*one.scorer).collect();
            format!("expected frames that were scored by {}, found {scorer}", known.join(" or "))
        }),
        None => Ok(bank.calibrations().last().unwrap_or(bank.calibration())),
    }
}

fn scores(judged: &[Record]) -> Vec<f64> {
    judged.iter().map(|record| record.score).collect()
}

fn table(rules: &[Rule], calibration: &Calibration, judged: &[Record]) -> Table {
    let above = |scores: &[f64], limit: f64| scores.iter().filter(|score| **score >= limit).count();
    let scores = scores(judged);
    let used = judged.iter().filter(|record| record.score >= record.threshold).count();
    let mut header = vec!["rule", "threshold", "good frames above"];
    if !judged.is_empty() {
        header.extend(["judged frames above", "change"]);
    }
    let mut table = Table::new(&header);
    for Rule { name, threshold } in rules {
        let good = above(&calibration.scores, *threshold);
        let mut row =
            vec![name.clone(), format!("{threshold:.3}"), format!("{good} of {}", calibration.scores.len())];
        if !judged.is_empty() {
            let found = above(&scores, *threshold);
            row.push(format!("{found} of {}", scores.len()));
            row.push(format!("{:+}", found as i64 - used as i64));
        }
        table.row(row);
    }
    table
}

const BINS: usize = 50;
const SIZE: [f64; 2] = [760.0, 330.0];
const LEFT: f64 = 20.0;
const WIDTH: f64 = 720.0;
const MIDDLE: f64 = 190.0;
const ROOM: f64 = 100.0;

/// A histogram with two sides, and a line for each rule.
fn picture(rules: &[Rule], good: &[f64], judged: &[f64]) -> String {
    let [width, height] = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Image scores of good frames above the line and of judged frames below, with the threshold of each \
         rule\" font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (scores, up, colour) in [(good, true, "#2a7f62"), (judged, false, "#4a5a8a")] {
        let mut counts = [0_usize; BINS];
        scores.iter().for_each(|score| counts[((score * BINS as f64) as usize).min(BINS - 1)] += 1);
        let most = counts.iter().max().copied().unwrap_or_default().max(1) as f64;
        let step = WIDTH / BINS as f64;
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (x, tall) = (LEFT + bin as f64 * step, *count as f64 / most * ROOM);
            let y = if up { MIDDLE - tall } else { MIDDLE };
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"><title>{count} frames</title></rect>",
                step - 1.0
            );
        }
    }
    let _ = writeln!(svg, "<path d=\"M{LEFT} {MIDDLE}h{WIDTH}\" stroke=\"#222\"/>");
    for (i, Rule { name, threshold }) in rules.iter().enumerate() {
        let (x, y) = (LEFT + threshold * WIDTH, 16.0 + 14.0 * i as f64);
        let anchor = if *threshold > 0.8 { "end" } else { "start" };
        let beside = if *threshold > 0.8 { x - 4.0 } else { x + 4.0 };
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {}V{}\" stroke=\"#b3261e\" stroke-dasharray=\"{} 3\"/><text x=\"{beside:.1}\" y=\"{y}\" \
             text-anchor=\"{anchor}\" fill=\"#b3261e\">{name}: {threshold:.3}</text>",
            y - 10.0,
            MIDDLE + ROOM,
            3 + 2 * i
        );
    }
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = LEFT + part * WIDTH;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{part}</text>",
            MIDDLE + ROOM + 18.0
        );
    }
    let y = MIDDLE + ROOM + 34.0;
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\" fill=\"#2a7f62\">above: {} good frames of the bank</text><text x=\"{}\" y=\"{y}\" \
         text-anchor=\"end\" fill=\"#4a5a8a\">below: {} judged frames</text></svg>",
        good.len(),
        LEFT + WIDTH,
        judged.len()
    );
    svg
}
