//! Files: how they are mapped, written and named, and the tensors in them.

mod tensors;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

pub use self::tensors::{Tensor, Weights};
use crate::error::{Error, Result};

/// The entry of a safetensors header that is ours.
pub(crate) const ENTRY: &str = "snarm";

/// Maps a file for reading.
#[expect(unsafe_code, reason = "a memory map is unsafe by nature")]
pub(crate) fn map_file(what: &'static str, path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(|e| Error::read(what, path, e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Error::wrong_file(what, path, "a file", "a folder"));
    }
    // SAFETY: the map is private and read-only, and what is read from it is checked. A file that another process
    // cuts short while it is mapped can still end this one, as with any mapped file; our own writers never do
    // that: they write beside the file and rename.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::read(what, path, e))
}

/// Writes a file beside `path`, syncs it and renames it, so that `path` is either the old file or the whole new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Two writers, in one process or in two, never share a temporary file.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    name.push(format!(".{}-{}.tmp", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    let temporary = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // What is left of a failed write is of no use; the reason is reported by the caller.
        let _ = std::fs::remove_file(&temporary);
    })
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
