//! Walks through folders, patterns and files that meet each file once, whatever links lead to it, and always end.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{LeftOut, all, hidden_images, is_circle, is_hidden, is_image, real};
use super::glob;
use crate::error::{Error, Result};

/// A walk through any number of folders, patterns and files.
///
/// A file is known by its path without links. Where several names lead to one file the name without a link counts, else the
/// first one in order. What is passed over is kept in [`Walk::left_out`].
#[derive(Debug, Default)]
pub struct Walk {
    met: HashSet<PathBuf>,
    /// Whether files count by their names, so that several may be links to one.
    by_name: bool,
    /// What was passed over, by paths without links: counted once.
    passed: HashSet<PathBuf>,
    /// What was passed over so far.
    pub left_out: LeftOut,
}

impl Walk {
    /// A walk that has met nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A walk that takes every name for a file of its own, as masks are that are all links to one black picture.
    pub(super) fn by_name() -> Self {
        Self { by_name: true, ..Self::default() }
    }

    /// The images in `folder` and the folders below it that were not met before, in the order of their paths.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn folder(&mut self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        // Links wait until all that lies there without one is met.
        let (mut folders, mut links) = (VecDeque::from([folder.to_owned()]), VecDeque::new());
        let mut walked = HashSet::new();
        loop {
            if let Some(at) = folders.pop_front() {
                if !walked.insert(real(&at)) {
                    self.left_out.again.push(at);
                    continue;
                }
                for path in all(&at)? {
                    let kind =
                        fs::symlink_metadata(&path).map_err(|e| Error::read("folder", &path, e))?.file_type();
                    if self.is_passed_over(&path) {
                        continue;
                    } else if kind.is_symlink() {
                        links.push_back(path);
                    } else if kind.is_dir() {
                        folders.push_back(path);
                    } else {
                        self.take(path, kind.is_file(), &mut found);
                    }
                }
            } else if let Some(link) = links.pop_front() {
                match fs::metadata(&link) {
                    Ok(metadata) if metadata.is_dir() && !is_circle(&link) => folders.push_back(link),
                    Ok(metadata) if metadata.is_dir() => self.left_out.again.push(link),
                    Ok(metadata) => self.take(link, metadata.is_file(), &mut found),
                    // A link to nothing is a file that cannot be read, which whoever opens it will say.
                    Err(_) => self.take(link, true, &mut found),
                }
            } else {
                found.sort();
                return Ok(found);
            }
        }
    }

    /// The files that `pattern` matches and the images in the folders that it matches, without those met before, in the
    /// order of their paths.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn pattern(&mut self, pattern: &Path) -> Result<Vec<PathBuf>> {
        let mut left_out = LeftOut::default();
        let matched = glob::expand(pattern, &mut left_out)?;
        let (links, real): (Vec<_>, Vec<_>) = matched.into_iter().partition(|path| path.is_symlink());
        let mut found = Vec::new();
        for path in real.into_iter().chain(links) {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => found.extend(self.folder(&path)?),
                // A clip has any name; as in folders a link to nothing is a file that cannot be read.
                Ok(metadata) if metadata.is_file() => self.keep(path, &mut found),
                other => self.take(path, other.is_err(), &mut found),
            }
        }
        self.left_out.again.extend(left_out.again);
        self.hide(left_out.hidden);
        found.sort();
        Ok(found)
    }

    /// Whether a file is met for the first time.
    pub fn file(&mut self, path: &Path) -> bool {
        let new = self.by_name || self.met.insert(real(path));
        if !new {
            self.left_out.again.push(path.to_owned());
        }
        new
    }

    /// Whether a file was met.
    pub(super) fn has_met(&self, path: &Path) -> bool {
        self.met.contains(&real(path))
    }

    fn take(&mut self, path: PathBuf, is_file: bool, found: &mut Vec<PathBuf>) {
        if !is_file || !is_image(&path) {
            if self.passed.insert(real(&path)) {
                self.left_out.others.push(path);
            }
        } else {
            self.keep(path, found);
        }
    }

    fn keep(&mut self, path: PathBuf, found: &mut Vec<PathBuf>) {
        if self.file(&path) {
            found.push(path);
        }
    }

    /// Keeps in mind the images in the hidden entries of a folder, which no walk goes through.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn pass_over(&mut self, folder: &Path) -> Result<()> {
        for path in all(folder)? {
            self.is_passed_over(&path);
        }
        Ok(())
    }

    /// Whether an entry is hidden; the images that it is or holds are kept in mind.
    fn is_passed_over(&mut self, path: &Path) -> bool {
        let hidden = path.file_name().is_some_and(is_hidden);
        if hidden {
            self.hide(hidden_images(path));
        }
        hidden
    }

    fn hide(&mut self, mut images: Vec<PathBuf>) {
        images.retain(|image| self.passed.insert(real(image)));
        self.left_out.hide(images);
    }
}

/// Every image in `folder` and the folders below it, in the order of their paths, and what was passed over.
///
/// # Errors
/// When a folder cannot be read.
pub fn images(folder: &Path) -> Result<(Vec<PathBuf>, LeftOut)> {
    let mut walk = Walk::new();
    Ok((walk.folder(folder)?, walk.left_out))
}

/// Every image in the folders and the folders below them, each once, in the order of the folders, then of their paths.
/// What is passed over is told in the log.
///
/// # Errors
/// When a folder cannot be read.
pub fn images_of(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let (mut walk, mut found) = (Walk::new(), Vec::new());
    for folder in folders {
        found.extend(walk.folder(folder)?);
    }
    walk.left_out.warn();
    Ok(found)
}
