//! Writing a file whole: beside its place first, synced, then renamed.
//!
//! The file beside it has a name that nobody can guess and is made anew, so that no link of another leads elsewhere. It is
//! locked while it grows: one that is not locked belongs to a run that was killed, and the next run removes it.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Access, AtFlags, CWD, OFlags, accessat};
use tempfile::{Builder, NamedTempFile};

use super::target::{Target, folder_of};

/// Beginning of the names of files that are not complete.
const PREFIX: &str = ".snarm-";

/// Ending of their names.
const SUFFIX: &str = ".tmp";

/// Mode of a new file, less what the process masks.
const MODE: u32 = 0o666;

/// Writes `bytes` to `path`, so that `path` is the old file or the whole new one.
///
/// # Errors
/// As [`Replacement::of`] and [`Replacement::finish`].
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = Replacement::of(path)?;
    new.write_all(bytes)?;
    new.finish()
}

/// As [`replace`], without waiting until the disk has it: for pictures and maps, of which there are many and which are soon
/// made again after a power failure.
///
/// # Errors
/// As [`replace`].
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = Replacement::of(path)?;
    new.write_all(bytes)?;
    new.place(Durable::No).map(drop)
}

/// Finds out whether [`replace`] could write `path`, without changing what is there.
///
/// # Errors
/// When it could not.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match Target::of(path)? {
        Target::Stream(path) => Ok(accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?),
        Target::File(path, old) => {
            // Permissions alone do not tell: the file system may be read-only, or the folder missing.
            beside(&path, old.as_ref()).map(drop)
        }
    }
}

/// The file that [`replace`] would put another in place of, behind all links; none where nothing is there, or where a device,
/// a FIFO or what a program has open is written into.
///
/// # Errors
/// When `path` is a folder, or leads nowhere.
pub fn replaced(path: &Path) -> io::Result<Option<PathBuf>> {
    Ok(match Target::of(path)? {
        Target::File(path, Some(_)) => Some(path),
        Target::File(_, None) | Target::Stream(_) => None,
    })
}

/// Whether the disk has a file when it is said to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

/// The new content of a file on its way. Dropped before [`Replacement::finish`], it leaves the old file as it was.
///
/// Links are followed. Mode and, where the process may, owner of an existing file stay; other hard links keep the old
/// content. Devices and FIFOs are written into.
#[derive(Debug)]
pub struct Replacement(Way);

#[derive(Debug)]
enum Way {
    Into(File),
    Beside { new: NamedTempFile, path: PathBuf, old: Option<Box<Metadata>> },
}

impl Replacement {
    /// Begins the new content of `path`.
    ///
    /// # Errors
    /// When `path` is a folder, a file that may not be written, or in a folder where nothing can be written.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self(match Target::of(path)? {
            // What is open already, such as /dev/stdout, goes on behind what it holds.
            Target::Stream(path) => Way::Into(OpenOptions::new().append(true).open(path)?),
            Target::File(path, old) => {
                Way::Beside { new: beside(&path, old.as_ref())?, path, old: old.map(Box::new) }
            }
        }))
    }

    /// Puts the new content in place.
    ///
    /// # Errors
    /// When the disk is full, or the file cannot be renamed. The old file is then as it was.
    pub fn finish(self) -> io::Result<()> {
        self.finish_locked().map(drop)
    }

    /// What is written into, for a process that writes.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn file(&self) -> io::Result<File> {
        match &self.0 {
            Way::Into(file) => file.try_clone(),
            Way::Beside { new, .. } => new.as_file().try_clone(),
        }
    }

    /// As [`Self::finish`]; the new file stays locked as long as what is returned is open.
    pub(super) fn finish_locked(self) -> io::Result<File> {
        self.place(Durable::Yes)
    }

    fn place(self, durable: Durable) -> io::Result<File> {
        let (new, path, old) = match self.0 {
            Way::Into(mut file) => {
                file.flush()?;
                return Ok(file);
            }
            Way::Beside { new, path, old } => (new, path, old),
        };
        if let Some(old) = old {
            // First, since a change of the owner takes bits away. Only root may give files away.
            let _ = fchown(new.as_file(), Some(old.uid()), Some(old.gid()));
            new.as_file().set_permissions(old.permissions())?;
        }
        if durable == Durable::Yes {
            new.as_file().sync_all()?;
        }
        let file = new.persist(&path).map_err(|e| e.error)?;
        if durable == Durable::No {
            return Ok(file);
        }
        // The name is in the folder. Some file systems cannot sync folders, and the content is safe either way.
        let _ = File::open(folder_of(&path)).and_then(|folder| folder.sync_all());
        Ok(file)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Way::Into(file) => file.write(bytes),
            Way::Beside { new, .. } => new.as_file_mut().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Way::Into(file) => file.flush(),
            Way::Beside { new, .. } => new.as_file_mut().flush(),
        }
    }
}

/// A new, locked file in the folder of `path`, readable by those who may read `old`.
fn beside(path: &Path, old: Option<&Metadata>) -> io::Result<NamedTempFile> {
    if old.is_some() {
        // A rename does not ask whether the file itself may be written.
        accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?;
    }
    let folder = folder_of(path);
    // Bits of an old file are set when the new one is complete.
    let mode = if old.is_some() { 0o600 } else { MODE };
    loop {
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(12).permissions(Permissions::from_mode(mode));
        let new = builder.tempfile_in(folder)?;
        match new.as_file().try_lock() {
            // Another run may have taken it for what a killed one left, before it was locked.
            Ok(()) if !is_at(new.as_file(), new.path()) => continue,
            Err(TryLockError::WouldBlock) => continue,
            // Some network file systems know no locks; there nothing is removed either.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if let Ok(metadata) = new.as_file().metadata() {
            remove_strays_once(folder, metadata.uid());
        }
        return Ok(new);
    }
}

/// Whether an open file is the one of that name.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: io::Result<Metadata>| found.map(|found| (found.dev(), found.ino())).ok();
    id(file.metadata()).is_some_and(|open| id(fs::symlink_metadata(path)) == Some(open))
}

/// Removes what killed runs of this user left in a folder, when this process first writes there.
fn remove_strays_once(folder: &Path, user: u32) {
    static SEEN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let Ok(folder) = folder.canonicalize() else { return };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.get_or_insert_with(HashSet::new).insert(folder.clone()) {
        drop(seen);
        remove_strays(&folder, user);
    }
}

/// Removes unfinished files that nobody has locked.
pub(super) fn remove_strays(folder: &Path, user: u32) {
    let Ok(entries) = folder.read_dir() else { return };
    let ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(ours) {
            continue;
        }
        let path = entry.path();
        let stray = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.uid() == user);
        if !stray {
            continue;
        }
        let open = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path);
        if let Ok(file) = open.and_then(|file| file.try_lock().map(|()| file).map_err(io::Error::from))
            && is_at(&file, &path)
        {
            tracing::debug!("removed what a killed run left: {}", path.display());
            let _ = fs::remove_file(&path);
        }
    }
}
