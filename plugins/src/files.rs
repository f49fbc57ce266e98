//! Files that elements write: which of them are the same, and that none of them is one that is read.

use std::fs::Metadata;
use std::path::Path;

/// What tells a file from all others while it is there; `None` where the system does not say.
pub(crate) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Refuses to write to a file that another property names to be read, whatever way leads there.
pub(crate) fn check_apart(
    name: &'static str,
    written: &Path,
    read: &[(&'static str, Option<&Path>)],
) -> Result<(), gst::ErrorMessage> {
    let Ok(metadata) = std::fs::metadata(written) else { return Ok(()) };
    if !metadata.is_file() {
        return Ok(());
    }
    for (other, path) in read.iter().filter_map(|(other, path)| Some((other, (*path)?))) {
        let same = std::fs::metadata(path).is_ok_and(|found| match identity(&metadata) {
            Some(here) => identity(&found) == Some(here),
            None => path.canonicalize().ok() == written.canonicalize().ok(),
        });
        if same {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("{name}: expected another file than {other}, found the same: {}", written.display())
            ));
        }
    }
    Ok(())
}
