//! Folders of inspection images: which files are good, which are defective, and where their masks lie.
//!
//! The layouts of [`Layout`] are told apart by what a folder holds. [`categories`] lists the products below a folder,
//! [`Dataset::open`] finds the files of one of them by their names, and [`Dataset::checked`] reads them all and names,
//! or leaves out, those that are broken.

mod check;
mod files;
mod glob;
mod layout;
mod masks;
mod mvtec;
mod names;
mod orientation;
mod pages;
mod picture;
mod reading;
mod visa;
mod walk;

use std::path::{Path, PathBuf};

pub use check::OnBadFile;
pub use files::{IMAGE_ENDINGS, LeftOut, folders, is_image};
pub use glob::is_pattern;
pub use layout::{Layout, categories};
pub use picture::{Mask, Picture};
pub(crate) use reading::decode;
pub use reading::{Depth, Reading, depth_of};
pub use walk::{Walk, images, images_of};

pub use crate::error::BadFile;
use crate::error::{Error, Result};

/// One product: good images to learn from, and images to test with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Good images to learn from, in the order of their names.
    pub train: Vec<PathBuf>,
    /// Good images that the data set keeps apart for choosing thresholds; most have none.
    pub validation: Vec<PathBuf>,
    /// Images to test with, by type, then by name.
    pub test: Vec<Sample>,
    /// Masks of good test images, each with its image. They should mark nothing.
    pub good_masks: Vec<(PathBuf, PathBuf)>,
    /// What names alone show to be wrong: masks that are missing, or that belong to no image.
    pub bad: Vec<BadFile>,
    /// What lies in the folders of the product and is no part of it.
    pub left_out: LeftOut,
    /// How its images and masks are read.
    pub reading: Reading,
    /// What the samples of 16 bits of its images hold, as far as [`Dataset::checked`] has seen.
    pub depth: Depth,
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
    /// Finds the files of the product in `root`, whatever its layout.
    ///
    /// # Errors
    /// When `root` has none of the layouts, or no image to learn from or to test with.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_as(root, None)
    }

    /// As [`Dataset::open`], in a layout that is given rather than found out.
    ///
    /// # Errors
    /// When `root` has another layout, or no image to learn from or to test with.
    pub fn open_as(root: &Path, layout: Option<Layout>) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::NotFound { what: "data set", path: root.to_owned() });
        }
        let layout = match layout {
            Some(layout) => layout,
            None => Layout::of(root)?,
        };
        layout.expect(root)?;
        let set = match layout {
            Layout::Mvtec => mvtec::open(root)?,
            Layout::Mvtec3d => mvtec::open_3d(root)?,
            Layout::Visa => visa::open(root)?,
            Layout::Folders => layout::open_folders(root)?,
        };
        if set.train.is_empty() || set.test.is_empty() {
            let mut found = format!("{} and {}", set.train.len(), set.test.len());
            if !set.left_out.is_empty() {
                found += &format!(" (left out: {})", set.left_out);
            }
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

#[cfg(test)]
mod tests;
