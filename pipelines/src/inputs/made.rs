//! Pictures that earlier runs made: frames with heat maps on them, cut-outs, copies of learned frames. They are no frames.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use snarm_core::paths::text;

/// The folder of a detection's pictures, and the file beside it.
pub(crate) const ANNOTATED: &str = "annotated";
pub(crate) const RESULTS: &str = "results.jsonl";

/// The file beside the pictures of odd frames.
pub(crate) const ODD: &str = "odd-frames.json";

/// The file beside cut-outs.
pub(crate) const NEAREST: &str = "nearest.json";

/// Pictures that are left out since an earlier run made them, by folder.
#[derive(Debug, Default)]
pub(super) struct Made {
    folders: BTreeMap<PathBuf, usize>,
    known: BTreeMap<PathBuf, Option<Kind>>,
}

/// What the pictures of a folder are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All of them, and those in the folders below.
    All,
    /// Those that are called as cut-outs are.
    CutOuts,
}

impl Made {
    /// What remains of images found below `root`. A folder that was asked for is what it is.
    pub(super) fn leave_out(&mut self, mut found: Vec<PathBuf>, root: &Path) -> Vec<PathBuf> {
        found.retain(|path| match self.folder_of(path, root) {
            Some(folder) => {
                *self.folders.entry(folder).or_default() += 1;
                false
            }
            None => true,
        });
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// The folder below `root` in which an earlier run made this picture.
    fn folder_of(&mut self, path: &Path, root: &Path) -> Option<PathBuf> {
        let below =
            |folder: &&Path| *folder != root && folder.starts_with(root) && !folder.as_os_str().is_empty();
        let is_beside = |folder: &Path| path.parent() == Some(folder);
        path.ancestors()
            .skip(1)
            .take_while(below)
            .find(|folder| match self.kind(folder) {
                Some(Kind::All) => true,
                Some(Kind::CutOuts) => is_beside(folder) && is_cut_out(path),
                None => false,
            })
            .map(Path::to_owned)
    }

    fn kind(&mut self, folder: &Path) -> Option<Kind> {
        if let Some(known) = self.known.get(folder) {
            return *known;
        }
        let is_annotated = folder.file_name().is_some_and(|name| name == ANNOTATED)
            && folder.with_file_name(RESULTS).is_file();
        let kind = if is_annotated || folder.join(ODD).is_file() {
            Some(Kind::All)
        } else {
            folder.join(NEAREST).is_file().then_some(Kind::CutOuts)
        };
        self.known.insert(folder.to_owned(), kind);
        kind
    }
}

/// Whether a picture is called `PLACE.png` or `PLACE-NUMBER.png`.
fn is_cut_out(path: &Path) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.split('-').count() <= 2 && stem.split('-').all(is_number)
}

/// How many in which folders.
impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.folders.values().sum();
        let folders: Vec<String> = self.folders.keys().map(text).collect();
        write!(f, "{count} picture(s) that an earlier run made, in {}", folders.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_runs_made_is_no_frame() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let write = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let own = [
            "0.png",
            "day/1.png",
            "annotated-by-hand/2.png",
            "hand/annotated/3.png",
            "near/wide.png",
            "near/1-2-3.png",
        ];
        let made = [
            "annotated/0.png",
            "day/out/annotated/a/1.png",
            "odd/clip/frame-000001.png",
            "near/0.png",
            "near/0-2.png",
        ];
        for mark in ["results.jsonl", "day/out/results.jsonl", "odd/odd-frames.json", "near/nearest.json"] {
            write(mark);
        }
        let all: Vec<PathBuf> = own.iter().chain(&made).map(|name| write(name)).collect();
        let mut left_out = Made::default();
        let left = left_out.leave_out(all.clone(), root);
        assert_eq!(left, all[..own.len()]);
        let said = left_out.to_string();
        assert!(
            said.starts_with("5 picture(s) that an earlier run made, in ")
                && said.contains("day/out/annotated"),
            "{said}"
        );
        // Asked for by their own folder they are looked at.
        let mut left_out = Made::default();
        let asked = vec![root.join("annotated/0.png")];
        assert_eq!(left_out.leave_out(asked.clone(), &root.join("annotated")), asked);
        assert!(left_out.is_empty());
    }
}
