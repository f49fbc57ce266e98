//! VisA, as it is published: one folder a product, and tables of splits beside them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::masks::Masks;
use super::mvtec::{GOOD, real_first};
use super::names::{below, fitting, is_bad, is_good};
use super::{BadFile, Dataset, Sample, Walk, folders};
use crate::error::{Error, Result};
use crate::files;
use crate::paths::text;

/// Folder of the tables, beside the products.
pub(super) const SPLITS: &str = "split_csv";

/// The table of the one-class setting.
const ONE_CLASS: &str = "1cls.csv";

const COLUMNS: [&str; 5] = ["object", "split", "label", "image", "mask"];

/// The folders of normal images of a product.
///
/// # Errors
/// When a folder cannot be read.
pub(super) fn normal_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in within(root, "Images")? {
        found.extend(fitting(&folder, is_good)?);
    }
    Ok(found)
}

/// The folders `Data/<name>` of a product.
fn within(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    below(&below(&[root.to_owned()], "Data")?, name)
}

/// Finds the files of a product.
pub(super) fn open(root: &Path) -> Result<Dataset> {
    // `.` and `..` have no name of their own.
    let whole = root.canonicalize().map_err(|source| Error::read("data set", root, source))?;
    if let (Some(parent), Some(object)) = (whole.parent(), whole.file_name()) {
        let table = parent.join(SPLITS).join(ONE_CLASS);
        if table.is_file() {
            return from_table(&table, parent, object);
        }
    }
    from_folders(root)
}

/// The rows of `object` in the official table; its paths start at `base` and stay below it.
fn from_table(table: &Path, base: &Path, object: &OsStr) -> Result<Dataset> {
    let bytes = files::read("split", table)?;
    let wrong = |line: usize, expected: &str, found: &[u8]| {
        let found = format!("'{}' in line {line}", text(OsStr::from_bytes(found)));
        Error::wrong_file("split", table, expected, found)
    };
    let mut lines =
        bytes.split(|byte| *byte == b'\n').enumerate().map(|(i, line)| (i + 1, line.trim_ascii_end()));
    let header = lines.next().map_or(&b""[..], |(_, line)| line);
    if header.strip_prefix("\u{feff}".as_bytes()).unwrap_or(header) != COLUMNS.join(",").as_bytes() {
        return Err(wrong(1, &format!("the columns {}", COLUMNS.join(",")), header));
    }
    let (mut set, mut walk, mut rows) = (Dataset::default(), Walk::new(), 0);
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
        let [row_object, split, label, image, mask] = fields[..] else {
            return Err(wrong(number, "5 fields", line));
        };
        let anomalous = match OsStr::from_bytes(label) {
            label if is_good(label) => false,
            label if is_bad(label) => true,
            _ => return Err(wrong(number, "the label normal or anomaly", label)),
        };
        if row_object != object.as_bytes() {
            continue;
        }
        rows += 1;
        let inside = |path| {
            inside(base, path).ok_or_else(|| wrong(number, "a path below the folder of the data set", path))
        };
        let path = inside(image)?;
        let mask = if mask.is_empty() { None } else { Some(inside(mask)?) };
        match (split, anomalous) {
            (b"train", false) | (b"test", _) if !walk.file(&path) => {}
            (b"train", false) => set.train.push(path),
            (b"test", _) => {
                if anomalous && mask.is_none() {
                    let reason = format!("expected a mask in line {number} of the split, found none");
                    set.bad.push(BadFile::new(path.clone(), reason));
                }
                set.test.push(sample(path, anomalous, mask.filter(|_| anomalous)));
            }
            (b"train", true) => return Err(wrong(number, "normal images for training", line)),
            (other, _) => return Err(wrong(number, "the split train or test", other)),
        }
    }
    if rows == 0 {
        let expected = format!("rows of the object {}", text(object));
        return Err(Error::wrong_file("split", table, expected, "none"));
    }
    set.train.sort();
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    set.left_out = walk.left_out;
    Ok(set)
}

/// The path of a row, if it stays below `base`.
fn inside(base: &Path, path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let stays = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    stays.then(|| base.join(path))
}

/// All files of the product, one normal image of ten for testing.
fn from_folders(root: &Path) -> Result<Dataset> {
    let (mut set, mut walk) = (Dataset::default(), Walk::new());
    let mut normal = Vec::new();
    for folder in normal_folders(root)? {
        normal.extend(walk.folder(&folder)?);
    }
    for (i, path) in normal.into_iter().enumerate() {
        if i % 10 < 9 { set.train.push(path) } else { set.test.push(sample(path, false, None)) }
    }
    let masks = within(root, "Masks")?;
    walk.pass_over(root)?;
    for images in within(root, "Images")? {
        walk.pass_over(&images)?;
        let mut kinds = folders(&images)?;
        kinds.retain(|kind| !kind.file_name().is_some_and(is_good));
        real_first(&mut kinds);
        for kind in kinds {
            let name = kind.file_name().unwrap_or_default().to_string_lossy();
            let mut masks = Masks::of(&below(&masks, &name)?)?;
            for path in walk.folder(&kind)? {
                let below = path.strip_prefix(&kind).unwrap_or(&path);
                let mask = masks.find(below);
                if let (None, Some(folder)) = (&mask, &masks.folder) {
                    let reason = format!("expected its mask in {}, found none", text(folder));
                    set.bad.push(BadFile::new(path.clone(), reason));
                }
                set.test.push(sample(path, true, mask));
            }
        }
    }
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    set.left_out = walk.left_out;
    Ok(set)
}

fn sample(path: PathBuf, anomalous: bool, mask: Option<PathBuf>) -> Sample {
    let kind = if anomalous { "anomaly" } else { GOOD };
    Sample { path, kind: kind.to_owned(), anomalous, mask }
}
