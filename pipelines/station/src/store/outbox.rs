//! Messages that wait until an output took them, in their order.

use anyhow::Result;
use rusqlite::Transaction;

use super::Store;

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

impl Store {
    /// The first messages of an output with their numbers, which ascend and are never used twice.
    pub(crate) fn waiting(&self, output: &str, most: u32) -> Result<Vec<(i64, Waiting)>> {
        self.read(|store| {
            let mut ask = store.prepare(
                "SELECT id, output, topic, payload FROM outbox WHERE output = ? ORDER BY id LIMIT ?",
            )?;
            let rows = ask.query_map((output, most), |row| {
                Ok((row.get(0)?, Waiting { output: row.get(1)?, topic: row.get(2)?, payload: row.get(3)? }))
            })?;
            rows.collect()
        })
    }

    /// Removes the messages of an output up to a number: they were taken.
    pub(crate) fn taken(&self, output: &str, up_to: i64) -> Result<()> {
        self.change(|change| {
            change.execute("DELETE FROM outbox WHERE output = ? AND id <= ?", (output, up_to)).map(drop)
        })
    }

    /// How many messages of an output wait.
    pub(crate) fn waiting_count(&self, output: &str) -> Result<u64> {
        self.read(|store| {
            let text = "SELECT COUNT(*) FROM outbox WHERE output = ?";
            store.query_row(text, [output], |row| row.get::<_, i64>(0)).map(|n| n.unsigned_abs())
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
        assert_eq!((store.waiting_count("a").unwrap(), store.waiting_count("b").unwrap()), (0, 1));
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        store.add_frames("cap", &[], &[], &[message("a", "4")]).unwrap();
        assert!(store.waiting("a", 9).unwrap()[0].0 > last);
    }
}
