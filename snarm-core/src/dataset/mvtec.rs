//! MVTec AD and MVTec 3D-AD, and what is laid out like them.

use std::path::{Path, PathBuf};

use super::files::entries;
use super::masks::Masks;
use super::names::{are_alike, below, fitting, is_good, is_test, is_train, is_truth, is_validation};
use super::{BadFile, Dataset, Sample, Walk, folders, is_image};
use crate::error::Result;
use crate::paths::text;

/// The type of test images without a defect.
pub(super) const GOOD: &str = "good";

/// The folders of good images to learn from: those of a name for good in the folder for training, else that itself where
/// nothing but images lies in it.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn train_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for train in fitting(root, is_train)? {
        let good = fitting(&train, is_good)?;
        let lone =
            good.is_empty() && folders(&train)?.is_empty() && entries(&train)?.iter().any(|p| is_image(p));
        if lone { found.push(train) } else { found.extend(good) }
    }
    Ok(found)
}

/// As [`train_folders`], each followed by `rgb`.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn train_folders_3d(root: &Path) -> Result<Vec<PathBuf>> {
    below(&train_folders(root)?, "rgb")
}

/// Finds the files of a product of MVTec AD.
pub(super) fn open(root: &Path) -> Result<Dataset> {
    let (mut set, mut walk) = (Dataset::default(), Walk::new());
    for folder in train_folders(root)? {
        set.train.extend(walk.folder(&folder)?);
    }
    for folder in fitting(root, is_validation)? {
        for good in fitting(&folder, is_good)? {
            set.validation.extend(walk.folder(&good)?);
        }
    }
    let tests = fitting(root, is_test)?;
    // Some keep the masks with the images.
    let mut truths = fitting(root, is_truth)?;
    for test in &tests {
        truths.extend(fitting(test, is_truth)?);
    }
    let mut kinds = Vec::new();
    for test in &tests {
        kinds.extend(folders(test)?.into_iter().filter(|path| !path.file_name().is_some_and(is_truth)));
    }
    add_kinds(&mut set, &mut walk, kinds, &truths)?;
    for folder in fitting(root, is_train)? {
        unused(&mut walk, &folder)?;
    }
    tests.iter().try_for_each(|test| loose(&mut walk, test))?;
    walk.pass_over(root)?;
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    set.left_out = walk.left_out;
    Ok(set)
}

/// Finds the RGB images of a product of MVTec 3D-AD.
pub(super) fn open_3d(root: &Path) -> Result<Dataset> {
    let (mut set, mut walk) = (Dataset::default(), Walk::new());
    for folder in train_folders_3d(root)? {
        set.train.extend(walk.folder(&folder)?);
    }
    for folder in fitting(root, is_validation)? {
        for rgb in below(&fitting(&folder, is_good)?, "rgb")? {
            set.validation.extend(walk.folder(&rgb)?);
        }
    }
    walk.pass_over(root)?;
    for test in fitting(root, is_test)? {
        walk.pass_over(&test)?;
        let mut kinds = folders(&test)?;
        real_first(&mut kinds);
        for kind in kinds {
            let kind = [kind];
            let masks = Masks::of(&below(&kind, "gt")?)?;
            if let Some(rgb) = below(&kind, "rgb")?.first() {
                add(&mut set, &mut walk, &kind[0], rgb, masks)?;
            }
        }
    }
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    set.left_out = walk.left_out;
    Ok(set)
}

/// Adds the test images of all types, each with its mask in the folder of `truths` that is called as its type. Where there
/// is one kind of defect alone, its masks may lie in the folder of masks itself.
pub(super) fn add_kinds(
    set: &mut Dataset,
    walk: &mut Walk,
    mut kinds: Vec<PathBuf>,
    truths: &[PathBuf],
) -> Result<()> {
    let is_defect = |kind: &Path| !kind.file_name().is_some_and(is_good);
    let one = kinds.iter().filter(|kind| is_defect(kind)).count() == 1;
    let (mut named, mut flat) = (Vec::new(), Vec::new());
    for truth in truths {
        let below = folders(truth)?;
        if below.is_empty() { flat.push(truth.clone()) } else { named.extend(below) }
    }
    real_first(&mut kinds);
    for kind in &kinds {
        let mut masks: Vec<PathBuf> = named.iter().filter(|other| same(kind, other)).cloned().collect();
        if one && is_defect(kind) {
            masks.append(&mut flat);
        }
        add(set, walk, kind, kind, Masks::of(&masks)?)?;
    }
    for truth in named.iter().filter(|truth| !kinds.iter().any(|kind| same(kind, truth))) {
        let name = truth.file_name().unwrap_or_default();
        if is_good(name) {
            // Good images need no masks.
            loose(walk, truth)?;
            continue;
        }
        let name = text(name);
        set.bad.push(BadFile::new(
            truth.clone(),
            format!("expected a folder of images test/{name}, found none"),
        ));
    }
    flat.iter().try_for_each(|truth| loose(walk, truth))
}

/// Adds the test images of one type in `folder`, each with its mask.
fn add(set: &mut Dataset, walk: &mut Walk, kind: &Path, folder: &Path, mut masks: Masks) -> Result<()> {
    let name = kind.file_name().unwrap_or_default();
    let anomalous = !is_good(name);
    let kind = if anomalous { text(name) } else { GOOD.to_owned() };
    for path in walk.folder(folder)? {
        let below = path.strip_prefix(folder).unwrap_or(&path).to_owned();
        let mask = masks.find(&below);
        match (&mask, anomalous) {
            (Some(mask), false) => set.good_masks.push((path.clone(), mask.clone())),
            // Without any masks of its type, an image is there for image scores.
            (None, true) if masks.folder.is_some() => {
                let expected = text(masks.expected(&below));
                set.bad.push(BadFile::new(path.clone(), format!("expected its mask {expected}, found none")));
            }
            _ => {}
        }
        let mask = mask.filter(|_| anomalous);
        set.test.push(Sample { path, kind: kind.clone(), anomalous, mask });
    }
    let reason = format!("expected an image of type {kind} that this mask belongs to, found none");
    set.bad.extend(masks.orphans().into_iter().map(|path| BadFile::new(path, reason.clone())));
    Ok(())
}

/// Keeps in mind the images in a folder that were not met.
fn unused(walk: &mut Walk, folder: &Path) -> Result<()> {
    let mut rest = Walk::new();
    for path in rest.folder(folder)? {
        if !walk.has_met(&path) {
            walk.left_out.unused.push(path);
        }
    }
    walk.left_out.hide(rest.left_out.hidden);
    Ok(())
}

/// Keeps in mind the images that lie between the folders of the types, and hidden ones.
pub(super) fn loose(walk: &mut Walk, folder: &Path) -> Result<()> {
    walk.pass_over(folder)?;
    let files = entries(folder)?.into_iter().filter(|path| path.is_file() && is_image(path));
    walk.left_out.unused.extend(files);
    Ok(())
}

/// Puts links behind the folders that they may lead to.
pub(super) fn real_first(folders: &mut [PathBuf]) {
    folders.sort_by_key(|folder| folder.is_symlink());
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.file_name(), b.file_name()), (Some(a), Some(b)) if are_alike(a, b))
}
