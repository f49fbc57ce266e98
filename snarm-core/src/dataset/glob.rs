//! File name patterns: `*` and `?` within a name, `**` for any number of folders.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::files::{LeftOut, all, hidden_images, is_circle, is_hidden, real};
use crate::error::Result;

/// Whether a path holds `*` or `?`.
pub fn is_pattern(path: impl AsRef<OsStr>) -> bool {
    path.as_ref().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// The files and folders that `pattern` matches, in the order of their paths, each name once. Hidden ones are matched by a
/// name that begins with a dot, as a shell does; the images among others are kept in `left_out`, as are links that lead to
/// folders a `**` has gone into.
///
/// # Errors
/// When a folder on the way cannot be read.
pub(super) fn expand(pattern: &Path, left_out: &mut LeftOut) -> Result<Vec<PathBuf>> {
    let (mut root, mut rest) = (PathBuf::new(), Vec::new());
    for component in pattern.components() {
        // Whatever follows a wildcard, `..` too, counts from what it matched.
        if rest.is_empty() && !is_pattern(component) {
            root.push(component);
        } else {
            rest.push(component.as_os_str().to_owned());
        }
    }
    let mut search = Search { found: Vec::new(), entered: HashSet::new(), left_out };
    search.walk(&root, &rest, false)?;
    search.found.sort();
    search.found.dedup();
    Ok(search.found)
}

struct Search<'a> {
    found: Vec<PathBuf>,
    /// Folders that a `**` went into, with the number of components behind it: no link leads into them again.
    entered: HashSet<(PathBuf, usize)>,
    left_out: &'a mut LeftOut,
}

impl Search<'_> {
    /// Goes on from `at`, which may lie in a hidden folder.
    fn walk(&mut self, at: &Path, rest: &[OsString], hidden: bool) -> Result<()> {
        let Some((name, below)) = rest.split_first() else {
            // A link to nothing is there, too.
            match at.symlink_metadata() {
                Ok(_) if hidden => self.left_out.hide(hidden_images(at)),
                Ok(_) => self.found.push(at.to_owned()),
                Err(_) => {}
            }
            return Ok(());
        };
        if !is_pattern(name) {
            return self.walk(&at.join(name), below, hidden);
        }
        let folder = if at.as_os_str().is_empty() { Path::new(".") } else { at };
        if !folder.is_dir() || (hidden && folder.is_symlink()) {
            return Ok(());
        }
        let entries = match all(folder) {
            // What is left out anyway may be closed.
            Err(_) if hidden => Vec::new(),
            entries => entries?,
        };
        if name != "**" {
            for path in entries {
                let Some(entry) = path.file_name() else { continue };
                if matches(name.as_encoded_bytes(), entry.as_encoded_bytes()) {
                    self.walk(&at.join(entry), below, hidden || hides(name, entry))?;
                }
            }
            return Ok(());
        }
        if !self.entered.insert((real(folder), rest.len())) {
            if folder.is_symlink() && !hidden {
                self.left_out.again.push(folder.to_owned());
            }
            return Ok(());
        }
        // As the last component it matches files at any depth.
        if !below.is_empty() {
            self.walk(at, below, hidden)?;
        }
        let (links, real): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_symlink());
        for path in real.into_iter().chain(links) {
            let Some(entry) = path.file_name() else { continue };
            let (next, hidden) = (at.join(entry), hidden || hides(name, entry));
            if !path.is_dir() {
                if below.is_empty() {
                    self.walk(&next, below, hidden)?;
                }
            } else if !path.is_symlink() || !is_circle(&path) {
                self.walk(&next, rest, hidden)?;
            } else if !hidden {
                self.left_out.again.push(next);
            }
        }
        Ok(())
    }
}

/// Whether an entry is hidden from a pattern for its name.
fn hides(pattern: &OsStr, entry: &OsStr) -> bool {
    let has_dot = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
    is_hidden(entry) && !(has_dot(pattern) && has_dot(entry))
}

