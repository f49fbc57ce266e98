//! What lies in folders, in an order that does not depend on the file system.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Endings of the image files that can be read, in lower case.
pub const IMAGE_ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Every image in `folder` and the folders below it, in the order of their paths.
///
/// # Errors
/// When a folder cannot be read.
pub fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            found.extend(images(&path)?);
        } else if is_image(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether the name of `path` ends as an image that can be read.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| IMAGE_ENDINGS.contains(&ending.as_str()))
}

/// Names of the folders in `folder`, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn folders(folder: &Path) -> Result<Vec<String>> {
    let found = entries(folder)?.into_iter().filter(|path| path.is_dir());
    Ok(found.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
}

/// What lies in `folder`, in order, without hidden entries.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |source| Error::read("folder", folder, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The first names in `folder`, for messages.
pub(super) fn listing(folder: &Path) -> Result<String> {
    let names: Vec<_> = entries(folder)?
        .iter()
        .take(5)
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    Ok(if names.is_empty() { "an empty folder".to_owned() } else { names.join(", ") })
}
