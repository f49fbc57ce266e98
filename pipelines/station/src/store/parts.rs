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
    /// Runs of the pipeline in which both have their numbers; `null` where they are not known.
    pub(crate) first_run: Option<i64>,
    pub(crate) last_run: Option<i64>,
    /// Number of the frame with the highest score, and its run.
    pub(crate) frame: Option<i64>,
    pub(crate) frame_run: Option<i64>,
    /// That score; -1 without frames that were judged.
    pub(crate) score: f64,
    /// The worst verdict of its frames.
    pub(crate) verdict: String,
    /// The worst of the finds that show it; `null` where there is none, or none yet.
    pub(crate) find: Option<i64>,
}

const COLUMNS: &str = "number, part, lot, begun, ended, captured, frames, first, last, frame, score, verdict, \
                       first_run, last_run, frame_run";

/// The worst find among the frames of a part.
const FIND: &str = "(SELECT f.id FROM finds f WHERE f.line = parts.line
     AND f.run BETWEEN parts.first_run AND parts.last_run
     AND (f.run > parts.first_run OR f.frame >= parts.first)
     AND (f.run < parts.last_run OR f.frame <= parts.last)
     ORDER BY f.verdict = 'anomalous' DESC, f.score DESC, f.id LIMIT 1)";

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
        first_run: row.get(12)?,
        last_run: row.get(13)?,
        frame_run: row.get(14)?,
        find: row.get(15)?,
    })
}

/// Writes parts as they are now, new ones and those that went on.
pub(super) fn set(change: &Transaction<'_>, line: &str, parts: &[Part]) -> rusqlite::Result<()> {
    let mut set = change.prepare(&format!(
        "INSERT OR REPLACE INTO parts (line, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
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
            part.first_run,
            part.last_run,
            part.frame_run,
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
            let text =
                format!("SELECT {COLUMNS}, {FIND} FROM parts WHERE line = ? ORDER BY number DESC LIMIT ?");
            store.prepare(&text)?.query_map((line, most), part)?.collect()
        })
    }

    /// A part of a line.
    pub(crate) fn part(&self, line: &str, number: i64) -> Result<Option<Part>> {
        self.read(|store| {
            let text = format!("SELECT {COLUMNS}, {FIND} FROM parts WHERE line = ? AND number = ?");
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
    use crate::store::{NewFind, Waiting, new_store};

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
            first_run: Some(2),
            last_run: Some(2),
            frame: Some(4),
            frame_run: Some(2),
            score: 0.7,
            verdict: verdict.into(),
            find: None,
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

    #[test]
    fn a_part_names_its_worst_find_though_frame_numbers_come_again_with_each_run() {
        let (_dir, store) = new_store();
        // From frame 7 of run 2 to frame 3 of run 4.
        let long = Part { first: Some(7), last: Some(3), last_run: Some(4), ..part(1, Some(9), "anomalous") };
        // Of before runs were counted.
        let old = Part { first_run: None, last_run: None, frame_run: None, ..part(2, Some(9), "anomalous") };
        store.add_frames("a", &[], &[long, old, part(3, None, "anomalous")], &[]).unwrap();
        let named = |number| store.part("a", number).unwrap().unwrap().find;
        let add = |line: &str, run, frame, score, verdict| {
            let record = serde_json::json!({});
            let new = NewFind { at: 1, run, frame, first: frame, last: frame, score, verdict, record };
            store.add_find(line, &new, [b"jpeg", b"png", b""], |_| Vec::new()).unwrap()
        };
        for (line, run, frame) in
            [("a", 2, 6), ("a", 4, 4), ("a", 1, 8), ("a", 5, 1), ("b", 3, 1), ("a", 0, 4)]
        {
            add(line, run, frame, 0.99, "anomalous");
        }
        assert_eq!([1, 2, 3].map(named), [None; 3]);
        let uncertain = add("a", 2, 7, 0.9, "uncertain");
        assert_eq!(named(1), Some(uncertain));
        let worst = [(3, 100, 0.5), (4, 3, 0.7), (4, 0, 0.6)]
            .map(|(run, frame, score)| add("a", run, frame, score, "anomalous"));
        let own = add("a", 2, 4, 0.8, "anomalous");
        assert_eq!([1, 2, 3].map(named), [Some(worst[1]), None, Some(own)]);
        assert_eq!(store.parts("a", 9).unwrap()[0].find, Some(own));
    }
}
