//! Versions of banks, and which of them ran when.

use std::path::PathBuf;

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use snarm_core::bank::Bank;
use utoipa::ToSchema;

use super::{Judgement, Store, audit, shadows};
use crate::clock;

/// A version of the bank of a line.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct BankVersion {
    /// Number of its file.
    #[serde(skip)]
    pub(crate) id: i64,
    /// Number of the version, from 1.
    pub(crate) version: i64,
    /// The version that it grew from.
    pub(crate) parent: Option<i64>,
    /// SHA-256 of its content, by which results name it.
    pub(crate) digest: String,
    /// Good frames in it.
    pub(crate) frames: i64,
    /// Those of them that its parent does not have.
    pub(crate) added: i64,
    /// Descriptors in it.
    pub(crate) vectors: i64,
    /// Who made it.
    pub(crate) author: String,
    /// Why.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
    /// The finds that were added to its parent.
    pub(crate) finds: Vec<i64>,
    /// How it scores what was judged.
    pub(crate) report: Vec<Rescored>,
    /// Frames that were unlike the rest when the line learned it, the oddest first: they may show a defect.
    pub(crate) odd: Vec<Odd>,
    /// Whether it is the one in use.
    pub(crate) running: bool,
    /// Whether it was in use at some time.
    pub(crate) released: bool,
    /// Whether it judges beside the one in use.
    pub(crate) shadow: bool,
}

/// A learned frame that is unlike the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Odd {
    /// Number among the learned frames, from 0.
    pub(crate) frame: u64,
    /// Running time in nanoseconds, where the stream has one.
    pub(crate) time: Option<u64>,
    /// How many standard deviations it lies above the usual, on the scale of logarithms.
    pub(crate) sigmas: f64,
}

/// A judged find, scored again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rescored {
    /// Its number.
    pub(crate) find: i64,
    /// What was said of it.
    pub(crate) judgement: Judgement,
    /// Its score when it was found.
    pub(crate) before: f64,
    /// Its score by the version.
    pub(crate) after: f64,
}

/// A version that is new.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewBank {
    pub(crate) parent: Option<i64>,
    pub(crate) digest: String,
    pub(crate) frames: i64,
    pub(crate) added: i64,
    pub(crate) vectors: i64,
    pub(crate) author: String,
    pub(crate) reason: String,
    pub(crate) finds: Vec<i64>,
    pub(crate) report: Vec<Rescored>,
    pub(crate) odd: Vec<Odd>,
}

impl NewBank {
    /// Of a bank that came from elsewhere: it has no parent here.
    ///
    /// # Errors
    /// When it has more frames or descriptors than can be counted.
    pub(crate) fn from_elsewhere(bank: &Bank, author: &str, reason: &str) -> Result<Self> {
        let frames = i64::try_from(bank.frames())?;
        Ok(Self {
            parent: None,
            digest: bank.digest().to_owned(),
            frames,
            added: frames,
            vectors: i64::try_from(bank.vectors())?,
            author: author.to_owned(),
            reason: reason.to_owned(),
            finds: Vec::new(),
            report: Vec::new(),
            odd: Vec::new(),
        })
    }
}

/// A change of the bank in use.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Release {
    /// The version.
    pub(crate) version: i64,
    /// Who released it.
    pub(crate) author: String,
    /// Why.
    pub(crate) reason: String,
    /// When, in milliseconds since 1970.
    pub(crate) at: i64,
}

