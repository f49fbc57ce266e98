//! The layouts, and how they are told apart.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::files::listing;
use super::names::{fitting, is_good, is_train, is_truth};
use super::{Dataset, Sample, Walk, folders, mvtec, visa};
use crate::error::{Error, Result};
use crate::paths::text;

/// How the files of a product are laid out.
///
/// The names of folders are found in any case, and with spaces, dots, dashes or underscores in them. Good parts may be
/// called `good`, `ok`, `okay`, `normal`, `nominal`, `pass`, `passed`, `io`, `defect-free`, `no-defect`, `non-defective`,
/// `healthy` or `faultless`. Masks have the name of their image, with or without `_mask`, any ending of a picture, and lie
/// in folders as their images do or in one for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// MVTec AD: `train/good`, `test/<type>`, `ground_truth/<type>/<name>_mask.png`; the type `good` is normal. A type
    /// without a folder in `ground_truth` counts for image scores only. Where `train` holds nothing but images, they are
    /// good.
    Mvtec,
    /// MVTec 3D-AD, of which the RGB images are read: `train/good/rgb`, `validation/good/rgb`, `test/<type>/rgb` and
    /// `test/<type>/gt`.
    Mvtec3d,
    /// VisA: `Data/Images/{Normal,Anomaly}` and `Data/Masks/Anomaly`, split by the official `split_csv/1cls.csv` beside
    /// the product's folder; without it, nine of every ten normal images are for training.
    Visa,
    /// `normal` (or `good`) beside one folder for each kind of defect, with masks in `ground_truth/<kind>` if at all. Of the
    /// normal images in the order of their names, the first seven of every ten are for training, the other three for
    /// testing.
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
        for layout in order {
            if layout.fits(root)? {
                return Ok(layout);
            }
        }
        let expected = "a folder train/good, Data/Images/Normal, normal or good (or ok, OK, and the like)";
        Err(Error::wrong_file("data set", root, expected, found(root)?))
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

    fn fits(self, root: &Path) -> Result<bool> {
        let folders = match self {
            Self::Mvtec => mvtec::train_folders(root)?,
            Self::Mvtec3d => mvtec::train_folders_3d(root)?,
            Self::Visa => visa::normal_folders(root)?,
            Self::Folders => fitting(root, is_good)?,
        };
        Ok(!folders.is_empty())
    }

    /// Refuses a folder that does not have this layout.
    pub(super) fn expect(self, root: &Path) -> Result<()> {
        if self.fits(root)? {
            return Ok(());
        }
        let expected = format!("a folder {} (layout {self})", self.mark());
        Err(Error::wrong_file("data set", root, expected, found(root)?))
    }
}

/// What lies in a folder that is no data set, and in its folder for training, where there is one.
fn found(root: &Path) -> Result<String> {
    let mut found = listing(root)?;
    for train in fitting(root, is_train)? {
        found += &format!(", and in {} {}", text(train.file_name().unwrap_or_default()), listing(&train)?);
    }
    Ok(found)
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

/// The folders of the products below `root`, in order: all that something lies in, without hidden ones and the one in which
/// VisA keeps its splits.
///
/// # Errors
/// When a folder cannot be read, or there is none.
pub fn categories(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = folders(root)?;
    found.retain(|path| path.file_name().is_some_and(|name| name != visa::SPLITS));
    if found.is_empty() {
        return Err(Error::wrong_file("data set", root, "folders of categories", listing(root)?));
    }
    Ok(found)
}

pub(super) fn open_folders(root: &Path) -> Result<Dataset> {
    let (mut set, mut walk) = (Dataset::default(), Walk::new());
    let mut normal = Vec::new();
    for folder in fitting(root, is_good)? {
        normal.extend(walk.folder(&folder)?);
    }
    for (i, path) in normal.into_iter().enumerate() {
        if i % 10 < 7 {
            set.train.push(path);
        } else {
            set.test.push(Sample { path, kind: mvtec::GOOD.to_owned(), anomalous: false, mask: None });
        }
    }
    let good = set.test.len();
    let mut kinds = folders(root)?;
    kinds.retain(|kind| kind.file_name().is_some_and(|name| !is_good(name) && !is_truth(name)));
    mvtec::add_kinds(&mut set, &mut walk, kinds, &fitting(root, is_truth)?)?;
    set.test[good..].sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    mvtec::loose(&mut walk, root)?;
    set.left_out = walk.left_out;
    Ok(set)
}
