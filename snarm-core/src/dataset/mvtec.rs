//! MVTec AD and MVTec 3D-AD.

use std::path::{Path, PathBuf};

use super::{BadFile, Dataset, Sample, folders, images};
use crate::error::Result;

/// The type of test images without a defect.
const GOOD: &str = "good";

/// Finds the files of a product of MVTec AD.
pub(super) fn open(root: &Path) -> Result<Dataset> {
    let mut set = Dataset { train: images(&root.join("train/good"))?, ..Dataset::default() };
    let truth = root.join("ground_truth");
    for kind in folders(&root.join("test"))? {
        let found = images(&root.join("test").join(&kind))?;
        add(&mut set, &kind, found, &truth.join(&kind), &["{}_mask.png", "{}.png"])?;
    }
    if truth.is_dir() {
        for kind in folders(&truth)?.into_iter().filter(|kind| !root.join("test").join(kind).is_dir()) {
            let path = truth.join(&kind);
            set.bad.push(BadFile::new(path, format!("expected a folder of images test/{kind}, found none")));
        }
    }
    Ok(set)
}

/// Finds the RGB images of a product of MVTec 3D-AD.
pub(super) fn open_3d(root: &Path) -> Result<Dataset> {
    let mut set = Dataset { train: images(&root.join("train/good/rgb"))?, ..Dataset::default() };
    let validation = root.join("validation/good/rgb");
    if validation.is_dir() {
        set.validation = images(&validation)?;
    }
    for kind in folders(&root.join("test"))? {
        let folder = root.join("test").join(&kind);
        add(&mut set, &kind, images(&folder.join("rgb"))?, &folder.join("gt"), &["{}.png"])?;
    }
    Ok(set)
}

/// Adds the test images of one type, each with the mask in `masks` that has one of `names` for it.
fn add(set: &mut Dataset, kind: &str, found: Vec<PathBuf>, masks: &Path, names: &[&str]) -> Result<()> {
    let anomalous = kind != GOOD;
    let mut orphans = if masks.is_dir() { images(masks)? } else { Vec::new() };
    for path in found {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mask = names.iter().map(|name| masks.join(name.replace("{}", &stem))).find(|path| path.is_file());
        orphans.retain(|path| Some(path) != mask.as_ref());
        match (&mask, anomalous) {
            (Some(mask), false) => set.good_masks.push((path.clone(), mask.clone())),
            // Without any masks of its type, an image is there for image scores.
            (None, true) if masks.is_dir() => {
                let expected = masks.join(names[0].replace("{}", &stem));
                set.bad.push(BadFile::new(
                    path.clone(),
                    format!("expected its mask {}, found none", expected.display()),
                ));
            }
            _ => {}
        }
        let mask = mask.filter(|_| anomalous);
        set.test.push(Sample { path, kind: kind.to_owned(), anomalous, mask });
    }
    let reason = format!("expected an image of type {kind} that this mask belongs to, found none");
    set.bad.extend(orphans.into_iter().map(|path| BadFile::new(path, reason.clone())));
    Ok(())
}