/// All versions of a line, the newest first.
fn versions(store: &Connection, line: &str) -> rusqlite::Result<Vec<BankVersion>> {
    let mut ask = store.prepare(
        "SELECT id, version, parent, digest, frames, added, vectors, author, reason, at, finds, report,
             odd, version = (SELECT r.version FROM releases r WHERE r.line = b.line ORDER BY r.id DESC LIMIT 1),
             EXISTS (SELECT 1 FROM releases r WHERE r.line = b.line AND r.version = b.version),
             EXISTS (SELECT 1 FROM shadows s WHERE s.line = b.line AND s.version = b.version)
         FROM banks b WHERE line = ? ORDER BY version DESC",
    )?;
    let rows = ask.query_map([line], |row| {
        let (finds, report, odd): (String, String, String) = (row.get(10)?, row.get(11)?, row.get(12)?);
        Ok(BankVersion {
            id: row.get(0)?,
            version: row.get(1)?,
            parent: row.get(2)?,
            digest: row.get(3)?,
            frames: row.get(4)?,
            added: row.get(5)?,
            vectors: row.get(6)?,
            author: row.get(7)?,
            reason: row.get(8)?,
            at: row.get(9)?,
            finds: serde_json::from_str(&finds).unwrap_or_default(),
            report: serde_json::from_str(&report).unwrap_or_default(),
            odd: serde_json::from_str(&odd).unwrap_or_default(),
            running: row.get::<_, Option<bool>>(13)?.unwrap_or_default(),
            released: row.get(14)?,
            shadow: row.get(15)?,
        })
    })?;
    rows.collect()
}

/// How the bank of a digest scores what was judged before it was made.
pub(super) fn rescored(store: &Connection, line: &str, digest: &str) -> rusqlite::Result<Vec<Rescored>> {
    let text = "SELECT report FROM banks WHERE line = ? AND digest = ? ORDER BY version DESC LIMIT 1";
    let report: Option<String> = store.query_row(text, [line, digest], |row| row.get(0)).optional()?;
    Ok(report.and_then(|report| serde_json::from_str(&report).ok()).unwrap_or_default())
}

/// A version and those that it grew from, itself first.
fn grown_from(mut banks: Vec<BankVersion>, version: i64) -> Vec<BankVersion> {
    let (mut next, mut found) = (Some(version), Vec::new());
    // A parent is older than its child, so that this ends.
    while let Some(at) = next.and_then(|version| banks.iter().position(|bank| bank.version == version)) {
        let bank = banks.swap_remove(at);
        next = bank.parent.filter(|parent| *parent < bank.version);
        found.push(bank);
    }
    found
}

