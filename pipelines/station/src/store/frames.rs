//! Scores of frames, and the counters of a shift.

use anyhow::Result;
use rusqlite::Connection;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Part, Store, Waiting, audit, outbox, parts, trends};
use crate::clock;

/// The score of a frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Frame {
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// When it was captured, where its source says so; milliseconds since 1970.
    pub(crate) captured: Option<i64>,
    /// Run of the pipeline that it is of.
    pub(crate) run: i64,
    /// Number in its stream, from 0 in each run.
    pub(crate) frame: u64,
    /// Image score.
    pub(crate) score: f64,
    /// Limits; negative where there is none.
    pub(crate) threshold: f64,
    pub(crate) low: f64,
    /// Word of the verdict.
    pub(crate) verdict: &'static str,
    /// Digest of the bank that judged.
    pub(crate) bank: String,
    /// Light and sharpness as multiples of what was usual while learning, where they are known.
    pub(crate) light: Option<f64>,
    pub(crate) sharpness: Option<f64>,
}

/// Counters of a shift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Shift {
    /// When it began, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Frames analysed.
    pub(crate) frames: u64,
    /// Runs of frames with an alarm.
    pub(crate) alarms: u64,
    /// Runs of frames in the uncertain band alone.
    pub(crate) uncertain: u64,
    /// Parts.
    pub(crate) parts: u64,
    /// Parts with an alarm.
    pub(crate) bad_parts: u64,
}

impl Store {
    /// Adds frames of a line, the parts that they changed, and what is to be sent of both.
    pub(crate) fn add_frames(
        &self,
        line: &str,
        frames: &[Frame],
        parts: &[Part],
        to_send: &[Waiting],
    ) -> Result<()> {
        self.change(|change| {
            let mut add = change.prepare(
                "INSERT INTO frames (line, at, captured, run, frame, score, threshold, low, verdict, bank)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for frame in frames {
                let number = i64::try_from(frame.frame).unwrap_or(i64::MAX);
                add.execute((
                    line,
                    frame.at,
                    frame.captured,
                    frame.run,
                    number,
                    frame.score,
                    frame.threshold,
                    frame.low,
                    frame.verdict,
                    &frame.bank,
                ))?;
            }
            trends::add(change, line, frames)?;
            parts::set(change, line, parts)?;
            to_send.iter().try_for_each(|message| outbox::add(change, message))
        })
    }

    /// Counts a run of the pipeline of a line, the next after `last` and after all that are known. Where that cannot be stored it
    /// is counted all the same: its frames, once they are, tell of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn begin_run(&self, line: &str, last: i64) -> Result<i64> {
        let run: i64 = self.read(|store| {
            store.query_row(
                "SELECT 1 + MAX(?2, COALESCE((SELECT run FROM runs WHERE line = ?1), 0),
                     COALESCE((SELECT run FROM frames WHERE line = ?1 ORDER BY id DESC LIMIT 1), 0))",
                (line, last),
                |row| row.get(0),
            )
        })?;
        let keep = "INSERT INTO runs (line, run) VALUES (?1, ?2) ON CONFLICT (line) DO UPDATE SET run = ?2";
        if let Err(error) = self.change(|change| change.execute(keep, (line, run))) {
            tracing::warn!("run {run} of {line} is not stored: {error:#}");
        }
        Ok(run)
    }

    /// Drops the oldest frames of a line beyond `keep`. Counts how many.
    pub(crate) fn forget_frames(&self, line: &str, keep: u64) -> Result<usize> {
        self.forget("frames", "id", line, keep)
    }

    /// Scores of those of the last frames of a line that a bank judged, in no order: those of other banks have other scales.
    pub(crate) fn last_scores(&self, line: &str, bank: &str, most: u32) -> Result<Vec<f64>> {
        self.read(|store| {
            let mut ask = store.prepare(
                "SELECT score FROM (SELECT score, bank FROM frames WHERE line = ? ORDER BY id DESC LIMIT ?)
                 WHERE bank = ?",
            )?;
            ask.query_map((line, most, bank), |row| row.get(0))?.collect()
        })
    }

    /// Counters of the shift of a line. The first shift began with the first frame that is kept.
    pub(crate) fn shift(&self, line: &str) -> Result<Shift> {
        self.read(|store| {
            let since: i64 = store.query_row(
                "SELECT COALESCE((SELECT MAX(at) FROM shifts WHERE line = ?1),
                     (SELECT MIN(at) FROM frames WHERE line = ?1), ?2)",
                (line, clock::now()),
                |row| row.get(0),
            )?;
            let frames = "SELECT COUNT(*) FROM frames WHERE line = ? AND at >= ?";
            let finds = |verdict| {
                let text = "SELECT COUNT(*) FROM finds WHERE line = ? AND at >= ? AND verdict = ?";
                count(store, text, (line, since, verdict))
            };
            Ok(Shift {
                since,
                frames: count(store, frames, (line, since))?,
                alarms: finds("anomalous")?,
                uncertain: finds("uncertain")?,
                parts: parts::count(store, line, since, None)?,
                bad_parts: parts::count(store, line, since, Some("anomalous"))?,
            })
        })
    }

    /// Begins a new shift of a line.
    pub(crate) fn begin_shift(&self, line: &str, who: &str) -> Result<()> {
        self.change(|change| {
            change
                .execute("INSERT INTO shifts (line, who, at) VALUES (?, ?, ?)", (line, who, clock::now()))?;
            audit::add(change, who, "shift", &format!("{line}: begins"))
        })
    }
}