/// Whether `name` fits `pattern`; after a `*` that failed, the search resumes one byte further.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut resume = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                resume = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match resume {
                Some((after, from)) => {
                    resume = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn stars_and_question_marks_match_within_a_name() {
        let fits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(fits("*.png", "a.png") && fits("*", "") && fits("a?c*", "abcde") && fits("*a*b", "xaxbxb"));
        assert!(!fits("*.png", "a.jpg") && !fits("?", "") && !fits("a*b", "acbd") && !fits("", "a"));
    }

    #[test]
    fn patterns_find_files_in_folders() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/1.png", "a/2.jpg", "b/c/3.png", "4.png", ".5.png"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let find = |pattern: &str| -> Vec<String> {
            let found = expand(&dir.path().join(pattern), &mut LeftOut::default()).unwrap();
            found.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(find("*.png"), ["4.png"]);
        assert_eq!(find("*/?.png"), ["a/1.png"]);
        assert_eq!(find("**/*.png"), ["4.png", "a/1.png", "b/c/3.png"]);
        assert_eq!(find("a/*"), ["a/1.png", "a/2.jpg"]);
        assert_eq!(find("**"), ["4.png", "a/1.png", "a/2.jpg", "b/c/3.png"]);
        assert_eq!(find("*"), ["4.png", "a", "b"]);
        assert!(find("none/*.png").is_empty());
        // As a shell does it.
        assert_eq!(find(".*.png"), [".5.png"]);
        assert_eq!(find("*/../4.png"), ["a/../4.png", "b/../4.png"]);
        assert_eq!(find("?/.."), ["a/..", "b/.."]);
        assert_eq!(find("b/*/../../a/1.png"), ["b/c/../../a/1.png"]);
    }

    /// A folder that is walked through names the same.
    #[test]
    fn what_a_pattern_leaves_out_is_kept_in_mind() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["1.png", ".2.png", "._1.png", ".cache/3.png", "__MACOSX/a/4.png", ".notes.txt", "a/5.png"]
        {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        for (link, to) in [("a/up", ".."), ("gone.png", "nothing.png"), ("round.png", "round.png")] {
            std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
        }
        let names = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        for (pattern, found, hidden, again) in [
            ("*.png", &["1.png", "gone.png", "round.png"][..], &[".2.png"][..], &[][..]),
            ("*/*.png", &["a/5.png"], &[".cache/3.png"], &[]),
            (
                "**/*.png",
                &["1.png", "a/5.png", "gone.png", "round.png"],
                &[".2.png", ".cache/3.png", "__MACOSX/a/4.png"],
                &["a/up"],
            ),
            (".*/*.png", &[".cache/3.png"], &[], &[]),
            ("*_MAC*", &[], &["__MACOSX/a/4.png"], &[]),
        ] {
            let mut left_out = LeftOut::default();
            let matched = expand(&dir.path().join(pattern), &mut left_out).unwrap();
            assert_eq!(names(&matched), found, "{pattern}");
            assert_eq!(names(&left_out.hidden), hidden, "{pattern}");
            assert_eq!(names(&left_out.again), again, "{pattern}");
        }
    }

    #[test]
    fn links_in_circles_end_and_names_need_no_text() {
        let dir = tempfile::tempdir().unwrap();
        let odd = OsString::from_vec(b"odd\xff.png".to_vec());
        for name in ["a/b/1.png", "a/2.png"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        std::fs::write(dir.path().join("a").join(&odd), b"").unwrap();
        for (link, to) in [("a/here", "."), ("a/b/up", ".."), ("a/b/top", "../..")] {
            std::os::unix::fs::symlink(to, dir.path().join(link)).unwrap();
        }
        let root = dir.path();
        let find = |pattern: &Path| expand(pattern, &mut LeftOut::default()).unwrap();
        let expected = [root.join("a/2.png"), root.join("a/b/1.png"), root.join("a").join(&odd)];
        assert_eq!(find(&root.join("**/*.png")), expected);
        assert_eq!(find(&root.join("**")), expected);
        let mut pattern = root.join("?").into_os_string().into_vec();
        pattern.extend(b"/odd\xff*");
        assert_eq!(find(Path::new(&OsString::from_vec(pattern))), expected[2..]);
    }
}
