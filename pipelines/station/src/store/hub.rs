//! What a station remembers of its hub: commands that were carried out, and what its lines were to be.

use anyhow::Result;
use rusqlite::OptionalExtension;
use serde::Serialize;

use super::{Store, Waiting, audit, outbox};
use crate::{clock, secret};

/// Commands are remembered so long after their deadline, in milliseconds.
const REMEMBERED: i64 = 24 * 60 * 60 * 1000;

/// A command as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is new, and is taken down.
    New,
    /// It was carried out, with that answer.
    Answered(String),
    /// It is carried out at this moment.
    Begun,
    /// Another command has its number.
    Other,
    /// Its deadline has passed.
    Expired,
}

/// What a line was to be, as it was taken last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    /// Revision at the hub.
    #[serde(skip)]
    pub(crate) revision: i64,
    /// When it was asked for, in milliseconds since 1970.
    pub(crate) at: i64,
    /// SHA-256 of the bank's file; empty where no bank was wanted.
    pub(crate) object: String,
    /// SHA-256 of the decoder's file, where one was wanted.
    pub(crate) decoder: Option<String>,
    /// SHA-256 of the recipe's file, where one was wanted.
    pub(crate) recipe: Option<String>,
    /// The version that was taken into use for it.
    pub(crate) version: Option<i64>,
    /// Why it was not taken, where it was not.
    pub(crate) refusal: Option<String>,
}

impl Store {
    /// The name of this store: a random one, the same for ever.
    pub(crate) fn store_name(&self) -> Result<String> {
        let new = secret::token()?.chars().take(16).collect::<String>();
        self.change(|change| {
            change.execute("INSERT OR IGNORE INTO names (only, store) VALUES (1, ?)", [new])?;
            change.query_row("SELECT store FROM names", [], |row| row.get(0))
        })
    }

    /// The output, or none, that is told from now on of what is added to the audit list.
    pub(crate) fn tell_audit(&self, output: Option<&str>) -> Result<()> {
        self.change(|change| {
            change.execute("DELETE FROM audit_readers", [])?;
            let mut add = change.prepare("INSERT INTO audit_readers (output) VALUES (?)")?;
            output.into_iter().try_for_each(|output| add.execute([output]).map(drop))
        })
    }

    /// Adds a message for an output.
    pub(crate) fn tell(&self, message: &Waiting) -> Result<()> {
        self.change(|change| outbox::add(change, message))
    }

