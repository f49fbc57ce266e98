//! What folders are called: good, training, truth, and what is no folder of a data set at all. Case, spaces, dots, dashes
//! and underscores make no difference.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::files::entries;
use crate::error::Result;
use crate::paths::text;

/// Names of good parts.
const GOOD: [&str; 16] = [
    "good",
    "goods",
    "goodparts",
    "ok",
    "okay",
    "normal",
    "nominal",
    "pass",
    "passed",
    "io",
    "defectfree",
    "nodefect",
    "nodefects",
    "nondefective",
    "healthy",
    "faultless",
];

/// Names of defective parts of no particular kind.
const BAD: [&str; 12] = [
    "anomaly",
    "anomalies",
    "anomalous",
    "abnormal",
    "bad",
    "defect",
    "defects",
    "defective",
    "ng",
    "nok",
    "ko",
    "fail",
];

/// Names of the folder of masks.
const TRUTH: [&str; 5] = ["groundtruth", "groundtruths", "gt", "mask", "masks"];

/// Whether that is a name of good parts.
pub(super) fn is_good(name: &OsStr) -> bool {
    GOOD.contains(&plain(name).as_str())
}

/// Whether that is a name of defective parts of no particular kind.
pub(super) fn is_bad(name: &OsStr) -> bool {
    BAD.contains(&plain(name).as_str())
}

/// Whether that is a name of the folder of masks.
pub(super) fn is_truth(name: &OsStr) -> bool {
    TRUTH.contains(&plain(name).as_str())
}

/// Whether that is a name of the folder of images to learn from.
pub(super) fn is_train(name: &OsStr) -> bool {
    ["train", "training", "trainset"].contains(&plain(name).as_str())
}

/// Whether that is a name of the folder of images to test with.
pub(super) fn is_test(name: &OsStr) -> bool {
    ["test", "testing", "testset", "testpublic"].contains(&plain(name).as_str())
}

/// Whether that is a name of the folder of images to choose thresholds with.
pub(super) fn is_validation(name: &OsStr) -> bool {
    ["validation", "val", "valid"].contains(&plain(name).as_str())
}

/// Whether two folders are of one kind.
pub(super) fn are_alike(a: &OsStr, b: &OsStr) -> bool {
    a == b || plain(a) == plain(b) || (is_good(a) && is_good(b))
}

/// The folders in `root` whose names fit, in order; none where `root` is no folder.
///
/// # Errors
/// When `root` cannot be read.
pub(super) fn fitting(root: &Path, fits: impl Fn(&OsStr) -> bool) -> Result<Vec<PathBuf>> {
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = entries(root)?;
    found.retain(|path| path.file_name().is_some_and(&fits) && path.is_dir());
    Ok(found)
}

/// The folder `name` below each of `roots`, whatever its case.
pub(super) fn below(roots: &[PathBuf], name: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for root in roots {
        found.extend(fitting(root, |other| other.eq_ignore_ascii_case(name))?);
    }
    Ok(found)
}

/// The letters and digits of a name, in lower case.
fn plain(name: &OsStr) -> String {
    let name = text(name).to_lowercase();
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ' | '.')).collect()
}
