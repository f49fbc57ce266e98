//! Messages that wait until an output took them, in their order.

use anyhow::Result;
use rusqlite::{Connection, Transaction};

use super::{Store, audit};

/// A message for an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Name of the output.
    pub(crate) output: String,
    /// Where to in the output, such as the end of a topic.
    pub(crate) topic: String,
    /// JSON.
    pub(crate) payload: String,
}

/// Adds a message, as a part of the change it tells of.
pub(super) fn add(change: &Transaction<'_>, message: &Waiting) -> rusqlite::Result<()> {
    change
        .prepare("INSERT INTO outbox (output, topic, payload) VALUES (?, ?, ?)")?
        .execute((&message.output, &message.topic, &message.payload))
        .map(drop)
}

fn messages(
    store: &Connection,
    end: &str,
    of: impl rusqlite::Params,
) -> rusqlite::Result<Vec<(i64, Waiting)>> {
    let mut ask = store.prepare(&format!("SELECT id, output, topic, payload FROM outbox {end}"))?;
    let rows = ask.query_map(of, |row| {
        Ok((row.get(0)?, Waiting { output: row.get(1)?, topic: row.get(2)?, payload: row.get(3)? }))
    })?;
    rows.collect()
}

impl Store {
    /// Adds a message that somebody sends to try an output. Returns its number.
    pub(crate) fn send_by(&self, message: &Waiting, who: &str) -> Result<i64> {
        self.change(|change| {
            add(change, message)?;
            let id = change.last_insert_rowid();
            audit::add(change, who, "test", &message.output)?;
            Ok(id)
        })
    }

    /// The first messages of an output with their numbers, which ascend and are never used twice.
    pub(crate) fn waiting(&self, output: &str, most: u32) -> Result<Vec<(i64, Waiting)>> {
        self.waiting_after(output, 0, most)
    }

    /// The first messages of an output with a higher number.
    pub(crate) fn waiting_after(&self, output: &str, after: i64, most: u32) -> Result<Vec<(i64, Waiting)>> {
        let end = "WHERE output = ? AND id > ? ORDER BY id LIMIT ?";
        self.read(|store| messages(store, end, (output, after, most)))
    }

    /// A message of an output by its number.
    pub(crate) fn message(&self, output: &str, id: i64) -> Result<Option<Waiting>> {
        let found = self.read(|store| messages(store, "WHERE output = ? AND id = ?", (output, id)))?;
        Ok(found.into_iter().next().map(|(_, message)| message))
    }

    /// The last message of an output that goes to a topic.
    pub(crate) fn last_message(&self, output: &str, topic: &str) -> Result<Option<(i64, Waiting)>> {
        let end = "WHERE output = ? AND topic = ? ORDER BY id DESC LIMIT 1";
        Ok(self.read(|store| messages(store, end, (output, topic)))?.into_iter().next())
    }

    /// Number of the last message of an output, 0 where there is none.
    pub(crate) fn last_number(&self, output: &str) -> Result<i64> {
        self.read(|store| {
            let text = "SELECT COALESCE(MAX(id), 0) FROM outbox WHERE output = ?";
            store.query_row(text, [output], |row| row.get(0))
        })
    }

    /// Removes the oldest messages of an output beyond `keep`. Counts how many.
    pub(crate) fn forget_messages(&self, output: &str, keep: u32) -> Result<usize> {
        self.change(|change| {
            change.execute(
                "DELETE FROM outbox WHERE output = ?1 AND id <=
                     (SELECT id FROM outbox WHERE output = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (output, keep),
            )
        })
    }

    /// Removes the messages of an output up to a number: they were taken.
    pub(crate) fn taken(&self, output: &str, up_to: i64) -> Result<()> {
        self.change(|change| {
            change.execute("DELETE FROM outbox WHERE output = ? AND id <= ?", (output, up_to)).map(drop)
        })
    }

    /// How many messages of an output with a higher number wait.
    pub(crate) fn waiting_count(&self, output: &str, after: i64) -> Result<u64> {
        self.read(|store| {
            let text = "SELECT COUNT(*) FROM outbox WHERE output = ? AND id > ?";
            store.query_row(text, (output, after), |row| row.get::<_, i64>(0)).map(|n| n.unsigned_abs())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_in_order_and_their_numbers_are_never_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let message = |output: &str, payload: &str| Waiting {
            output: output.into(),
            topic: "cap/find".into(),
            payload: payload.into(),
        };
        store
            .add_frames("cap", &[], &[], &[message("a", "1"), message("b", "2"), message("a", "3")])
            .unwrap();
        let found = store.waiting("a", 9).unwrap();
        let payloads: Vec<&str> = found.iter().map(|(_, message)| message.payload.as_str()).collect();
        assert_eq!(payloads, ["1", "3"]);
        let last = found[1].0;
        store.taken("a", last).unwrap();
        assert_eq!((store.waiting_count("a", 0).unwrap(), store.waiting_count("b", 0).unwrap()), (0, 1));
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        store.add_frames("cap", &[], &[], &[message("a", "4")]).unwrap();
        assert!(store.waiting("a", 9).unwrap()[0].0 > last);
    }

    #[test]
    fn messages_that_are_kept_are_found_by_number_and_topic_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let message = |output: &str, topic: &str, payload: usize| Waiting {
            output: output.into(),
            topic: topic.into(),
            payload: payload.to_string(),
        };
        let all: Vec<Waiting> =
            (1..=6).map(|n| message("a", if n < 4 { "cap" } else { "label" }, n)).collect();
        store.add_frames("cap", &[], &[], &all).unwrap();
        store.add_frames("cap", &[], &[], &[message("b", "cap", 7)]).unwrap();
        assert_eq!(store.last_message("a", "cap").unwrap(), Some((3, all[2].clone())));
        assert_eq!(store.last_message("a", "lid").unwrap(), None);
        assert_eq!((store.last_number("a").unwrap(), store.last_number("c").unwrap()), (6, 0));
        assert_eq!((store.forget_messages("a", 4).unwrap(), store.forget_messages("b", 4).unwrap()), (2, 0));
        assert_eq!((store.message("a", 2).unwrap(), store.message("a", 7).unwrap()), (None, None));
        assert_eq!(store.message("a", 4).unwrap().unwrap().payload, "4");
        let numbers: Vec<i64> =
            store.waiting_after("a", 3, 2).unwrap().into_iter().map(|(id, _)| id).collect();
        assert_eq!((numbers, store.waiting_count("a", 3).unwrap()), (vec![4, 5], 3));
    }
}