    /// Begins a command, unless it is known or too late. Those that no replay passes any more are forgotten.
    pub(crate) fn begin_command(&self, id: &str, what: &str, deadline: i64) -> Result<Known> {
        self.change(|change| {
            let now = clock::now();
            change.execute("DELETE FROM commands WHERE deadline < ?", [now - REMEMBERED])?;
            let text = "SELECT what, answer FROM commands WHERE id = ?";
            let known: Option<(String, Option<String>)> =
                change.query_row(text, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            // It is remembered until no request of it can begin one any more.
            let later = "UPDATE commands SET deadline = MAX(deadline, ?) WHERE id = ? AND what = ?";
            change.execute(later, (deadline, id, what))?;
            match known {
                Some((known, _)) if known != what => return Ok(Known::Other),
                Some((_, Some(answer))) => return Ok(Known::Answered(answer)),
                Some((_, None)) => return Ok(Known::Begun),
                None if deadline <= now => return Ok(Known::Expired),
                None => {}
            }
            change.execute(
                "INSERT INTO commands (id, what, deadline) VALUES (?, ?, ?)",
                (id, what, deadline),
            )?;
            Ok(Known::New)
        })
    }

    /// Takes down the answer to a command.
    pub(crate) fn end_command(&self, id: &str, answer: &str) -> Result<()> {
        self.change(|change| {
            change.execute("UPDATE commands SET answer = ? WHERE id = ?", (answer, id)).map(drop)
        })
    }

    /// Gives an answer to the commands that were carried out when the station ended.
    pub(crate) fn end_commands(&self, answer: &str) -> Result<()> {
        self.change(|change| {
            change.execute("UPDATE commands SET answer = ? WHERE answer IS NULL", [answer]).map(drop)
        })
    }

    /// What a line was to be, as it was taken last.
    pub(crate) fn taken_desired(&self, line: &str) -> Result<Option<Taken>> {
        self.read(|store| {
            let text =
                "SELECT revision, at, object, version, refusal, decoder, recipe FROM desired WHERE line = ?";
            let taken = store.query_row(text, [line], |row| {
                Ok(Taken {
                    revision: row.get(0)?,
                    at: row.get(1)?,
                    object: row.get(2)?,
                    version: row.get(3)?,
                    refusal: row.get(4)?,
                    decoder: row.get(5)?,
                    recipe: row.get(6)?,
                })
            });
            taken.optional()
        })
    }

    /// Takes down what a line was to be, and in the audit list why it is not.
    pub(crate) fn take_desired(&self, line: &str, taken: &Taken, who: &str) -> Result<()> {
        self.change(|change| {
            change.execute(
                "INSERT OR REPLACE INTO desired (line, revision, at, object, version, refusal, decoder, recipe)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    line,
                    taken.revision,
                    taken.at,
                    &taken.object,
                    taken.version,
                    &taken.refusal,
                    &taken.decoder,
                    &taken.recipe,
                ),
            )?;
            match &taken.refusal {
                Some(why) => audit::add(change, who, "refuse", &format!("{line}: what the hub wants, {why}")),
                None => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_store as store;
    use super::*;

    #[test]
    fn a_command_is_begun_once_and_its_first_answer_stays() {
        let (_dir, store) = store();
        let later = clock::now() + 60_000;
        assert_eq!(store.begin_command("a", "do", later).unwrap(), Known::New);
        assert_eq!(store.begin_command("a", "do", later).unwrap(), Known::Begun);
        assert_eq!(store.begin_command("a", "do more", later).unwrap(), Known::Other);
        assert_eq!(store.begin_command("a", "do", later + 9).unwrap(), Known::Begun);
        let deadline = "SELECT deadline FROM commands WHERE id = 'a'";
        assert_eq!(
            store.read(|store| store.query_row(deadline, [], |row| row.get::<_, i64>(0))).unwrap(),
            later + 9
        );
        store.end_command("a", "done").unwrap();
        assert_eq!(store.begin_command("a", "do", later).unwrap(), Known::Answered("done".into()));
        assert_eq!(store.begin_command("b", "do", clock::now() - 1).unwrap(), Known::Expired);
        // One that was carried out when the station was killed is not carried out again.
        assert_eq!(store.begin_command("c", "do", later).unwrap(), Known::New);
        store.end_commands("not known").unwrap();
        assert_eq!(store.begin_command("c", "do", later).unwrap(), Known::Answered("not known".into()));
        assert_eq!(store.begin_command("a", "do", later).unwrap(), Known::Answered("done".into()));
    }

    #[test]
    fn entries_of_the_audit_list_wait_for_the_output_that_is_told() {
        let (_dir, store) = store();
        store.note("ann", "before", "").unwrap();
        store.tell_audit(Some("hub")).unwrap();
        store.note("bob", "limit", "cap \"0.5\"").unwrap();
        let waiting = store.waiting("hub", 9).unwrap();
        let payload: serde_json::Value = serde_json::from_str(&waiting[0].1.payload).unwrap();
        assert_eq!((waiting.len(), waiting[0].1.topic.as_str()), (1, "audit"));
        assert_eq!(
            (&payload["who"], &payload["detail"], &payload["number"]),
            (&"bob".into(), &"cap \"0.5\"".into(), &2.into())
        );
        store.tell_audit(None).unwrap();
        store.note("ann", "after", "").unwrap();
        assert_eq!(store.waiting_count("hub", 0).unwrap(), 1);
        assert_eq!(store.store_name().unwrap(), store.store_name().unwrap());
    }

    #[test]
    fn what_is_refused_is_in_the_audit_list() {
        let (_dir, store) = store();
        assert_eq!(store.taken_desired("cap").unwrap(), None);
        let taken = Taken {
            revision: 3,
            at: 5,
            object: "aa".into(),
            version: None,
            refusal: Some("unsigned".into()),
            decoder: Some("dd".into()),
            recipe: None,
        };
        store.take_desired("cap", &taken, "hub").unwrap();
        assert_eq!(store.taken_desired("cap").unwrap(), Some(taken.clone()));
        assert!(store.audit(1).unwrap()[0].detail.contains("unsigned"));
        let taken = Taken { revision: 4, version: Some(2), refusal: None, ..taken };
        store.take_desired("cap", &taken, "ann").unwrap();
        assert_eq!(store.taken_desired("cap").unwrap(), Some(taken));
        assert_eq!(store.audit(9).unwrap().len(), 1);
    }
}
