//! Messages that no output will take: those that were refused again and again, those beyond what is kept, and those of
//! outputs that the configuration has no more.

use anyhow::Result;
use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Store, audit};
use crate::clock;

/// Most messages of an output that are kept after it refused them. The oldest are lost beyond.
const MOST_SET_ASIDE: i64 = 1_000;

/// A message that an output refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SetAside {
    /// Its number.
    pub(crate) id: i64,
    /// Where to in the output.
    pub(crate) topic: String,
    /// The message, JSON.
    pub(crate) payload: String,
    /// Why it was refused.
    pub(crate) reason: String,
    /// When it was set aside, in milliseconds since 1970.
    pub(crate) at: i64,
}

/// How many messages of an output nobody took, and nobody will.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that were refused, and are kept.
    pub(crate) set_aside: u64,
    /// Those that were removed.
    pub(crate) lost: u64,
}

/// An output that the configuration has no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Gone {
    /// Its name.
    pub(crate) output: String,
    /// Since when that is known, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Messages of it that wait, or were set aside.
    pub(crate) messages: u64,
}

/// Counts messages that were removed and that nobody took.
fn lose(change: &Transaction<'_>, output: &str, messages: usize) -> rusqlite::Result<()> {
    if messages == 0 {
        return Ok(());
    }
    let messages = i64::try_from(messages).unwrap_or(i64::MAX);
    change
        .execute(
            "INSERT INTO losses (output, messages) VALUES (?1, ?2)
             ON CONFLICT (output) DO UPDATE SET messages = messages + ?2",
            (output, messages),
        )
        .map(drop)
}

/// Removes all that is there of an output. Counts the messages.
fn remove(change: &Transaction<'_>, output: &str) -> rusqlite::Result<usize> {
    let waited = change.execute("DELETE FROM outbox WHERE output = ?", [output])?;
    let refused = change.execute("DELETE FROM set_aside WHERE output = ?", [output])?;
    change.execute("DELETE FROM losses WHERE output = ?", [output])?;
    change.execute("DELETE FROM gone WHERE output = ?", [output])?;
    Ok(waited + refused)
}

