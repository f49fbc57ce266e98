//! Finds: runs of frames with an alarm, or in the uncertain band, and what people say of them.

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use snarm_core::files;
use utoipa::ToSchema;

use super::{Picture, Store, Waiting, audit, outbox};
use crate::clock;

/// What a person says of a find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Judgement {
    /// A false alarm.
    Good,
    /// A defect.
    Bad,
    /// Neither.
    Unsure,
}

impl Judgement {
    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unsure => "unsure",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Good, Self::Bad, Self::Unsure].into_iter().find(|judgement| judgement.name() == name)
    }
}

/// A find.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Find {
    /// Number, ascending.
    pub(crate) id: i64,
    /// Name of the line.
    pub(crate) line: String,
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// Run of the pipeline in which its frames have their numbers; 0 where it was found before runs were counted.
    pub(crate) run: i64,
    /// Number of the frame of the highest score in its stream.
    pub(crate) frame: i64,
    /// First frame of the run.
    pub(crate) first: i64,
    /// Last frame of the run.
    pub(crate) last: i64,
    /// Highest score.
    pub(crate) score: f64,
    /// Verdict of that frame.
    pub(crate) verdict: String,
    /// The result of that frame, as in the JSON lines of `snarmdetect`.
    #[schema(value_type = Object)]
    pub(crate) record: serde_json::Value,
    /// What was said of it.
    pub(crate) judgement: Option<Judgement>,
    /// Who said so.
    pub(crate) judged_by: Option<String>,
}

/// A find that is new.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewFind {
    pub(crate) at: i64,
    pub(crate) run: i64,
    pub(crate) frame: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) score: f64,
    pub(crate) verdict: &'static str,
    pub(crate) record: serde_json::Value,
}

/// The finds of a line that wait for a judgement.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Queue {
    /// How many there are.
    pub(crate) waiting: i64,
    /// How many were judged.
    pub(crate) judged: i64,
    /// The first of them, the highest score first.
    pub(crate) finds: Vec<Find>,
}

const COLUMNS: &str = "id, line, at, frame, first, last, score, verdict, record, judgement, judged_by, run";

fn find(row: &Row<'_>) -> rusqlite::Result<Find> {
    let record: String = row.get(8)?;
    let judgement: Option<String> = row.get(9)?;
    Ok(Find {
        id: row.get(0)?,
        line: row.get(1)?,
        at: row.get(2)?,
        run: row.get(11)?,
        frame: row.get(3)?,
        first: row.get(4)?,
        last: row.get(5)?,
        score: row.get(6)?,
        verdict: row.get(7)?,
        record: serde_json::from_str(&record).unwrap_or_default(),
        judgement: judgement.as_deref().and_then(Judgement::named),
        judged_by: row.get(10)?,
    })
}

fn finds(store: &Connection, end: &str, of: impl rusqlite::Params) -> rusqlite::Result<Vec<Find>> {
    store.prepare(&format!("SELECT {COLUMNS} FROM finds {end}"))?.query_map(of, find)?.collect()
}

