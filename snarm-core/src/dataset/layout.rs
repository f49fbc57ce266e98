//! The layouts, and how they are told apart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Dataset, Sample, folders, images, listing, visa};
use crate::error::{Error, Result};

/// How the files of a product are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// MVTec AD: `train/good`, `test/<type>`, `ground_truth/<type>/<name>_mask.png`; the type `good` is normal. A type
    /// without a folder in `ground_truth` counts for image scores only.
    Mvtec,
    /// MVTec 3D-AD, of which the RGB images are read: `train/good/rgb`, `validation/good/rgb`, `test/<type>/rgb` and
    /// `test/<type>/gt`.
    Mvtec3d,
    /// VisA: `Data/Images/{Normal,Anomaly}` and `Data/Masks/Anomaly`, split by the official `split_csv/1cls.csv` beside
    /// the product's folder; without it, nine of every ten normal images are for training.
    Visa,
    /// `normal` (or `good`) beside one folder for each kind of defect, without masks. Of the normal images in the order
    /// of their names, the first seven of every ten are for training, the other three for testing.
    Folders,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 4] = [Self::Mvtec, Self::Mvtec3d, Self::Visa, Self::Folders];

    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mvtec => "mvtec",
            Self::Mvtec3d => "mvtec-3d",
            Self::Visa => "visa",
            Self::Folders => "folders",
        }
    }

    /// The layout of the product in `root`.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(root: &Path) -> Result<Self> {
        // An MVTec 3D-AD folder has the folders of an MVTec AD folder, and more below them.
        let order = [Self::Mvtec3d, Self::Mvtec, Self::Visa, Self::Folders];
        match order.into_iter().find(|layout| layout.fits(root)) {
            Some(layout) => Ok(layout),
            None => {
                let expected = "a folder train/good, Data/Images/Normal, normal or good";
                Err(Error::wrong_file("data set", root, expected, listing(root)?))
            }
        }
    }

    /// The folder of normal images that a product in this layout has.
    fn mark(self) -> &'static str {
        match self {
            Self::Mvtec => "train/good",
            Self::Mvtec3d => "train/good/rgb",
            Self::Visa => "Data/Images/Normal",
            Self::Folders => "normal or good",
        }
    }

    fn fits(self, root: &Path) -> bool {
        match self {
            Self::Folders => normal_folder(root).is_some(),
            layout => root.join(layout.mark()).is_dir(),
        }
    }

    /// Refuses a folder that does not have this layout.
    pub(super) fn expect(self, root: &Path) -> Result<()> {
        if self.fits(root) {
            return Ok(());
        }
        let expected = format!("a folder {} (layout {self})", self.mark());
        Err(Error::wrong_file("data set", root, expected, listing(root)?))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|layout| layout.name() == name).ok_or_else(|| Error::Setting {
            name: "layout",
            expected: Self::ALL.map(Self::name).join(", "),
            found: name.to_owned(),
        })
    }
}

/// Names of the products below `root`, in order: its folders, without the one in which VisA keeps its splits.
///
/// # Errors
/// When the folder cannot be read, or holds no folder.
pub fn categories(root: &Path) -> Result<Vec<String>> {
    let mut found = folders(root)?;
    found.retain(|name| name != visa::SPLITS);
    if found.is_empty() {
        return Err(Error::wrong_file("data set", root, "folders of categories", listing(root)?));
    }
    Ok(found)
}

fn normal_folder(root: &Path) -> Option<PathBuf> {
    ["normal", "good"].map(|name| root.join(name)).into_iter().find(|path| path.is_dir())
}

pub(super) fn open_folders(root: &Path) -> Result<Dataset> {
    let normal = normal_folder(root).unwrap_or_else(|| root.join("normal"));
    let sample = |path, kind: &str, anomalous| Sample { path, kind: kind.to_owned(), anomalous, mask: None };
    let mut set = Dataset::default();
    for (i, path) in images(&normal)?.into_iter().enumerate() {
        if i % 10 < 7 { set.train.push(path) } else { set.test.push(sample(path, "good", false)) }
    }
    for kind in folders(root)?.into_iter().filter(|kind| root.join(kind) != normal) {
        set.test.extend(images(&root.join(&kind))?.into_iter().map(|path| sample(path, &kind, true)));
    }
    Ok(set)
}
