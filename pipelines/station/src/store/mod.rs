//! What a station remembers: an SQLite database in WAL mode, and beside it folders of pictures and banks, whose files are
//! named by numbers of the database. One station has a folder.

mod audit;
mod banks;
mod finds;
mod frames;
mod hub;
mod limits;
mod outbox;
mod parts;
mod people;
mod recipes;
mod schema;
mod set_aside;
mod settings;
mod shadows;
mod trends;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, ErrorCode, Transaction};

pub(crate) use audit::Entry;
pub(crate) use banks::{BankVersion, NewBank, Odd, Release, Rescored};
pub(crate) use finds::{Find, Judgement, NewFind, Queue};
pub(crate) use frames::{Frame, Shift};
pub(crate) use hub::{Known, Taken};
pub(crate) use limits::{LimitChange, WouldChange};
pub(crate) use outbox::Waiting;
pub(crate) use parts::Part;
pub(crate) use people::{Person, Role, Token, Who};
pub(crate) use recipes::Choice;
pub(crate) use set_aside::{Gone, SetAside, Tally};
pub(crate) use settings::Settings;
pub(crate) use shadows::{Compared, Judged, Shadow};
pub(crate) use trends::{STEP, Trend};

/// How long a change waits for another process that reads the database, such as a backup.
const PATIENCE: Duration = Duration::from_secs(10);

/// Name of the database.
const DATABASE: &str = "station.sqlite";

/// Folder of the pictures of learned frames.
const LEARNED: &str = "learned";

/// A picture of a find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picture {
    /// The frame with heat map, JPEG.
    Annotated,
    /// The frame, PNG.
    Frame,
    /// The anomaly map, PGM.
    Map,
}

impl Picture {
    const ALL: [Self; 3] = [Self::Annotated, Self::Frame, Self::Map];

    fn ending(self) -> &'static str {
        match self {
            Self::Annotated => "jpg",
            Self::Frame => "png",
            Self::Map => "pgm",
        }
    }
}

/// The store of a station.
pub(crate) struct Store {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    folder: PathBuf,
    /// Locked while the station runs.
    _held: File,
}

/// A store that is new, in a folder that goes with it.
#[cfg(test)]
fn new_store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

impl Store {
    /// Opens the store of a folder, or makes one.
    ///
    /// # Errors
    /// When the folder cannot be written, another station has it, or a newer version wrote it.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        for name in ["pictures", "banks", "objects"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        }
        let held = File::create(folder.join("station.lock"))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        if held.try_lock().is_err() {
            bail!("expected a data folder of no other station, found one that runs in {}", folder.display());
        }
        sort_learned(&folder.join(LEARNED));
        let path = folder.join(DATABASE);
        let cannot = || format!("cannot open {}", path.display());
        let mut writer = connect(&path).with_context(cannot)?;
        schema::bring_up(&mut writer).with_context(cannot)?;
        let reader = connect(&path).with_context(cannot)?;
        reader.pragma_update(None, "query_only", true).with_context(cannot)?;
        Ok(Self {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            folder: folder.to_owned(),
            _held: held,
        })
    }

    /// The folder of the store.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the bank of a number of [`BankVersion::id`] is.
    pub(crate) fn bank_file(&self, id: i64) -> PathBuf {
        self.folder.join("banks").join(format!("{id}.bank"))
    }

    /// Where a picture of a find is.
    pub(crate) fn picture_file(&self, find: i64, picture: Picture) -> PathBuf {
        self.pictures().join(format!("{find}.{}", picture.ending()))
    }

    /// Where it is kept what a find is like, with its pictures.
    pub(crate) fn nearest_folder(&self, find: i64) -> PathBuf {
        self.pictures().join(format!("{find}-nearest"))
    }

    /// Where the pictures of finds are.
    pub(crate) fn pictures(&self) -> PathBuf {
        self.folder.join("pictures")
    }

    /// Where the pictures of frames are that a line learned a version from; those of the versions that grew from it as well.
    pub(crate) fn learned_folder(&self, line: &str, version: i64) -> PathBuf {
        self.learned().join(line).join(version.to_string())
    }

    /// Where the pictures of frames are while a line learns, and has no version of them yet.
    pub(crate) fn folder_to_learn(&self, line: &str) -> PathBuf {
        self.learned().join(line).join("new")
    }

    /// Where the pictures of learned frames are.
    fn learned(&self) -> PathBuf {
        self.folder.join(LEARNED)
    }

    /// Asks the store, away from the threads that serve.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(self);
        tokio::task::spawn_blocking(move || ask(&store)).await.context("a task of the station failed")?
    }

    fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&reader).map_err(|error| self.explained(error, "cannot read the store"))
    }

    /// A change that happens as a whole, or not at all.
    fn change<T>(&self, make: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        whole(&mut writer, make).map_err(|error| self.explained(error, "cannot write to the store"))
    }

    /// What failed; a damaged file is named, for somebody has to put another one in its place.
    fn explained(&self, error: rusqlite::Error, what: &'static str) -> anyhow::Error {
        let damages = [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase];
        let is_damaged = error.sqlite_error_code().is_some_and(|code| damages.contains(&code));
        let error = anyhow::Error::new(error);
        match is_damaged {
            true => error.context(format!("{what}: {} is damaged", self.folder.join(DATABASE).display())),
            false => error.context(what),
        }
    }

    /// Refuses all changes, or no more.
    #[cfg(test)]
    pub(crate) fn refuse_writing(&self, refuses: bool) {
        self.writer.lock().unwrap().pragma_update(None, "query_only", refuses).unwrap();
    }

    /// Drops those of a line beyond the `keep` that are highest by `number`, a column of `table`. Counts how many.
    fn forget(&self, table: &str, number: &str, line: &str, keep: u64) -> Result<usize> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let text = format!(
            "DELETE FROM {table} WHERE line = ?1 AND {number} <=
                 (SELECT {number} FROM {table} WHERE line = ?1 ORDER BY {number} DESC LIMIT 1 OFFSET ?2)"
        );
        self.change(|change| change.execute(&text, (line, keep)))
    }
}

