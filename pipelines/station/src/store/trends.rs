//! How the frames of a line were over time: sums for each ten minutes, which stay when the frames themselves are forgotten.

use std::collections::BTreeMap;

use anyhow::Result;
use rusqlite::Transaction;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Frame, Store};

/// Length of the shortest step, in milliseconds.
pub(crate) const STEP: i64 = 600_000;

/// Steps of a line that are kept: those of a year in which frames were judged all the time.
const KEPT: u64 = 52_704;

/// The frames of a step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Trend {
    /// When the step begins, in milliseconds since 1970.
    pub(crate) at: i64,
    /// Frames analysed.
    pub(crate) frames: u64,
    /// Those above the limit of alarms.
    pub(crate) anomalous: u64,
    /// Those in the uncertain band.
    pub(crate) uncertain: u64,
    /// Those without a verdict.
    pub(crate) unknown: u64,
    /// Mean score.
    pub(crate) score: f64,
    /// Highest score.
    pub(crate) highest: f64,
    /// Mean light as a multiple of what was usual while learning; `null` where it is not known.
    pub(crate) light: Option<f64>,
    /// Mean sharpness, likewise.
    pub(crate) sharpness: Option<f64>,
}

/// Counts and sums of a step.
#[derive(Default)]
struct Sums {
    frames: u32,
    anomalous: u32,
    uncertain: u32,
    unknown: u32,
    score: f64,
    highest: f64,
    /// How many, and their sum.
    light: (u32, f64),
    sharpness: (u32, f64),
}

impl Sums {
    fn take(&mut self, frame: &Frame) {
        self.frames += 1;
        self.anomalous += u32::from(frame.verdict == "anomalous");
        self.uncertain += u32::from(frame.verdict == "uncertain");
        self.unknown += u32::from(frame.verdict == "unknown");
        self.score += frame.score;
        self.highest = self.highest.max(frame.score);
        for (sum, value) in [(&mut self.light, frame.light), (&mut self.sharpness, frame.sharpness)] {
            if let Some(value) = value {
                *sum = (sum.0 + 1, sum.1 + value);
            }
        }
    }
}

/// Adds frames to their steps, as a part of the change that stores them.
pub(super) fn add(change: &Transaction<'_>, line: &str, frames: &[Frame]) -> rusqlite::Result<()> {
    let mut steps: BTreeMap<i64, Sums> = BTreeMap::new();
    for frame in frames {
        steps.entry(frame.at - frame.at.rem_euclid(STEP)).or_default().take(frame);
    }
    let mut add = change.prepare(
        "INSERT INTO trends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (line, at) DO UPDATE SET frames = frames + excluded.frames,
             anomalous = anomalous + excluded.anomalous, uncertain = uncertain + excluded.uncertain,
             unknown = unknown + excluded.unknown, score = score + excluded.score,
             highest = MAX(highest, excluded.highest), lit = lit + excluded.lit, light = light + excluded.light,
             measured = measured + excluded.measured, sharpness = sharpness + excluded.sharpness",
    )?;
    for (at, sums) in steps {
        add.execute((
            line,
            at,
            sums.frames,
            sums.anomalous,
            sums.uncertain,
            sums.unknown,
            sums.score,
            sums.highest,
            sums.light.0,
            sums.light.1,
            sums.sharpness.0,
            sums.sharpness.1,
        ))?;
    }
    Ok(())
}

impl Store {
    /// The frames of a line since a time, in steps of a length that is a multiple of [`STEP`]. Steps without frames are left
    /// out.
    pub(crate) fn trends(&self, line: &str, since: i64, step: i64) -> Result<Vec<Trend>> {
        self.read(|store| {
            let mut ask = store.prepare(
                "SELECT at - at % ?3 AS begin, SUM(frames), SUM(anomalous), SUM(uncertain), SUM(unknown),
                     SUM(score) / SUM(frames), MAX(highest),
                     SUM(light) / NULLIF(SUM(lit), 0), SUM(sharpness) / NULLIF(SUM(measured), 0)
                 FROM trends WHERE line = ?1 AND at >= ?2 GROUP BY begin ORDER BY begin",
            )?;
            let rows = ask.query_map((line, since, step), |row| {
                let count = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
                Ok(Trend {
                    at: row.get(0)?,
                    frames: count(1)?,
                    anomalous: count(2)?,
                    uncertain: count(3)?,
                    unknown: count(4)?,
                    score: row.get(5)?,
                    highest: row.get(6)?,
                    light: row.get(7)?,
                    sharpness: row.get(8)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Drops the oldest steps of a line beyond those of a year. Counts how many.
    pub(crate) fn forget_trends(&self, line: &str) -> Result<usize> {
        self.forget("trends", "at", line, KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::new_store;

    #[test]
    fn frames_are_summed_by_step_and_stay_when_they_are_forgotten() {
        let (_dir, store) = new_store();
        let frame = |at, score, verdict, light| Frame { at, score, verdict, light, ..Frame::default() };
        let first = [
            frame(STEP, 0.1, "normal", Some(1.0)),
            frame(STEP + 1, 0.9, "anomalous", None),
            frame(2 * STEP - 1, 0.2, "unknown", Some(0.5)),
            frame(2 * STEP, 0.4, "uncertain", None),
        ];
        store.add_frames("cap", &first, &[], &[]).unwrap();
        // A step goes on with the next transaction.
        store.add_frames("cap", &[frame(2 * STEP + 5, 0.6, "normal", None)], &[], &[]).unwrap();
        store.add_frames("lid", &[frame(STEP, 0.3, "normal", None)], &[], &[]).unwrap();
        assert_eq!(store.forget_frames("cap", 1).unwrap(), 4);
        let trends = store.trends("cap", 0, STEP).unwrap();
        assert_eq!(trends.len(), 2);
        let counts = |t: &Trend| [t.frames, t.anomalous, t.uncertain, t.unknown];
        assert_eq!((trends[0].at, counts(&trends[0])), (STEP, [3, 1, 0, 1]));
        assert!((trends[0].score - 0.4).abs() < 1e-9 && trends[0].highest == 0.9);
        assert_eq!((trends[0].light, trends[0].sharpness), (Some(0.75), None));
        assert_eq!((trends[1].at, counts(&trends[1]), trends[1].score), (2 * STEP, [2, 0, 1, 0], 0.5));
        // Longer steps have the same sums, and older ones are left out.
        let whole = store.trends("cap", 0, 4 * STEP).unwrap();
        assert_eq!((whole.len(), counts(&whole[0]), whole[0].light), (1, [5, 1, 1, 1], Some(0.75)));
        assert_eq!(store.trends("cap", 2 * STEP, STEP).unwrap().len(), 1);
    }
}
