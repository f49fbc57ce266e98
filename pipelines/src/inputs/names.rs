//! Names for files that are made from inputs: below one folder, and each of its own.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// Names for files made from images and clips, each given once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<PathBuf>);

impl Names {
    /// The path of an image below `root` without its ending. Two files may differ in that alone, or come from two folders:
    /// then the ending is added, then a number.
    pub(super) fn still(&mut self, path: &Path, root: &Path) -> PathBuf {
        self.free(path, root, |_, _| true)
    }

    /// The same of a clip, whose name is that of a folder: no image of another one lies there.
    pub(super) fn clip(&mut self, path: &Path, root: &Path) -> PathBuf {
        self.free(path, root, |known, name| !known.iter().any(|other| other.starts_with(name)))
    }

    fn free(
        &mut self,
        path: &Path,
        root: &Path,
        is_free: impl Fn(&HashSet<PathBuf>, &Path) -> bool,
    ) -> PathBuf {
        let below = inside(path.strip_prefix(root).unwrap_or(path));
        let name = below.with_file_name(stem(path));
        let mut other = name.clone();
        let mut n = 0;
        while !is_free(&self.0, &other) || !self.0.insert(other.clone()) {
            n += 1;
            let mut text = OsString::from(name.as_os_str());
            text.push("_");
            text.push(path.extension().unwrap_or_default());
            if n > 1 {
                text.push(format!("_{n}"));
            }
            other = text.into();
        }
        other
    }
}

/// A path from the folder that it is joined to on, and never out of it.
fn inside(path: &Path) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            // Of nothing nothing is taken.
            Component::ParentDir => drop(inside.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    inside
}

/// The name of a file without its ending, where that is a name.
fn stem(path: &Path) -> &OsStr {
    let leads_elsewhere = |stem: &&OsStr| *stem == OsStr::new(".") || *stem == OsStr::new("..");
    path.file_stem().filter(|stem| !leads_elsewhere(stem)).or(path.file_name()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_outputs_never_repeat() {
        let mut names = Names::default();
        let mut name = |path: &str| names.still(Path::new(path), Path::new("in")).display().to_string();
        assert_eq!(name("in/a.png"), "a");
        assert_eq!(name("in/a.jpg"), "a_jpg");
        assert_eq!(name("in/b/a.png"), "b/a");
        assert_eq!(name("in/a.png"), "a_png");
        assert_eq!(name("in/a.png"), "a_png_2");
        assert_eq!(name("in/c.d/e.f.png"), "c.d/e.f");
    }

    #[test]
    fn clips_of_one_name_have_folders_of_their_own() {
        let mut names = Names::default();
        assert_eq!(
            names.still(Path::new("in/day/frame-000001.png"), Path::new("in")),
            Path::new("day/frame-000001")
        );
        let mut name =
            |path: &str, root: &str| names.clip(Path::new(path), Path::new(root)).display().to_string();
        assert_eq!(name("a/run.mkv", "a"), "run");
        assert_eq!(name("b/run.mkv", "b"), "run_mkv");
        assert_eq!(name("c/run.mp4", "c"), "run_mp4");
        assert_eq!(name("all/c/run.mp4", "all"), "c/run");
        // Images of another folder lie there.
        assert_eq!(name("in/day.mkv", "in"), "day_mkv");
        assert_eq!(name("in/...mkv", "in"), "...mkv");
    }

    #[test]
    fn no_name_leaves_its_folder() {
        for (path, root, expected) in [
            ("x/../y/0.png", "x", "y/0"),
            ("x/a/../../y/0.png", "x", "y/0"),
            ("../y/../../0.png", "..", "0"),
            ("/data/0.png", "x", "data/0"),
            ("./a/./0.png", "x", "a/0"),
            ("a/...png", "a", "...png"),
        ] {
            let name = Names::default().still(Path::new(path), Path::new(root));
            assert_eq!(name, Path::new(expected), "{path} below {root}");
            assert!(name.components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
        }
    }
}