impl Store {
    /// Adds a version; `place` puts its file where the store says. Nothing is added where that fails.
    pub(crate) fn add_bank(
        &self,
        line: &str,
        new: &NewBank,
        place: impl FnOnce(&std::path::Path) -> std::io::Result<()>,
    ) -> Result<BankVersion> {
        self.change(|change| {
            let version: i64 = change.query_row(
                "SELECT COALESCE(MAX(version), 0) + 1 FROM banks WHERE line = ?",
                [line],
                |row| row.get(0),
            )?;
            change.execute(
                "INSERT INTO banks (line, version, parent, digest, frames, added, vectors, author, reason, at, finds, report, odd)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    line,
                    version,
                    new.parent,
                    &new.digest,
                    new.frames,
                    new.added,
                    new.vectors,
                    &new.author,
                    &new.reason,
                    clock::now(),
                    serde_json::json!(new.finds).to_string(),
                    serde_json::json!(new.report).to_string(),
                    serde_json::json!(new.odd).to_string(),
                ),
            )?;
            place(&self.bank_file(change.last_insert_rowid()))
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            audit::add(change, &new.author, "bank", &format!("{line}: version {version}, {}", new.reason))?;
            let made = versions(change, line)?.into_iter().find(|bank| bank.version == version);
            made.ok_or(rusqlite::Error::QueryReturnedNoRows)
        })
    }

    /// All versions of a line, the newest first.
    pub(crate) fn banks(&self, line: &str) -> Result<Vec<BankVersion>> {
        self.read(|store| versions(store, line))
    }

    /// The finds that a version and those it grew from learned.
    pub(crate) fn learned_finds(&self, line: &str, version: i64) -> Result<Vec<i64>> {
        let grown = grown_from(self.banks(line)?, version);
        Ok(grown.into_iter().flat_map(|bank| bank.finds).collect())
    }

    /// Where the pictures of the frames are that a version was learned from, or the one that it grew from in the end.
    pub(crate) fn learned_pictures(&self, line: &str, version: i64) -> Result<PathBuf> {
        let grown = grown_from(self.banks(line)?, version);
        Ok(self.learned_folder(line, grown.last().map_or(version, |bank| bank.version)))
    }

    /// The version of a line that is in use.
    pub(crate) fn running_bank(&self, line: &str) -> Result<Option<BankVersion>> {
        Ok(self.banks(line)?.into_iter().find(|bank| bank.running))
    }

    /// The version of a line that judges beside the one in use.
    pub(crate) fn shadow_bank(&self, line: &str) -> Result<Option<BankVersion>> {
        Ok(self.banks(line)?.into_iter().find(|bank| bank.shadow))
    }

    /// Takes down that a version is in use from now on.
    pub(crate) fn release(&self, line: &str, version: i64, author: &str, reason: &str) -> Result<()> {
        self.change(|change| {
            change.execute(
                "INSERT INTO releases (line, version, author, reason, at) VALUES (?, ?, ?, ?, ?)",
                (line, version, author, reason, clock::now()),
            )?;
            shadows::at_release(change, line, version, author)?;
            audit::add(change, author, "release", &format!("{line}: version {version}, {reason}"))
        })
    }

    /// Changes of the bank in use, the last one first.
    pub(crate) fn releases(&self, line: &str, most: u32) -> Result<Vec<Release>> {
        self.read(|store| {
            let mut ask = store.prepare(
                "SELECT version, author, reason, at FROM releases WHERE line = ? ORDER BY id DESC LIMIT ?",
            )?;
            let rows = ask.query_map((line, most), |row| {
                Ok(Release {
                    version: row.get(0)?,
                    author: row.get(1)?,
                    reason: row.get(2)?,
                    at: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The version that was in use before the running one, other than it.
    pub(crate) fn bank_before(&self, line: &str) -> Result<Option<i64>> {
        self.read(|store| {
            let text = "SELECT version FROM releases WHERE line = ?1 AND version <>
                            (SELECT version FROM releases WHERE line = ?1 ORDER BY id DESC LIMIT 1)
                        ORDER BY id DESC LIMIT 1";
            store.query_row(text, [line], |row| row.get(0)).optional()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_released_and_rolled_back_and_none_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let new = |parent| NewBank {
            parent,
            digest: "d".into(),
            frames: 3,
            added: 1,
            vectors: 9,
            author: "ann".into(),
            reason: "new lamp".into(),
            finds: vec![4],
            report: Vec::new(),
            odd: vec![Odd { frame: 2, time: Some(7), sigmas: 3.5 }],
        };
        let write = |path: &std::path::Path| std::fs::write(path, b"bank");
        let first = store.add_bank("cap", &new(None), write).unwrap();
        let second = store.add_bank("cap", &new(Some(1)), write).unwrap();
        assert_eq!((first.version, second.version, second.running), (1, 2, false));
        assert_eq!(second.odd, new(None).odd);
        assert_eq!(store.learned_finds("cap", 2).unwrap(), [4, 4]);
        for (version, root) in [(2, 1), (9, 9)] {
            let found = store.learned_pictures("cap", version).unwrap();
            assert_eq!(found, store.learned_folder("cap", root));
        }
        assert!(store.bank_file(second.id).is_file() && store.bank_before("cap").unwrap().is_none());
        store.release("cap", 1, "ann", "begins").unwrap();
        store.release("cap", 2, "bob", "false alarms").unwrap();
        assert_eq!(store.running_bank("cap").unwrap().unwrap().version, 2);
        assert_eq!(store.bank_before("cap").unwrap(), Some(1));
        let authors: Vec<String> = store.releases("cap", 9).unwrap().into_iter().map(|r| r.author).collect();
        assert_eq!(authors, ["bob", "ann"]);
        let failed = store.add_bank("cap", &new(None), |_| Err(std::io::Error::other("full")));
        assert!(failed.is_err() && store.banks("cap").unwrap().len() == 2);
    }
}
