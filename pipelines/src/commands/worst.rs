//! `snarm worst`: the frames of a recording that scored highest, and one line on all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Deserialize;
use snarm_core::metrics::{Samples, auroc};
use snarm_core::paths::text;
use snarm_core::results::{self, Record};

use super::make_parent;
use crate::annotate::to_rgb;
use crate::evaluation::Unjudged;
use crate::exit::Outcome;
use crate::inputs::{Ranges, Shown, Video};
use crate::output;
use crate::progress::Progress;

/// Saves the highest-scoring frames of an annotated clip as pictures and sums up its results in one line.
///
/// Frame i of the clip belongs to line i of the results. The files of a recording in segments are given together:
/// --video run000.mkv run001.mkv, or --video run*.mkv.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Annotated clip, or the files of one in their order
    #[arg(long, required = true, num_args = 1..)]
    video: Vec<PathBuf>,
    /// Its results, one line of JSON a frame
    #[arg(long)]
    results: PathBuf,
    /// Folder for the pictures
    #[arg(long, short)]
    out: PathBuf,
    /// Number of pictures
    #[arg(long, default_value_t = 12)]
    count: usize,
    /// Seconds that two of the pictures lie apart at least
    #[arg(long, default_value_t = 0.4)]
    apart: f64,
    /// Stretches to leave out: those that were learned from
    #[arg(long)]
    exclude: Option<Ranges>,
    /// Truth of a simulated clip (truth.jsonl), to compare the verdicts with
    #[arg(long)]
    truth: Option<PathBuf>,
}

/// What is needed of a line of truth.
#[derive(Deserialize)]
struct Truth {
    anomalous: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let all = results::read(&args.results)?;
    let scored: Vec<(usize, &Record)> =
        all.iter().enumerate().filter(|(_, line)| counts(args, line)).collect();
    if scored.is_empty() {
        bail!(
            "expected analysed frames outside the learned stretch, found none in {}",
            args.results.display()
        );
    }
    if let Some(ranges) = &args.exclude {
        let mut met = ranges.met();
        all.iter().filter_map(|line| line.timestamp).for_each(|time| met.see(time));
        for stretch in met.missing() {
            tracing::warn!(
                "--exclude: expected frames in the stretch {stretch}, found none in {}",
                text(&args.results)
            );
        }
    }
    let chosen = choose(&scored, args.count, args.apart);
    save(args, &chosen, all.len())?;
    output::line(summary(args, &scored, all.len())?)?;
    Ok(Outcome::Done)
}

fn counts(args: &Args, line: &Record) -> bool {
    let learned = |time| args.exclude.as_ref().is_some_and(|ranges| ranges.contain(time));
    line.analysed && !line.timestamp.is_some_and(learned)
}

/// The highest scores, each at some distance from the ones before.
fn choose<'a>(scored: &[(usize, &'a Record)], count: usize, apart: f64) -> Vec<(usize, &'a Record)> {
    let mut order = scored.to_vec();
    order.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then(a.0.cmp(&b.0)));
    let mut chosen: Vec<(usize, &Record)> = Vec::new();
    for candidate in order {
        let near = |other: &(usize, &Record)| match (candidate.1.timestamp, other.1.timestamp) {
            (Some(a), Some(b)) => (a.abs_diff(b) as f64) < apart * 1e9,
            _ => false,
        };
        if chosen.len() < count && !chosen.iter().any(near) {
            chosen.push(candidate);
        }
    }
    chosen
}

/// Walks through the clips once and writes the chosen frames, ranked in their names.
fn save(args: &Args, chosen: &[(usize, &Record)], lines: usize) -> Result<()> {
    let ranks: BTreeMap<usize, (usize, &Record)> =
        chosen.iter().enumerate().map(|(rank, &(i, line))| (i, (rank + 1, line))).collect();
    let progress = Progress::new("worst");
    progress.expect(Some(lines));
    let (mut left, mut i) = (ranks.len(), 0);
    for path in &args.video {
        let mut video = Video::open(path)?;
        while left > 0 {
            let Some(Shown { frame, .. }) = video.next()? else {
                video.lacks().for_each(|lack| tracing::warn!("{}: {lack}", text(path)));
                break;
            };
            progress.step();
            if let Some((rank, line)) = ranks.get(&i) {
                let name = format!("{rank:02}-frame-{:06}-score-{:.3}.png", line.frame_number, line.score);
                let path = args.out.join(name);
                make_parent(&path)?;
                to_rgb(&frame)?.save_png(&path)?;
                left -= 1;
            }
            i += 1;
        }
    }
    if left > 0 {
        let names: Vec<String> = args.video.iter().map(|path| path.display().to_string()).collect();
        bail!("expected a frame for each of {lines} lines of results, found {i}: {}", names.join(", "));
    }
    Ok(())
}

