//! Parts: one record for all frames that show the same thing.

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde::Serialize;
use utoipa::ToSchema;

use super::Store;

/// A part, and what was said of its frames.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Part {
    /// Number on its line, ascending from 1.
    pub(crate) number: i64,
    /// Its name, where a message said it.
    pub(crate) part: Option<String>,
    /// Its lot, where a message said it.
    pub(crate) lot: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub(crate) begun: i64,
    /// When it ended; `null` while more frames may come.
    pub(crate) ended: Option<i64>,
    /// When the first of its frames was captured, in milliseconds since 1970; `null` where the source does not say so.
    pub(crate) captured: Option<i64>,
    /// Frames that show it.
    pub(crate) frames: i64,
    /// Numbers of the first and the last of them in their stream; `null` without frames.
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// Number of the frame with the highest score.
    pub(crate) frame: Option<i64>,
    /// That score; -1 without frames that were judged.
    pub(crate) score: f64,
    /// The worst verdict of its frames.
    pub(crate) verdict: String,
}

const COLUMNS: &str = "number, part, lot, begun, ended, captured, frames, first, last, frame, score, verdict";

fn part(row: &Row<'_>) -> rusqlite::Result<Part> {
    Ok(Part {
        number: row.get(0)?,
        part: row.get(1)?,
        lot: row.get(2)?,
        begun: row.get(3)?,
        ended: row.get(4)?,
        captured: row.get(5)?,
        frames: row.get(6)?,
        first: row.get(7)?,
        last: row.get(8)?,
        frame: row.get(9)?,
        score: row.get(10)?,
        verdict: row.get(11)?,
    })
}

/// Writes parts as they are now, new ones and those that went on.
pub(super) fn set(change: &Transaction<'_>, line: &str, parts: &[Part]) -> rusqlite::Result<()> {
    let mut set = change.prepare(&format!(
        "INSERT OR REPLACE INTO parts (line, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    for part in parts {
        set.execute((
            line,
            part.number,
            &part.part,
            &part.lot,
            part.begun,
            part.ended,
            part.captured,
            part.frames,
            part.first,
            part.last,
            part.frame,
            part.score,
            &part.verdict,
        ))?;
    }
    Ok(())
}

/// Parts of a line that ended since a time, and those of them with a verdict.
pub(super) fn count(
    store: &Connection,
    line: &str,
    since: i64,
    verdict: Option<&str>,
) -> rusqlite::Result<u64> {
    let text = "SELECT COUNT(*) FROM parts WHERE line = ?1 AND ended >= ?2 AND (?3 IS NULL OR verdict = ?3)";
    store.query_row(text, (line, since, verdict), |row| row.get::<_, i64>(0)).map(|n| n.unsigned_abs())
}

impl Store {
    /// The last parts of a line, the newest first; the first of them may go on.
    pub(crate) fn parts(&self, line: &str, most: u32) -> Result<Vec<Part>> {
        self.read(|store| {
            let text = format!("SELECT {COLUMNS} FROM parts WHERE line = ? ORDER BY number DESC LIMIT ?");
            store.prepare(&text)?.query_map((line, most), part)?.collect()
        })
    }

    /// A part of a line.
    pub(crate) fn part(&self, line: &str, number: i64) -> Result<Option<Part>> {
        self.read(|store| {
            let text = format!("SELECT {COLUMNS} FROM parts WHERE line = ? AND number = ?");
            store.query_row(&text, (line, number), part).optional()
        })
    }

    /// Drops the oldest parts of a line beyond `keep`. Counts how many.
    pub(crate) fn forget_parts(&self, line: &str, keep: u64) -> Result<usize> {
        self.forget("parts", "number", line, keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Waiting;

    fn part(number: i64, ended: Option<i64>, verdict: &str) -> Part {
        Part {
            number,
            part: Some(format!("p{number}")),
            lot: None,
            begun: 1,
            ended,
            captured: Some(1),
            frames: 1,
            first: Some(4),
            last: Some(4),
            frame: Some(4),
            score: 0.7,
            verdict: verdict.into(),
        }
    }

    #[test]
    fn a_part_that_goes_on_is_one_row_and_its_message_is_there_when_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.add_frames("a", &[], &[part(1, None, "normal")], &[]).unwrap();
        let message = Waiting { output: "o".into(), topic: "a/part".into(), payload: "{}".into() };
        let ended = [part(1, Some(5), "anomalous"), part(2, Some(6), "normal"), part(3, None, "normal")];
        store.add_frames("a", &[], &ended, &[message]).unwrap();
        store.add_frames("b", &[], &[part(1, Some(9), "normal")], &[]).unwrap();
        let numbers: Vec<i64> = store.parts("a", 9).unwrap().iter().map(|part| part.number).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert_eq!(store.part("a", 1).unwrap().unwrap(), ended[0]);
        assert_eq!(store.waiting_count("o", 0).unwrap(), 1);
        let shift = store.shift("a").unwrap();
        assert_eq!((shift.parts, shift.bad_parts), (0, 0), "they ended before it began");
        assert_eq!(store.read(|store| count(store, "a", 0, None)).unwrap(), 2);
        assert_eq!(store.read(|store| count(store, "a", 0, Some("anomalous"))).unwrap(), 1);
        assert_eq!((store.forget_parts("a", 2).unwrap(), store.parts("a", 9).unwrap().len()), (1, 2));
    }
}
