//! Two versions of a bank on one recording: `snarm detect` judges its frames by each, beside the pipeline, and what both say
//! is joined by the number of the frame. Nothing follows from it but a report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use snarm_core::results::{self, Record};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::{oneshot, watch};
use utoipa::ToSchema;

use super::detector;
use super::learn;
use super::prepare::{Scratch, succeeded};
use super::shared::Line;
use crate::clock;

/// Bars of a histogram.
const BARS: usize = 50;

/// Frames that are named: those whose scores differ most.
const NAMED: usize = 20;

/// Time between two looks how far it is.
const TICK: Duration = Duration::from_millis(500);

/// What is to be compared, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Comparing {
    /// Name of the recording.
    pub(crate) recording: String,
    /// One version of the bank.
    pub(crate) a: i64,
    /// The other one.
    pub(crate) b: i64,
    /// Each so many-th frame is judged.
    pub(crate) interval: u32,
    /// At most so many frames are judged.
    pub(crate) max_frames: u32,
    /// Who asked for it.
    pub(crate) author: String,
}

/// How far a comparison is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Step {
    /// What is compared.
    pub(crate) of: Comparing,
    /// When it began, in milliseconds since 1970.
    pub(crate) since: i64,
    /// The version that judges now.
    pub(crate) version: i64,
    /// Frames that it has judged.
    pub(crate) frames: u64,
    /// Frames that it is to judge; `null` while the first version finds out how many there are.
    pub(crate) of_frames: Option<u64>,
}

/// What a version says of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Says {
    /// Image score.
    score: f64,
    /// The limit of alarms.
    threshold: f64,
    /// Word of the verdict.
    verdict: &'static str,
}

/// A frame on which two versions differ.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Apart {
    /// Number in the recording.
    frame: u64,
    /// Time in the recording in nanoseconds, where it is known.
    time: Option<u64>,
    a: Says,
    b: Says,
}

/// How two versions judge the frames of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Report {
    /// Frames that both judged. Those on which one of both has no verdict, as they are blurred for it, are left out.
    frames: u64,
    /// Frames on which one of both, or neither, has a verdict.
    unjudged: u64,
    /// Frames that pass by both. What is uncertain passes.
    both_pass: u64,
    /// Frames that are alarms by both.
    both_alarm: u64,
    /// Frames that are alarms by the first version alone.
    only_a: u64,
    /// Frames that are alarms by the second version alone.
    only_b: u64,
    /// Frames by their scores from 0 to 1 by the first version, in bars of the same width.
    histogram_a: Vec<u32>,
    /// The same by the second version.
    histogram_b: Vec<u32>,
    /// The limit of alarms of the first version; `null` where no frame was judged.
    threshold_a: Option<f64>,
    /// That of the second version.
    threshold_b: Option<f64>,
    /// The frames whose scores differ most, 20 at most.
    apart: Vec<Apart>,
}

/// How a comparison ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Ended {
    /// What was compared.
    of: Comparing,
    /// When it ended, in milliseconds since 1970.
    at: i64,
    /// How both judge.
    report: Option<Report>,
    /// Why there is no report.
    failure: Option<String>,
}

/// What is known of comparisons on a line.
#[derive(Debug, Default)]
pub(super) struct Bench {
    now: Option<Step>,
    last: Option<Ended>,
    stop: Option<watch::Sender<bool>>,
}

/// What a page shows of comparisons.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Comparison {
    /// Names of the recordings that the configuration has.
    recordings: Vec<String>,
    /// What goes on.
    now: Option<Step>,
    /// How the last one ended since the station started.
    last: Option<Ended>,
}

/// What is known of comparisons on a line.
pub(crate) fn comparison(line: &Line) -> Comparison {
    let bench = line.bench();
    Comparison {
        recordings: line.config.recordings.iter().map(|recording| recording.name.clone()).collect(),
        now: bench.now.clone(),
        last: bench.last.clone(),
    }
}

/// A comparison that goes on, until this is dropped: nobody waits for one whose task failed.
struct Going<'a>(&'a Line);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let mut bench = self.0.bench();
        (bench.now, bench.stop) = (None, None);
    }
}

/// Begins to compare two versions. The line goes on.
///
/// # Errors
/// When there is no such recording or version, both are the same, the detector of the line has a crop of its own, or a bank of
/// the line is made or compared at this time.
pub(crate) async fn begin_comparing(line: &Arc<Line>, of: Comparing) -> Result<()> {
    let recordings = &line.config.recordings;
    let recording = recordings.iter().find(|recording| recording.name == of.recording);
    let names = || recordings.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let recording = recording.with_context(|| match recordings.is_empty() {
        true => format!("expected [[line.recording]] in the configuration of {}, found none", line.at()),
        false => format!("expected a recording of this line ({}), found {:?}", names(), of.recording),
    })?;
    let file = recording.file.clone();
    if of.a == of.b {
        bail!("expected two versions, found {} twice", of.a);
    }
    let banks = line
        .ask({
            let of = of.clone();
            move |line| {
                let banks = line.store.banks(line.name())?;
                let bank = |version: i64| {
                    let bank = banks.iter().find(|bank| bank.version == version);
                    let bank =
                        bank.with_context(|| format!("expected a version of this line, found {version}"))?;
                    Ok::<_, anyhow::Error>(line.store.bank_file(bank.id))
                };
                detector::options(line)?;
                Ok([bank(of.a)?, bank(of.b)?])
            }
        })
        .await?;
    let (begins, begun) = oneshot::channel();
    tokio::spawn(compare_for_somebody(Arc::clone(line), of, file, banks, begins));
    begun.await.context("a task of the station failed")?
}

