//! Folders of inspection images: which files are good, which are defective, and where their masks lie.
//!
//! Two layouts are known, told apart by what the folder holds:
//!
//! * **MVTec**: `train/good`, `test/<type>`, `ground_truth/<type>/<name>_mask.png`; the type `good` is normal.
//!   A defective image without a mask counts for image scores only.
//! * **Folders**: `normal` (or `good`) beside one folder for each kind of defect, without masks. Of the normal
//!   images in the order of their names, the first seven of every ten are for training, the other three for
//!   testing.

mod glob;
mod picture;

use std::path::{Path, PathBuf};

pub use glob::expand;
pub use picture::{Mask, Picture};

use crate::error::{Error, Result};

/// Endings of the image files that can be read, in lower case.
pub const IMAGE_ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// One product: good images to learn from, and images to test with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Good images to learn from, in the order of their names.
    pub train: Vec<PathBuf>,
    /// Images to test with, by type, then by name.
    pub test: Vec<Sample>,
}

/// One image to test with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The image.
    pub path: PathBuf,
    /// Name of the folder it lies in: `good`, or the kind of defect.
    pub kind: String,
    /// Whether it shows a defect.
    pub anomalous: bool,
    /// Its mask. Good images need none; a defective one without is no good for pixel scores.
    pub mask: Option<PathBuf>,
}

impl Dataset {
    /// Reads the layout of the product in `root`.
    ///
    /// # Errors
    /// When `root` has neither layout, or no image to learn from or to test with.
    pub fn open(root: &Path) -> Result<Self> {
        let normal = ["normal", "good"].map(|name| root.join(name)).into_iter().find(|path| path.is_dir());
        let set = match normal {
            _ if root.join("train/good").is_dir() => open_mvtec(root)?,
            Some(normal) => open_folders(root, &normal)?,
            None if !root.is_dir() => {
                return Err(Error::NotFound { what: "data set", path: root.to_owned() });
            }
            None => {
                let expected = "a folder train/good, or a folder normal or good";
                return Err(Error::wrong_file("data set", root, expected, listing(root)?));
            }
        };
        if set.train.is_empty() || set.test.is_empty() {
            let found = format!("{} and {}", set.train.len(), set.test.len());
            return Err(Error::wrong_file(
                "data set",
                root,
                "images to learn from and images to test with",
                found,
            ));
        }
        Ok(set)
    }
}

fn open_mvtec(root: &Path) -> Result<Dataset> {
    let mut test = Vec::new();
    for kind in folders(&root.join("test"))? {
        let anomalous = kind != "good";
        for path in images(&root.join("test").join(&kind))? {
            let mask = if anomalous { mask_of(root, &kind, &path) } else { None };
            test.push(Sample { path, kind: kind.clone(), anomalous, mask });
        }
    }
    Ok(Dataset { train: images(&root.join("train/good"))?, test })
}

/// The mask that belongs to a defective image, when there is one.
fn mask_of(root: &Path, kind: &str, image: &Path) -> Option<PathBuf> {
    let stem = image.file_stem()?.to_str()?;
    let folder = root.join("ground_truth").join(kind);
    let names = [format!("{stem}_mask.png"), format!("{stem}.png")];
    names.into_iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

fn open_folders(root: &Path, normal: &Path) -> Result<Dataset> {
    let sample = |path, kind: &str, anomalous| Sample { path, kind: kind.to_owned(), anomalous, mask: None };
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (i, path) in images(normal)?.into_iter().enumerate() {
        if i % 10 < 7 { train.push(path) } else { test.push(sample(path, "good", false)) }
    }
    for kind in folders(root)?.into_iter().filter(|kind| root.join(kind) != normal) {
        test.extend(images(&root.join(&kind))?.into_iter().map(|path| sample(path, &kind, true)));
    }
    Ok(Dataset { train, test })
}

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
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
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
fn listing(folder: &Path) -> Result<String> {
    let names: Vec<_> = entries(folder)?
        .iter()
        .take(5)
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    Ok(if names.is_empty() { "an empty folder".to_owned() } else { names.join(", ") })
}

#[cfg(test)]
mod tests;