impl Store {
    /// A message of an output waits no longer, since it is refused whenever it is sent.
    pub(crate) fn set_aside(&self, output: &str, id: i64, reason: &str) -> Result<()> {
        self.change(|change| {
            change.execute(
                "INSERT INTO set_aside (id, output, topic, payload, reason, at)
                 SELECT id, output, topic, payload, ?3, ?4 FROM outbox WHERE output = ?1 AND id = ?2",
                (output, id, reason, clock::now()),
            )?;
            change.execute("DELETE FROM outbox WHERE output = ? AND id = ?", (output, id))?;
            let lost = change.execute(
                "DELETE FROM set_aside WHERE output = ?1 AND id <=
                     (SELECT id FROM set_aside WHERE output = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (output, MOST_SET_ASIDE),
            )?;
            lose(change, output, lost)
        })
    }

    /// The messages that an output refused, the oldest first.
    pub(crate) fn all_set_aside(&self, output: &str) -> Result<Vec<SetAside>> {
        self.read(|store| {
            let text = "SELECT id, topic, payload, reason, at FROM set_aside WHERE output = ? ORDER BY id";
            let mut ask = store.prepare(text)?;
            let rows = ask.query_map([output], |row| {
                Ok(SetAside {
                    id: row.get(0)?,
                    topic: row.get(1)?,
                    payload: row.get(2)?,
                    reason: row.get(3)?,
                    at: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Why an output refused a message, where it was set aside.
    pub(crate) fn refusal(&self, output: &str, id: i64) -> Result<Option<String>> {
        self.read(|store| {
            let text = "SELECT reason FROM set_aside WHERE output = ? AND id = ?";
            store.query_row(text, (output, id), |row| row.get(0)).optional()
        })
    }

    /// Removes the messages that an output refused: somebody has seen to them. Counts them.
    pub(crate) fn remove_set_aside(&self, output: &str, who: &str) -> Result<usize> {
        self.change(|change| {
            let removed = change.execute("DELETE FROM set_aside WHERE output = ?", [output])?;
            audit::add(
                change,
                who,
                "output",
                &format!("{output}: {removed} messages removed that it refused"),
            )?;
            Ok(removed)
        })
    }

    /// How many messages of an output nobody took, and nobody will.
    pub(crate) fn tally(&self, output: &str) -> Result<Tally> {
        self.read(|store| {
            let text = "SELECT (SELECT COUNT(*) FROM set_aside WHERE output = ?1),
                COALESCE((SELECT messages FROM losses WHERE output = ?1), 0)";
            let count = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            store.query_row(text, [output], |row| {
                Ok(Tally { set_aside: count(row, 0)?, lost: count(row, 1)? })
            })
        })
    }

    /// Removes the oldest messages of an output beyond `most`, and counts them as lost. Returns how many.
    pub(crate) fn cap_messages(&self, output: &str, most: u64) -> Result<usize> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.change(|change| {
            let lost = change.execute(
                "DELETE FROM outbox WHERE output = ?1 AND id <=
                     (SELECT id FROM outbox WHERE output = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (output, most),
            )?;
            lose(change, output, lost)?;
            Ok(lost)
        })
    }

    /// Notes which outputs with messages are none of those that the configuration has, and removes what is there of
    /// those of which that has been known since before a time. Returns their names, and how many messages of each were
    /// removed.
    pub(crate) fn sort_out(&self, known: &[String], before: i64) -> Result<Vec<(String, usize)>> {
        self.change(|change| {
            let outputs = |text: &str| -> rusqlite::Result<Vec<String>> {
                let mut ask = change.prepare(text)?;
                let rows = ask.query_map([], |row| row.get(0))?;
                rows.collect()
            };
            let with =
                outputs("SELECT DISTINCT output FROM outbox UNION SELECT DISTINCT output FROM set_aside")?;
            for output in outputs("SELECT output FROM gone")? {
                if known.contains(&output) || !with.contains(&output) {
                    change.execute("DELETE FROM gone WHERE output = ?", [&output])?;
                }
            }
            for output in with.iter().filter(|output| !known.contains(output)) {
                change.execute(
                    "INSERT OR IGNORE INTO gone (output, since) VALUES (?, ?)",
                    (output, clock::now()),
                )?;
            }
            let mut ask = change.prepare("SELECT output FROM gone WHERE since < ?")?;
            let rows = ask.query_map([before], |row| row.get(0))?;
            let old: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
            old.into_iter().map(|output| remove(change, &output).map(|messages| (output, messages))).collect()
        })
    }

    /// Outputs with messages that the configuration has no more.
    pub(crate) fn gone(&self) -> Result<Vec<Gone>> {
        self.read(|store| {
            let text = "SELECT output, since, (SELECT COUNT(*) FROM outbox WHERE outbox.output = gone.output)
                + (SELECT COUNT(*) FROM set_aside WHERE set_aside.output = gone.output) FROM gone ORDER BY output";
            let mut ask = store.prepare(text)?;
            let rows = ask.query_map([], |row| {
                let messages = row.get::<_, i64>(2)?.unsigned_abs();
                Ok(Gone { output: row.get(0)?, since: row.get(1)?, messages })
            })?;
            rows.collect()
        })
    }

    /// Removes all that is there of an output that the configuration has no more. Counts the messages; nothing of
    /// another one.
    pub(crate) fn remove_gone(&self, output: &str, who: &str) -> Result<Option<usize>> {
        self.change(|change| {
            let text = "SELECT 1 FROM gone WHERE output = ?";
            if change.query_row(text, [output], |_| Ok(())).optional()?.is_none() {
                return Ok(None);
            }
            let removed = remove(change, output)?;
            let detail = format!("{output}: {removed} messages removed, as the configuration has it no more");
            audit::add(change, who, "output", &detail)?;
            Ok(Some(removed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Waiting, new_store};
    use super::*;

    fn message(output: &str, payload: usize) -> Waiting {
        Waiting { output: output.into(), topic: "cap/find".into(), payload: payload.to_string() }
    }

    fn payloads(store: &Store, output: &str) -> Vec<String> {
        let waiting = store.waiting(output, 9).unwrap();
        waiting.into_iter().map(|(_, message)| message.payload).collect()
    }

    #[test]
    fn what_is_refused_waits_no_longer_and_is_kept_with_the_reason() {
        let (_dir, store) = new_store();
        let all: Vec<Waiting> = (1..=3).map(|n| message("mes", n)).collect();
        store.add_frames("cap", &[], &[], &all).unwrap();
        store.set_aside("mes", 2, "422").unwrap();
        // Of another output, or of none, nothing is set aside.
        store.set_aside("plant", 1, "422").unwrap();
        store.set_aside("mes", 9, "422").unwrap();
        assert_eq!(payloads(&store, "mes"), ["1", "3"]);
        store.taken("mes", 3).unwrap();
        let kept = store.all_set_aside("mes").unwrap();
        assert_eq!((kept.len(), kept[0].id, kept[0].payload.as_str()), (1, 2, "2"));
        assert_eq!(store.refusal("mes", 2).unwrap().as_deref(), Some("422"));
        assert_eq!(store.refusal("mes", 1).unwrap(), None);
        assert_eq!(store.tally("mes").unwrap(), Tally { set_aside: 1, lost: 0 });
        assert_eq!(store.tally("plant").unwrap(), Tally::default());
        assert_eq!(store.remove_set_aside("mes", "ann").unwrap(), 1);
        assert_eq!(store.tally("mes").unwrap(), Tally::default());
    }

    #[test]
    fn the_oldest_beyond_what_is_kept_are_lost_and_counted() {
        let (_dir, store) = new_store();
        let all: Vec<Waiting> = (1..=5).map(|n| message("mes", n)).collect();
        store.add_frames("cap", &[], &[], &all).unwrap();
        assert_eq!((store.cap_messages("mes", 5).unwrap(), store.cap_messages("mes", 3).unwrap()), (0, 2));
        assert_eq!(payloads(&store, "mes"), ["3", "4", "5"]);
        assert_eq!(store.cap_messages("mes", 2).unwrap(), 1);
        assert_eq!(store.tally("mes").unwrap().lost, 3);
        let most = usize::try_from(MOST_SET_ASIDE).unwrap();
        let all: Vec<Waiting> = (0..most).map(|n| message("mes", n)).collect();
        store.add_frames("cap", &[], &[], &all).unwrap();
        for (id, _) in store.waiting("mes", u32::MAX).unwrap() {
            store.set_aside("mes", id, "422").unwrap();
        }
        assert_eq!(store.tally("mes").unwrap(), Tally { set_aside: most as u64, lost: 5 });
        assert_eq!(store.all_set_aside("mes").unwrap()[0].payload, "0");
    }

    #[test]
    fn what_is_there_of_an_output_of_before_is_counted_and_goes_after_a_time_or_by_command() {
        let (_dir, store) = new_store();
        let known = ["mes".to_owned()];
        store
            .add_frames(
                "cap",
                &[],
                &[],
                &[message("mes", 1), message("old", 2), message("old", 3), message("lid", 4)],
            )
            .unwrap();
        store.set_aside("old", 3, "422").unwrap();
        let now = clock::now();
        assert!(store.sort_out(&known, now).unwrap().is_empty());
        let gone = store.gone().unwrap();
        let told: Vec<(&str, u64)> = gone.iter().map(|one| (one.output.as_str(), one.messages)).collect();
        assert_eq!(told, [("lid", 1), ("old", 2)]);
        assert!(gone.iter().all(|one| one.since >= now));
        // One that comes back has what waited.
        let both = ["mes".to_owned(), "lid".to_owned()];
        store.sort_out(&both, now).unwrap();
        assert_eq!(store.gone().unwrap().len(), 1);
        assert_eq!(store.remove_gone("mes", "ann").unwrap(), None, "one of the configuration");
        assert_eq!(store.sort_out(&both, i64::MAX).unwrap(), [("old".to_owned(), 2)]);
        assert!(store.gone().unwrap().is_empty() && store.all_set_aside("old").unwrap().is_empty());
        assert_eq!((payloads(&store, "mes").len(), payloads(&store, "lid").len()), (1, 1));
        store.sort_out(&known, now).unwrap();
        assert_eq!(store.remove_gone("lid", "ann").unwrap(), Some(1));
        assert!(payloads(&store, "lid").is_empty() && store.gone().unwrap().is_empty());
    }
}
