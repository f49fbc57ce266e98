//! What lies in folders, in an order that does not depend on the file system, and what of it is passed over.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::paths;

/// Endings of the image files that can be read, in lower case.
pub const IMAGE_ENDINGS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "tif", "tiff", "webp", "pgm", "ppm", "pnm", "pbm"];

/// Names shown of what was passed over.
const SHOWN: usize = 5;

/// Whether the name of `path` ends as an image that can be read.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(OsStr::to_ascii_lowercase);
    ending.is_some_and(|ending| IMAGE_ENDINGS.iter().any(|known| ending == *known))
}

/// The folders in `folder` that something lies in, in order, without hidden ones and what archives of other systems add.
///
/// # Errors
/// When a folder cannot be read.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() && !is_empty(&path)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether no file lies in `folder` or the folders below it. Links to folders count as something.
fn is_empty(folder: &Path) -> Result<bool> {
    for path in entries(folder)? {
        if !path.is_dir() || path.is_symlink() || !is_empty(&path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What lies in `folder`, in order, without hidden entries and those that other systems leave behind.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = all(folder)?;
    found.retain(|path| path.file_name().is_some_and(|name| !is_hidden(name)));
    Ok(found)
}

/// All that lies in `folder`, in order.
pub(super) fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |source| Error::read("folder", folder, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        found.push(entry.map_err(wrong)?.path());
    }
    found.sort();
    Ok(found)
}

/// Whether an entry is hidden, or one that macOS or Windows leaves behind.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    let left_behind = ["__MACOSX", "Thumbs.db", "desktop.ini"];
    name.as_encoded_bytes().starts_with(b".") || left_behind.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// The images that a hidden entry is or holds, in order, but for the second halves of files that macOS writes. Links are not
/// followed, and folders that cannot be read hold none.
pub(super) fn hidden_images(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() || path.is_symlink() {
        let is_half = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"));
        return if is_image(path) && !is_half { vec![path.to_owned()] } else { Vec::new() };
    }
    all(path).unwrap_or_default().iter().flat_map(|path| hidden_images(path)).collect()
}

/// Whether a link leads to a folder that it lies in.
pub(super) fn is_circle(link: &Path) -> bool {
    link.parent().is_some_and(|parent| {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        real(parent).starts_with(real(link))
    })
}

/// The path without links; where it leads nowhere, its name in the folder without links, if there is one.
pub(super) fn real(path: &Path) -> PathBuf {
    let beside = || {
        let parent =
            path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        Some(parent?.canonicalize().ok()?.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.to_owned())
}

/// The first names in `folder`, for messages.
pub(super) fn listing(folder: &Path) -> Result<String> {
    let found = entries(folder)?;
    let names = found.iter().take(SHOWN).filter_map(|path| Some(paths::text(path.file_name()?)));
    let names: Vec<String> = names.collect();
    Ok(if names.is_empty() { "an empty folder".to_owned() } else { names.join(", ") })
}

/// What was passed over on a walk through folders, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Files that are no images by their names, and what is no file.
    pub others: Vec<PathBuf>,
    /// Images whose names begin with a dot, and those in hidden folders and in what archives of other systems add.
    pub hidden: Vec<PathBuf>,
    /// Files and folders that were met before, under another name or by a link.
    pub again: Vec<PathBuf>,
    /// Images in folders that the layout of the data set has no use for.
    pub unused: Vec<PathBuf>,
}

impl LeftOut {
    /// Whether nothing was passed over.
    pub fn is_empty(&self) -> bool {
        [&self.others, &self.hidden, &self.again, &self.unused].iter().all(|paths| paths.is_empty())
    }

    /// Adds what another walk passed over.
    pub fn extend(&mut self, other: Self) {
        self.others.extend(other.others);
        self.hidden.extend(other.hidden);
        self.again.extend(other.again);
        self.unused.extend(other.unused);
    }

    /// Adds images that are hidden, each once.
    pub(super) fn hide(&mut self, images: Vec<PathBuf>) {
        if !images.is_empty() {
            self.hidden.extend(images);
            self.hidden.sort();
            self.hidden.dedup();
        }
    }

    /// Tells of it in the log, if there is anything to tell.
    pub fn warn(&self) {
        if !self.is_empty() {
            tracing::warn!("left out: {self}");
        }
    }
}

/// Counts by reason, each with its first names.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let no_images = match self.others.len() {
            1 => "1 file that is no image".to_owned(),
            n => format!("{n} files that are no images{}", endings(&self.others)),
        };
        let hidden = format!("{} hidden image(s)", self.hidden.len());
        let again = format!("{} met before by another name or link", self.again.len());
        let unused = format!("{} image(s) in folders that the layout does not use", self.unused.len());
        let reasons =
            [(no_images, &self.others), (hidden, &self.hidden), (again, &self.again), (unused, &self.unused)];
        let parts = reasons.iter().filter(|(_, paths)| !paths.is_empty());
        let parts: Vec<String> = parts.map(|(what, paths)| format!("{what}: {}", first(paths))).collect();
        f.write_str(&parts.join("; "))
    }
}

/// How many files have which ending, in brackets.
fn endings(files: &[PathBuf]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for path in files {
        let ending = path.extension().map_or_else(
            || "without an ending".to_owned(),
            |ending| format!(".{}", paths::text(ending.to_ascii_lowercase())),
        );
        *counts.entry(ending).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(ending, n)| format!("{n} {ending}")).collect();
    format!(" ({})", counts.join(", "))
}

/// The first names, and how many more there are.
fn first(files: &[PathBuf]) -> String {
    let mut names: Vec<String> = files.iter().take(SHOWN).map(paths::text).collect();
    if files.len() > SHOWN {
        names.push(format!("and {} more", files.len() - SHOWN));
    }
    names.join(", ")
}
