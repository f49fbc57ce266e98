//! VisA, as it is published: one folder a product, and tables of splits beside them.

use std::path::Path;

use super::{BadFile, Dataset, Sample, images};
use crate::error::{Error, Result};

/// Folder of the tables, beside the products.
pub(super) const SPLITS: &str = "split_csv";

/// The table of the one-class setting.
const ONE_CLASS: &str = "1cls.csv";

const COLUMNS: [&str; 5] = ["object", "split", "label", "image", "mask"];

/// Finds the files of a product.
pub(super) fn open(root: &Path) -> Result<Dataset> {
    // `.` and `..` have no name of their own.
    let whole = root.canonicalize().map_err(|source| Error::read("data set", root, source))?;
    if let (Some(parent), Some(object)) = (whole.parent(), whole.file_name().and_then(|n| n.to_str())) {
        let table = parent.join(SPLITS).join(ONE_CLASS);
        if table.is_file() {
            return from_table(&table, parent, object);
        }
    }
    from_folders(root)
}

/// The rows of `object` in the official table; its paths start at `base`.
fn from_table(table: &Path, base: &Path, object: &str) -> Result<Dataset> {
    let text = std::fs::read_to_string(table).map_err(|source| Error::read("split", table, source))?;
    let wrong = |line: usize, expected: &str, found: &str| {
        Error::wrong_file("split", table, expected, format!("'{found}' in line {line}"))
    };
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_end()));
    let header = lines.next().map_or("", |(_, line)| line);
    if header.trim_start_matches('\u{feff}') != COLUMNS.join(",") {
        return Err(wrong(1, &format!("the columns {}", COLUMNS.join(",")), header));
    }
    let mut set = Dataset::default();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [row_object, split, label, image, mask] = fields[..] else {
            return Err(wrong(number, "5 fields", line));
        };
        let anomalous = match label {
            "normal" => false,
            "anomaly" => true,
            other => return Err(wrong(number, "the label normal or anomaly", other)),
        };
        if row_object != object {
            continue;
        }
        let path = base.join(image);
        match (split, anomalous) {
            ("train", false) => set.train.push(path),
            ("test", _) => {
                let mask = (!mask.is_empty()).then(|| base.join(mask));
                if anomalous && mask.is_none() {
                    let reason = format!("expected a mask in line {number} of the split, found none");
                    set.bad.push(BadFile::new(path.clone(), reason));
                }
                set.test.push(sample(path, anomalous, mask.filter(|_| anomalous)));
            }
            ("train", true) => return Err(wrong(number, "normal images for training", line)),
            (other, _) => return Err(wrong(number, "the split train or test", other)),
        }
    }
    if set.train.is_empty() && set.test.is_empty() {
        return Err(Error::wrong_file("split", table, format!("rows of the object {object}"), "none"));
    }
    set.train.sort();
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    Ok(set)
}

/// All files of the product, one normal image of ten for testing.
fn from_folders(root: &Path) -> Result<Dataset> {
    let mut set = Dataset::default();
    for (i, path) in images(&root.join("Data/Images/Normal"))?.into_iter().enumerate() {
        if i % 10 < 9 { set.train.push(path) } else { set.test.push(sample(path, false, None)) }
    }
    let (folder, masks) = (root.join("Data/Images/Anomaly"), root.join("Data/Masks/Anomaly"));
    for path in if folder.is_dir() { images(&folder)? } else { Vec::new() } {
        let mask = masks.join(path.file_name().unwrap_or_default()).with_extension("png");
        let mask = mask.is_file().then_some(mask);
        if mask.is_none() && masks.is_dir() {
            let reason = format!("expected its mask in {}, found none", masks.display());
            set.bad.push(BadFile::new(path.clone(), reason));
        }
        set.test.push(sample(path, true, mask));
    }
    set.test.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    Ok(set)
}

fn sample(path: std::path::PathBuf, anomalous: bool, mask: Option<std::path::PathBuf>) -> Sample {
    let kind = if anomalous { "anomaly" } else { "good" };
    Sample { path, kind: kind.to_owned(), anomalous, mask }
}