fn summary(args: &Args, scored: &[(usize, &Record)], lines: usize) -> Result<String> {
    let anomalous: Vec<_> = scored.iter().filter(|(_, line)| line.is_anomalous()).collect();
    let learned = match lines - scored.len() {
        0 => String::new(),
        n => format!(" ({n} more learned from or not analysed)"),
    };
    let mut unjudged = Unjudged::default();
    // Results of before have no verdict either; their frames were judged.
    let unknown = scored.iter().filter(|(_, line)| line.reason.is_some());
    unknown.for_each(|(_, line)| unjudged.add(line.reason));
    let unjudged = if unjudged.count() > 0 { format!(", {unjudged}") } else { String::new() };
    let worst = scored.iter().max_by(|a, b| a.1.score.total_cmp(&b.1.score));
    let worst = worst.map(|(_, line)| {
        let time = line.timestamp.map_or(String::new(), |t| format!(" at {}", clock(t)));
        format!("; worst score {:.3}{time} (threshold {:.3})", line.score, line.threshold)
    });
    let truth = match &args.truth {
        Some(path) => compare(path, scored)?,
        None => String::new(),
    };
    Ok(format!(
        "{} frames inspected{learned}, {} anomalous in {}{unjudged}{}{truth}",
        scored.len(),
        anomalous.len(),
        stretches(scored),
        worst.unwrap_or_default()
    ))
}

/// The number of runs of anomalous frames.
fn stretches(scored: &[(usize, &Record)]) -> String {
    let starts =
        scored.windows(2).filter(|pair| !pair[0].1.is_anomalous() && pair[1].1.is_anomalous()).count();
    let n = starts + usize::from(scored.first().is_some_and(|first| first.1.is_anomalous()));
    if n == 1 { "1 stretch".to_owned() } else { format!("{n} stretches") }
}

fn compare(path: &Path, scored: &[(usize, &Record)]) -> Result<String> {
    let truth: Vec<Truth> = results::read_lines(path)?;
    let mut samples = Samples::new();
    let (mut found, mut false_alarms) = (0, 0);
    let mut verdicts = Vec::with_capacity(scored.len());
    for (i, line) in scored {
        let Some(truth) = truth.get(*i) else {
            bail!("expected the truth of frame {i}, found {} lines: {}", truth.len(), path.display());
        };
        samples.push(line.score as f32, truth.anomalous);
        found += usize::from(truth.anomalous && line.is_anomalous());
        false_alarms += usize::from(!truth.anomalous && line.is_anomalous());
        verdicts.push((truth.anomalous, line.is_anomalous()));
    }
    let (seen, passed) = passes(&verdicts);
    let defective = samples.positives();
    let area = auroc(&samples.rank()?).map_or_else(|| "-".to_owned(), |area| format!("{area:.4}"));
    Ok(format!(
        "; truth: {seen} of {passed} defective stretches noticed, {found} of {defective} defective frames found, \
         {false_alarms} false alarms, AUROC {area}"
    ))
}

/// Of frames, each with its truth and its verdict: the runs of defective ones in which one was found, and all such runs.
fn passes(verdicts: &[(bool, bool)]) -> (usize, usize) {
    let runs = verdicts.chunk_by(|a, b| a.0 == b.0).filter(|run| run[0].0);
    let noticed = |run: &&[(bool, bool)]| run.iter().any(|(_, found)| *found);
    (runs.clone().filter(noticed).count(), runs.count())
}

/// A time as minutes and seconds.
fn clock(time: u64) -> String {
    let seconds = time as f64 / 1e9;
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:02.0}:{:05.2}", seconds - 60.0 * minutes)
}

#[cfg(test)]
mod tests {
    use snarm_core::detect::Limits;

    use super::*;

    #[test]
    fn pictures_lie_apart_and_the_highest_comes_first() {
        let limits = Limits {
            threshold: 0.5,
            threshold_low: None,
            pixel_threshold: 0.5,
            min_area: 0.0,
            max_regions: 0,
        };
        let line = |i: u64, score: f64| Record {
            frame_number: i,
            timestamp: Some(i * 100_000_000),
            analysed: true,
            score,
            verdict: limits.verdict(score),
            ..Record::unknown(&limits)
        };
        let lines = [line(0, 0.1), line(1, 0.8), line(2, 0.9), line(3, 0.85), line(9, 0.7), line(10, 0.2)];
        let scored: Vec<(usize, &Record)> = lines.iter().enumerate().collect();
        let frames: Vec<u64> = choose(&scored, 3, 0.4).iter().map(|(_, line)| line.frame_number).collect();
        assert_eq!(frames, [2, 9]);
        assert_eq!(stretches(&scored), "1 stretch");
        assert_eq!(clock(75_250_000_000), "01:15.25");
    }

    #[test]
    fn a_defect_is_noticed_when_one_of_its_frames_is() {
        let good = (false, false);
        let verdicts = [
            (true, true),
            good,
            (true, false),
            (true, true),
            (true, false),
            (false, true),
            (true, false),
            good,
        ];
        assert_eq!(passes(&verdicts), (2, 3));
        assert_eq!((passes(&[]), passes(&[good, (false, true)])), ((0, 0), (0, 0)));
    }
}