/// Pictures of learned frames are in folders of versions; before there were such, all were of the first version. One that
/// cannot be moved is not shown.
fn sort_learned(folder: &Path) {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    for line in entries(folder) {
        let first = line.path().join("1");
        for picture in entries(&line.path()).filter(|entry| entry.path().is_file()) {
            let _ = std::fs::create_dir_all(&first)
                .and_then(|()| std::fs::rename(picture.path(), first.join(picture.file_name())));
        }
    }
}

/// Whether what could not be stored may be stored at another time, as the database is locked or the disk is full. False where the
/// database refuses just this.
pub(crate) fn may_pass(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<rusqlite::Error>() else { return false };
    let refusals = [ErrorCode::ConstraintViolation, ErrorCode::TypeMismatch, ErrorCode::TooBig];
    !error.sqlite_error_code().is_some_and(|code| refusals.contains(&code))
}

/// A change that happens as a whole, or not at all.
fn whole<T>(
    writer: &mut Connection,
    make: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let change = writer.transaction()?;
    let made = make(&change)?;
    change.commit()?;
    Ok(made)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A change survives the end of the process; the last ones may be lost when the power fails.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_before_there_were_versions_are_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let line = dir.path().join("learned/cap");
        std::fs::create_dir_all(line.join("2")).unwrap();
        std::fs::write(line.join("7.jpg"), b"old").unwrap();
        std::fs::write(line.join("2/7.jpg"), b"new").unwrap();
        for _ in 0..2 {
            let store = Store::open(dir.path()).unwrap();
            let picture =
                |version| std::fs::read(store.learned_folder("cap", version).join("7.jpg")).unwrap();
            assert_eq!((picture(1), picture(2)), (b"old".to_vec(), b"new".to_vec()));
        }
    }

    #[test]
    fn a_database_that_is_damaged_is_named() {
        for damage in [0, 4096] {
            let dir = tempfile::tempdir().unwrap();
            drop(Store::open(dir.path()).unwrap());
            let path = dir.path().join("station.sqlite");
            let mut bytes = std::fs::read(&path).unwrap();
            // The header, or all behind the first page.
            let end = if damage == 0 { 100 } else { bytes.len() };
            bytes[damage..end].fill(b'x');
            std::fs::write(&path, bytes).unwrap();
            let opened = Store::open(dir.path()).and_then(|store| store.people().map(drop));
            let text = format!("{:#}", opened.err().unwrap());
            assert!(text.contains("station.sqlite"), "{text}");
        }
    }

    #[test]
    fn a_folder_has_one_station_and_no_store_of_a_later_version() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let text = format!("{:#}", Store::open(dir.path()).err().unwrap());
        assert!(text.contains("expected a data folder of no other station"), "{text}");
        store.writer.lock().unwrap().pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        let text = format!("{:#}", Store::open(dir.path()).err().unwrap());
        assert!(text.contains("found version 99"), "{text}");
    }
}