/// Gives a comparison up. False where there is none.
///
/// # Errors
/// When the store fails.
pub(crate) async fn end_comparing(line: &Arc<Line>, author: &str) -> Result<bool> {
    let Some(stop) = line.bench().stop.take() else { return Ok(false) };
    stop.send_replace(true);
    let (author, detail) = (author.to_owned(), format!("{}: given up", line.name()));
    line.ask(move |line| line.store.note(&author, "compare", &detail)).await?;
    Ok(true)
}

/// Compares, and tells whoever looks at it how that ended. Whoever asked is told at once when it cannot begin.
async fn compare_for_somebody(
    line: Arc<Line>,
    of: Comparing,
    file: PathBuf,
    banks: [PathBuf; 2],
    begins: oneshot::Sender<Result<()>>,
) {
    // Whoever asked may have gone away.
    let tell = |result| drop(begins.send(result));
    let Ok(_alone) = line.comparing.try_lock() else {
        return tell(Err(anyhow!("two banks of this line are compared at this moment")));
    };
    if line.making.try_lock().is_err() || learn::is_wished(&line) {
        return tell(Err(anyhow!("a bank of this line is made or released at this moment")));
    }
    let (stop, stopped) = watch::channel(false);
    {
        let mut bench = line.bench();
        let since = clock::now();
        bench.now = Some(Step { since, version: of.a, frames: 0, of_frames: None, of: of.clone() });
        bench.stop = Some(stop);
    }
    let going = Going(&line);
    tell(Ok(()));
    let author = of.author.clone();
    let detail = format!("{}: versions {} and {} on {}", line.name(), of.a, of.b, of.recording);
    let noted = line.ask(move |line| line.store.note(&author, "compare", &detail)).await;
    let compared = match noted {
        Ok(()) => compare(&line, &of, &file, &banks, stopped).await,
        Err(error) => Err(error),
    };
    let (report, failure) = match compared {
        Ok(report) => (Some(report), None),
        Err(error) => {
            tracing::warn!("{}: compared nothing: {error:#}", line.name());
            (None, Some(format!("{error:#}")))
        }
    };
    line.bench().last = Some(Ended { of, at: clock::now(), report, failure });
    drop(going);
}

async fn compare(
    line: &Arc<Line>,
    of: &Comparing,
    file: &Path,
    banks: &[PathBuf; 2],
    mut stop: watch::Receiver<bool>,
) -> Result<Report> {
    let (threshold, low, options) = line
        .ask(|line| {
            let now = line.store.limits(line.name(), 1)?.into_iter().next().unwrap_or_default();
            Ok((now.threshold, now.low, detector::options(line)?))
        })
        .await?;
    let out = Scratch::new(line.store.folder().join(format!("compare-{}", line.name()))).await;
    let (mut judged, mut expected) = (Vec::new(), None);
    for (version, bank) in [of.a, of.b].into_iter().zip(banks) {
        if let Some(now) = &mut line.bench().now {
            (now.version, now.frames, now.of_frames) = (version, 0, expected);
        }
        out.empty().await;
        let mut detect = Command::new(&line.host.command);
        detect
            .arg("detect")
            .arg("--bank")
            .arg(bank)
            .arg("--out")
            .arg(out.path())
            .args(["--pictures", "none"]);
        detect.args(&options);
        for (option, limit) in [("--threshold", threshold), ("--threshold-low", low)] {
            detect.args(limit.map(|limit| format!("{option}={limit}")));
        }
        detect.arg(format!("--interval={}", of.interval)).arg(format!("--max-frames={}", of.max_frames));
        // The pipeline needs the processor.
        detect.arg("--").arg(file).env("SNARM_THREADS", "1").kill_on_drop(true);
        let mut child = detect.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let (results, mut said) = (out.path().join("results.jsonl"), Vec::new());
        let mut errors = child.stderr.take().context("no pipe from snarm")?;
        tokio::select! {
            read = errors.read_to_end(&mut said) => drop(read?),
            () = follow(line, &results) => bail!("a task of the station failed"),
            _ = stop.changed() => {
                // Until it has ended it may write what is removed.
                child.kill().await?;
                bail!("given up")
            }
        }
        succeeded(Output { status: child.wait().await?, stdout: Vec::new(), stderr: said }).map_err(
            |error| {
                tracing::warn!("{}: {}: {error:#}", line.name(), file.display());
                // Whoever reads it knows the recording and the version by their names.
                let said = format!("{error:#}").replace(&file.display().to_string(), &of.recording);
                let said = said.replace(&bank.display().to_string(), &format!("version {version}"));
                anyhow!("version {version} cannot judge {}: {said}", of.recording)
            },
        )?;
        let records = tokio::task::spawn_blocking(move || results::read(&results)).await??;
        expected = Some(records.len() as u64);
        judged.push(records);
    }
    let mut judged = judged.into_iter();
    Ok(join(judged.next().unwrap_or_default(), judged.next().unwrap_or_default()))
}