fn count(store: &Connection, text: &str, of: impl rusqlite::Params) -> rusqlite::Result<u64> {
    store.query_row(text, of, |row| row.get::<_, i64>(0)).map(|n| n.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(at: i64, score: f64) -> Frame {
        let bank = "b".to_owned();
        Frame { at, frame: 7, score, threshold: 0.5, low: -1.0, verdict: "normal", bank, ..Frame::default() }
    }

    #[test]
    fn the_last_frames_of_each_line_are_kept_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let frames: Vec<Frame> = (0..10).map(|i| frame(i, i as f64 / 10.0)).collect();
        store.add_frames("a", &frames, &[], &[]).unwrap();
        store.add_frames("b", &frames[..2], &[], &[]).unwrap();
        assert_eq!(store.forget_frames("a", 4).unwrap(), 6);
        assert_eq!(store.forget_frames("b", 4).unwrap(), 0);
        let mut scores = store.last_scores("a", "b", 100).unwrap();
        scores.sort_by(f64::total_cmp);
        assert_eq!(scores, [0.6, 0.7, 0.8, 0.9]);
        let other = Frame { bank: "other".into(), ..frame(9, 0.5) };
        store.add_frames("c", &[frame(8, 0.4), other], &[], &[]).unwrap();
        let of = |bank: &str, most| store.last_scores("c", bank, most).unwrap();
        assert_eq!((of("b", 2), of("other", 2), of("b", 1)), (vec![0.4], vec![0.5], vec![]));
        assert_eq!(store.shift("a").unwrap(), Shift { since: 6, frames: 4, ..Shift::default() });
        store.begin_shift("a", "ann").unwrap();
        assert_eq!(store.shift("a").unwrap().frames, 0);
        assert_eq!(store.audit(1).unwrap()[0].what, "shift");
    }

    #[test]
    fn runs_of_each_line_are_counted_through_starts() {
        let dir = tempfile::tempdir().unwrap();
        for (line, run) in [("a", 1), ("a", 2), ("b", 1), ("a", 3)] {
            assert_eq!(Store::open(dir.path()).unwrap().begin_run(line, 0).unwrap(), run, "{line}");
        }
        // While nothing can be stored, as on a full disk, and afterwards.
        let store = Store::open(dir.path()).unwrap();
        store.refuse_writing(true);
        assert_eq!([3, 4].map(|last| store.begin_run("a", last).unwrap()), [4, 5]);
        store.refuse_writing(false);
        store.add_frames("a", &[Frame { run: 5, ..frame(1, 0.5) }], &[], &[]).unwrap();
        assert_eq!(store.begin_run("a", 0).unwrap(), 6, "after the station was started again");
    }
}
