//! Whether a process may have the memory that it is about to need: an allocation that fails in the middle of a frame ends
//! the process, and with it the application that the elements are guests of.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use crate::error::{Error, Result};

/// What is needed beside the buffers that callers know of: the scratch of threads, maps, what the system keeps apart.
const SMALL: usize = 24 << 20;

/// Finds out whether `bytes` more can be had, by limits of the process (`ulimit -v`, `ulimit -d`) and of its control group.
///
/// # Errors
/// [`Error::Memory`] where they cannot.
pub(crate) fn check(what: &'static str, bytes: usize) -> Result<()> {
    let needed = bytes.saturating_add(SMALL);
    let mut probe: Vec<u8> = Vec::new();
    let granted = probe.try_reserve_exact(needed).is_ok();
    // An allocation that nobody looks at might not be made.
    black_box(probe.as_ptr());
    let left = group_left();
    if granted && left.is_none_or(|left| left >= bytes as u64) {
        return Ok(());
    }
    Err(Error::Memory { what, needed, left })
}

/// Makes room for `more` items in a buffer that grows: for as many as it has, where it has no room for them.
///
/// # Errors
/// [`Error::Memory`] where there is none. The buffer stays as it is.
pub(crate) fn reserve<T>(what: &'static str, buffer: &mut Vec<T>, more: usize) -> Result<()> {
    if buffer.capacity() - buffer.len() >= more {
        return Ok(());
    }
    let room = more.max(buffer.len());
    let needed = (buffer.len() + room).saturating_mul(size_of::<T>());
    check(what, needed)?;
    buffer.try_reserve(room).map_err(|_| Error::Memory { what, needed, left: None })
}

/// What the control group of this process leaves; `None` where there is no limit or none that is known.
fn group_left() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    left_in(&Path::new("/sys/fs/cgroup").join(group))
}

/// What a control group, described by the files in this folder, leaves. Pages of files can be dropped.
fn left_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let limit: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    let droppable = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        matches!(name, "active_file" | "inactive_file").then(|| value.parse::<u64>().ok())?
    };
    let files: u64 = read("memory.stat").unwrap_or_default().lines().filter_map(droppable).sum();
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_what_it_is_for() {
        check("test", 1).unwrap();
        let error = check("test", 1 << 60).unwrap_err().to_string();
        assert!(error.starts_with("memory for test: expected "), "{error}");
        check("test", usize::MAX).unwrap_err();
    }

    #[test]
    fn a_buffer_grows_as_far_as_there_is_room() {
        let mut buffer = vec![0_u8; 3];
        reserve("test", &mut buffer, 5).unwrap();
        assert!(buffer.capacity() >= 8);
        let error = reserve("test", &mut buffer, 1 << 60).unwrap_err().to_string();
        assert!(error.starts_with("memory for test: expected ") && buffer.len() == 3, "{error}");
    }

    #[test]
    fn a_group_leaves_what_its_files_say() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(left_in(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(left_in(folder.path()), Some(300));
        write("memory.stat", "anon 500\nactive_file 50\ninactive_file 100\nfile 150\n");
        assert_eq!(left_in(folder.path()), Some(450));
    }
}
