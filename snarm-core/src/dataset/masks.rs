//! Which mask belongs to which image.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::walk::Walk;
use crate::error::Result;

/// What follows the name of an image in that of its mask.
const SUFFIXES: [&str; 2] = ["_mask", ""];

/// The masks of images of one type.
#[derive(Debug, Default)]
pub(super) struct Masks {
    /// Where they were looked for, if anywhere.
    pub(super) folder: Option<PathBuf>,
    files: Vec<PathBuf>,
    /// By the path below the folder, in lower case, without ending.
    by_name: HashMap<OsString, Vec<usize>>,
    used: HashSet<usize>,
}

impl Masks {
    /// All masks in some folders.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(super) fn of(folders: &[PathBuf]) -> Result<Self> {
        let mut masks = Self { folder: folders.first().cloned(), ..Self::default() };
        for folder in folders {
            for path in Walk::by_name().folder(folder)? {
                let name = key(path.strip_prefix(folder).unwrap_or(&path), "");
                masks.by_name.entry(name).or_default().push(masks.files.len());
                masks.files.push(path);
            }
        }
        Ok(masks)
    }

    /// The mask of an image, named by its path below the folder of its type: of that name or that name with `_mask`, in the
    /// same folder below that of the masks, or in that itself.
    pub(super) fn find(&mut self, image: &Path) -> Option<PathBuf> {
        let alone = PathBuf::from(image.file_name()?);
        let nested = alone != image;
        let places = [Some(image), nested.then_some(alone.as_path())];
        for place in places.into_iter().flatten() {
            for suffix in SUFFIXES {
                let Some(candidates) = self.by_name.get(&key(place, suffix)) else { continue };
                // Two images may differ in case alone.
                let stem = stem(place, suffix);
                let exact = candidates.iter().find(|&&i| {
                    let name = self.files.get(i).and_then(|path| path.file_stem());
                    name == stem.file_name()
                });
                let found = exact.or(candidates.first()).copied()?;
                self.used.insert(found);
                return self.files.get(found).cloned();
            }
        }
        None
    }

    /// Where the mask of an image was expected, and the usual ending.
    pub(super) fn expected(&self, image: &Path) -> PathBuf {
        let mut name = stem(image, SUFFIXES[0]).into_os_string();
        name.push(".png");
        self.folder.as_deref().unwrap_or(Path::new("")).join(name)
    }

    /// The masks that belong to no image that was asked for.
    pub(super) fn orphans(self) -> Vec<PathBuf> {
        let used = self.used;
        self.files.into_iter().enumerate().filter(|(i, _)| !used.contains(i)).map(|(_, path)| path).collect()
    }
}

/// The path without its ending, with something behind it.
fn stem(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.with_extension("").into_os_string();
    name.push(suffix);
    name.into()
}

fn key(path: &Path, suffix: &str) -> OsString {
    stem(path, suffix).into_os_string().to_ascii_lowercase()
}
