//! Where a bank is to be written.

use std::fs::{self, File};
use std::path::Path;

/// Finds out before the first frame whether a file can be written at `location`.
pub(super) fn check_writable(location: &Path) -> Result<(), gst::ErrorMessage> {
    let refuse = |reason: String| {
        Err(gst::error_msg!(
            gst::ResourceError::OpenWrite,
            ("cannot write the bank: {reason}: {}", location.display())
        ))
    };
    let Some(name) = location.file_name().filter(|_| !location.is_dir()) else {
        return refuse("expected a file, found a folder".into());
    };
    let mut probe = name.to_owned();
    probe.push(format!(".{}.probe", std::process::id()));
    let probe = location.with_file_name(probe);
    // Permissions alone do not tell: the file system may be read-only, or the folder missing.
    match File::create_new(&probe).and_then(|_| fs::remove_file(&probe)) {
        Ok(()) => Ok(()),
        Err(error) => refuse(error.to_string()),
    }
}