/// Counts the lines of a file that grows, until it is dropped.
async fn follow(line: &Line, results: &Path) {
    let (mut open, mut count, mut part) = (None, 0_u64, vec![0; 64 << 10]);
    loop {
        tokio::time::sleep(TICK).await;
        let file = match &mut open {
            Some(file) => file,
            // It is not there at once.
            none => match tokio::fs::File::open(results).await {
                Ok(file) => none.insert(file),
                Err(_) => continue,
            },
        };
        while let Ok(read @ 1..) = file.read(&mut part).await {
            count += part.iter().take(read).filter(|byte| **byte == b'\n').count() as u64;
        }
        if let Some(now) = &mut line.bench().now {
            now.frames = count;
        }
    }
}

/// What two versions say of the same frames.
fn join(a: Vec<Record>, b: Vec<Record>) -> Report {
    let mut report = Report {
        frames: 0,
        unjudged: 0,
        both_pass: 0,
        both_alarm: 0,
        only_a: 0,
        only_b: 0,
        histogram_a: vec![0; BARS],
        histogram_b: vec![0; BARS],
        threshold_a: None,
        threshold_b: None,
        apart: Vec::new(),
    };
    let mut of_b: BTreeMap<u64, Record> = b.into_iter().map(|record| (record.frame_number, record)).collect();
    for a in a {
        let Some(b) = of_b.remove(&a.frame_number) else {
            report.unjudged += 1;
            continue;
        };
        let [by_a, by_b] =
            [&a, &b].map(|by| Says { score: by.score, threshold: by.threshold, verdict: by.verdict.name() });
        if [by_a, by_b].iter().any(|by| by.verdict == "unknown") {
            report.unjudged += 1;
            continue;
        }
        report.frames += 1;
        *match (a.is_anomalous(), b.is_anomalous()) {
            (false, false) => &mut report.both_pass,
            (true, true) => &mut report.both_alarm,
            (true, false) => &mut report.only_a,
            (false, true) => &mut report.only_b,
        } += 1;
        for (bars, by) in [(&mut report.histogram_a, by_a), (&mut report.histogram_b, by_b)] {
            let at = ((by.score * BARS as f64) as usize).min(BARS - 1);
            bars.get_mut(at).into_iter().for_each(|bar| *bar += 1);
        }
        (report.threshold_a, report.threshold_b) = (Some(by_a.threshold), Some(by_b.threshold));
        report.apart.push(Apart { frame: a.frame_number, time: a.timestamp, a: by_a, b: by_b });
    }
    report.unjudged += of_b.len() as u64;
    let difference = |apart: &Apart| (apart.a.score - apart.b.score).abs();
    report.apart.sort_by(|one, other| difference(other).total_cmp(&difference(one)));
    report.apart.retain(|apart| difference(apart) > 0.0);
    report.apart.truncate(NAMED);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(frame: u64, score: f64, verdict: &str) -> Record {
        let record = serde_json::json!({
            "frame-number": frame, "score": score, "threshold": 0.5, "verdict": verdict, "timestamp": frame * 40,
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn verdicts_are_joined_by_frame_and_the_most_different_come_first() {
        let a = vec![
            record(0, 0.1, "normal"),
            record(1, 0.9, "anomalous"),
            record(2, 0.8, "anomalous"),
            record(3, 0.45, "uncertain"),
            record(4, -1.0, "unknown"),
            record(5, 0.2, "normal"),
        ];
        // In another order, without frame 5 and with another one.
        let b = vec![
            record(3, 0.7, "anomalous"),
            record(2, 0.3, "normal"),
            record(1, 1.0, "anomalous"),
            record(0, 0.1, "normal"),
            record(4, 0.1, "normal"),
            record(6, 0.1, "normal"),
        ];
        let report = join(a, b);
        assert_eq!((report.frames, report.unjudged), (4, 3));
        let counts = [report.both_pass, report.both_alarm, report.only_a, report.only_b];
        assert_eq!(counts, [1, 1, 1, 1]);
        let frames: Vec<u64> = report.apart.iter().map(|apart| apart.frame).collect();
        assert_eq!(frames, [2, 3, 1], "frame 0 has the same score by both");
        assert_eq!(report.apart[0].time, Some(80));
        assert_eq!((report.histogram_a.iter().sum::<u32>(), report.histogram_b[BARS - 1]), (4, 1));
        assert_eq!((report.threshold_a, report.threshold_b), (Some(0.5), Some(0.5)));
        let many = |score| (0..100).map(|frame| record(frame, score, "normal")).collect::<Vec<_>>();
        assert_eq!(join(many(0.1), many(0.2)).apart.len(), NAMED);
        assert_eq!(join(Vec::new(), many(0.2)).threshold_a, None);
    }
}
