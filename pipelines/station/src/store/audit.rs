//! Who did what: a list that is only added to; the database refuses anything else.

use anyhow::Result;
use rusqlite::Transaction;
use serde::Serialize;
use utoipa::ToSchema;

use super::Store;
use crate::clock;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Entry {
    /// Number, ascending.
    pub(crate) id: i64,
    /// Time in milliseconds since 1970.
    pub(crate) at: i64,
    /// Name of the person or token.
    pub(crate) who: String,
    /// What was done.
    pub(crate) what: String,
    /// To what, and why.
    pub(crate) detail: String,
}

/// Longest detail of an entry, in characters: what tells of more is cut, for entries stay for good.
const LONGEST: usize = 1000;

/// Adds an entry, as a part of the change it tells of.
pub(super) fn add(change: &Transaction<'_>, who: &str, what: &str, detail: &str) -> rusqlite::Result<()> {
    let detail = detail.char_indices().nth(LONGEST).map_or(detail, |(end, _)| &detail[..end]);
    change
        .prepare("INSERT INTO audit (at, who, what, detail) VALUES (?, ?, ?, ?)")?
        .execute((clock::now(), who, what, detail))
        .map(drop)
}

impl Store {
    /// Adds an entry of its own.
    pub(crate) fn note(&self, who: &str, what: &str, detail: &str) -> Result<()> {
        self.change(|change| add(change, who, what, detail))
    }

    /// The latest entries, the last one first.
    pub(crate) fn audit(&self, most: u32) -> Result<Vec<Entry>> {
        self.read(|store| {
            let mut ask =
                store.prepare("SELECT id, at, who, what, detail FROM audit ORDER BY id DESC LIMIT ?")?;
            let rows = ask.query_map([most], |row| {
                Ok(Entry {
                    id: row.get(0)?,
                    at: row.get(1)?,
                    who: row.get(2)?,
                    what: row.get(3)?,
                    detail: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_added_and_neither_changed_nor_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.note("ann", "sign in", "").unwrap();
        store.note("bob", "limit", "cap 0.5").unwrap();
        let found: Vec<String> = store.audit(9).unwrap().into_iter().map(|entry| entry.who).collect();
        assert_eq!(found, ["bob", "ann"]);
        store.note("eve", "long", &"\u{fc}".repeat(2 * LONGEST)).unwrap();
        assert_eq!(store.audit(1).unwrap()[0].detail.chars().count(), LONGEST);
        for line in ["DELETE FROM audit", "UPDATE audit SET who = 'eve'"] {
            assert!(store.change(|change| change.execute(line, [])).is_err(), "{line}");
        }
        assert_eq!(store.audit(9).unwrap().len(), 3);
    }
}