impl Store {
    /// Adds a find with its pictures, and what is to be sent of it, which `to_send` makes of its number. The pictures are
    /// there when the find is.
    pub(crate) fn add_find(
        &self,
        line: &str,
        new: &NewFind,
        pictures: [&[u8]; 3],
        to_send: impl Fn(i64) -> Vec<Waiting>,
    ) -> Result<i64> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.change(|change| {
            change.execute(
                "INSERT INTO finds (line, at, run, frame, first, last, score, verdict, record)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    line,
                    new.at,
                    new.run,
                    number(new.frame),
                    number(new.first),
                    number(new.last),
                    new.score,
                    new.verdict,
                    new.record.to_string(),
                ),
            )?;
            let id = change.last_insert_rowid();
            for (picture, bytes) in Picture::ALL.into_iter().zip(pictures) {
                let file = self.picture_file(id, picture);
                if bytes.is_empty() {
                    // Left over from a find of this number that could not be stored.
                    let _ = std::fs::remove_file(file);
                } else {
                    files::put(&file, bytes)
                        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
                }
            }
            to_send(id).iter().try_for_each(|message| outbox::add(change, message))?;
            Ok(id)
        })
    }

    /// Drops the oldest finds of a line beyond `keep`, those that nobody judged first.
    pub(crate) fn forget_finds(&self, line: &str, keep: u64) -> Result<usize> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let gone: Vec<i64> = self.change(|change| {
            let mut drop = change.prepare(
                "DELETE FROM finds WHERE id IN (SELECT id FROM finds WHERE line = ?1
                     ORDER BY judgement IS NULL, id DESC LIMIT -1 OFFSET ?2) RETURNING id",
            )?;
            drop.query_map((line, keep), |row| row.get(0))?.collect()
        })?;
        for (id, picture) in gone.iter().flat_map(|id| Picture::ALL.map(|picture| (*id, picture))) {
            // One that was never there, or that somebody removed, needs no removal.
            let _ = std::fs::remove_file(self.picture_file(id, picture));
            let _ = std::fs::remove_dir_all(self.nearest_folder(id));
        }
        Ok(gone.len())
    }

    /// A find by its number.
    pub(crate) fn find(&self, id: i64) -> Result<Option<Find>> {
        self.read(|store| finds(store, "WHERE id = ?", [id])).map(|found| found.into_iter().next())
    }

    /// The last finds of a line with an alarm, the newest first.
    pub(crate) fn last_alarms(&self, line: &str, most: u32) -> Result<Vec<Find>> {
        let end = "WHERE line = ? AND verdict = 'anomalous' ORDER BY id DESC LIMIT ?";
        self.read(|store| finds(store, end, (line, most)))
    }

    /// The finds of a line that wait for a judgement.
    pub(crate) fn to_judge(&self, line: &str, most: u32) -> Result<Queue> {
        self.read(|store| {
            let (waiting, judged) = store.query_row(
                "SELECT COUNT(*) - COUNT(judgement), COUNT(judgement) FROM finds WHERE line = ?",
                [line],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let end = "WHERE line = ? AND judgement IS NULL ORDER BY score DESC, id LIMIT ?";
            Ok(Queue { waiting, judged, finds: finds(store, end, (line, most))? })
        })
    }

    /// The finds of a line that were judged so, oldest first.
    pub(crate) fn judged(&self, line: &str, judgement: Judgement) -> Result<Vec<Find>> {
        self.read(|store| {
            finds(store, "WHERE line = ? AND judgement = ? ORDER BY id", (line, judgement.name()))
        })
    }

    /// Takes down what a person says of a find. Nothing where there is no such find.
    pub(crate) fn judge(&self, id: i64, judgement: Judgement, who: &str) -> Result<Option<Find>> {
        self.change(|change| {
            let now = clock::now();
            let line: Option<String> = change
                .query_row(
                    "UPDATE finds SET judgement = ?, judged_by = ?, judged_at = ? WHERE id = ? RETURNING line",
                    (judgement.name(), who, now, id),
                    |row| row.get(0),
                )
                .optional()?;
            let Some(line) = line else { return Ok(None) };
            change.execute(
                "INSERT INTO judgements (find, line, judgement, who, at) VALUES (?, ?, ?, ?, ?)",
                (id, &line, judgement.name(), who, now),
            )?;
            audit::add(change, who, "judge", &format!("{line}: find {id} is {}", judgement.name()))?;
            Ok(finds(change, "WHERE id = ?", [id])?.pop())
        })
    }

    /// Takes back the last judgement of a person on a line. The find has the judgement before it, or none.
    pub(crate) fn undo(&self, line: &str, who: &str) -> Result<Option<Find>> {
        self.change(|change| {
            let last: Option<(i64, i64)> = change
                .query_row(
                    "SELECT id, find FROM judgements WHERE line = ? AND who = ? AND undone = 0 ORDER BY id DESC LIMIT 1",
                    (line, who),
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((judgement, id)) = last else { return Ok(None) };
            change.execute("UPDATE judgements SET undone = 1 WHERE id = ?", [judgement])?;
            change.execute(
                "UPDATE finds SET (judgement, judged_by, judged_at) =
                     (SELECT judgement, who, at FROM judgements WHERE find = ?1 AND undone = 0 ORDER BY id DESC LIMIT 1)
                 WHERE id = ?1",
                [id],
            )?;
            audit::add(change, who, "undo", &format!("{line}: judgement of find {id}"))?;
            Ok(finds(change, "WHERE id = ?", [id])?.pop())
        })
    }

    /// The bytes of a picture, where there is one.
    pub(crate) fn picture(&self, find: i64, picture: Picture) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.picture_file(find, picture)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("cannot read a picture"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_store as store;
    use super::*;

    fn add(store: &Store, score: f64) -> i64 {
        let record = serde_json::json!({ "score": score });
        let new = NewFind { at: 5, run: 1, frame: 2, first: 1, last: 3, score, verdict: "anomalous", record };
        store.add_find("cap", &new, [b"jpeg", b"png", b""], |_| Vec::new()).unwrap()
    }

    #[test]
    fn the_queue_has_the_worst_first_and_undo_goes_back_step_by_step() {
        let (_dir, store) = store();
        let ids = [0.6, 0.9, 0.7].map(|score| add(&store, score));
        let queue = |store: &Store| -> Vec<i64> {
            store.to_judge("cap", 9).unwrap().finds.iter().map(|find| find.id).collect()
        };
        assert_eq!(queue(&store), [ids[1], ids[2], ids[0]]);
        store.judge(ids[1], Judgement::Bad, "ann").unwrap().unwrap();
        store.judge(ids[1], Judgement::Good, "ann").unwrap().unwrap();
        assert_eq!(queue(&store), [ids[2], ids[0]]);
        assert_eq!(store.judged("cap", Judgement::Good).unwrap().len(), 1);
        assert!(store.undo("cap", "bob").unwrap().is_none());
        assert_eq!(store.undo("cap", "ann").unwrap().unwrap().judgement, Some(Judgement::Bad));
        assert_eq!(store.undo("cap", "ann").unwrap().unwrap().judgement, None);
        assert!(store.undo("cap", "ann").unwrap().is_none());
        assert_eq!(queue(&store).len(), 3);
        assert!(store.judge(99, Judgement::Bad, "ann").unwrap().is_none());
    }

    #[test]
    fn a_find_that_could_not_be_stored_leaves_no_picture_for_the_next_one() {
        let (_dir, store) = store();
        let record = serde_json::json!({});
        let new =
            NewFind { at: 5, run: 1, frame: 2, first: 1, last: 3, score: 0.5, verdict: "anomalous", record };
        let trigger = "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END";
        store.change(|change| change.execute(trigger, [])).unwrap();
        let message = Waiting { output: "o".into(), topic: "t".into(), payload: "{}".into() };
        assert!(store.add_find("cap", &new, [b"j", b"p", b"m"], |_| vec![message.clone()]).is_err());
        let id = add(&store, 0.6);
        assert_eq!(store.picture(id, Picture::Frame).unwrap().unwrap(), b"png");
        assert!(store.picture(id, Picture::Map).unwrap().is_none());
    }

    #[test]
    fn old_finds_go_with_their_pictures_and_judged_ones_last() {
        let (_dir, store) = store();
        let ids = [0.6, 0.9, 0.7].map(|score| add(&store, score));
        assert_eq!(store.picture(ids[0], Picture::Frame).unwrap().unwrap(), b"png");
        assert!(store.picture(ids[0], Picture::Map).unwrap().is_none());
        store.judge(ids[0], Judgement::Good, "ann").unwrap();
        std::fs::create_dir_all(store.nearest_folder(ids[1])).unwrap();
        assert_eq!(store.forget_finds("cap", 2).unwrap(), 1);
        assert!(store.find(ids[0]).unwrap().is_some() && store.find(ids[1]).unwrap().is_none());
        assert!(store.picture(ids[1], Picture::Annotated).unwrap().is_none());
        assert!(!store.nearest_folder(ids[1]).exists());
    }
}
