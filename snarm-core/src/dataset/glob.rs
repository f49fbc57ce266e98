//! File name patterns: `*` and `?` within a name, `**` for any number of folders.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use super::files::{entries, is_circle, real};
use crate::error::Result;

/// Whether a path holds `*` or `?`.
pub fn is_pattern(path: impl AsRef<OsStr>) -> bool {
    path.as_ref().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// The files and folders that `pattern` matches, in the order of their paths, each name once. Hidden ones are left out.
///
/// # Errors
/// When a folder on the way cannot be read.
pub(super) fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let (mut root, mut rest) = (PathBuf::new(), Vec::new());
    for component in pattern.components() {
        match component {
            Component::Normal(name) if !rest.is_empty() || is_pattern(name) => rest.push(name.to_owned()),
            other => root.push(other),
        }
    }
    let mut search = Search::default();
    search.walk(&root, &rest)?;
    search.found.sort();
    search.found.dedup();
    Ok(search.found)
}

#[derive(Default)]
struct Search {
    found: Vec<PathBuf>,
    /// Folders that a `**` went into, with the number of components behind it: no link leads into them again.
    entered: HashSet<(PathBuf, usize)>,
}

impl Search {
    fn walk(&mut self, at: &Path, rest: &[OsString]) -> Result<()> {
        let Some((name, below)) = rest.split_first() else {
            if at.exists() {
                self.found.push(at.to_owned());
            }
            return Ok(());
        };
        if !is_pattern(name) {
            return self.walk(&at.join(name), below);
        }
        let folder = if at.as_os_str().is_empty() { Path::new(".") } else { at };
        if !folder.is_dir() {
            return Ok(());
        }
        if name != "**" {
            for path in entries(folder)? {
                let Some(entry) = path.file_name() else { continue };
                if matches(name.as_encoded_bytes(), entry.as_encoded_bytes()) {
                    self.walk(&at.join(entry), below)?;
                }
            }
            return Ok(());
        }
        if !self.entered.insert((real(folder), rest.len())) {
            return Ok(());
        }
        // As the last component it matches files at any depth.
        if !below.is_empty() {
            self.walk(at, below)?;
        }
        let (links, real): (Vec<_>, Vec<_>) =
            entries(folder)?.into_iter().partition(|path| path.is_symlink());
        for path in real.into_iter().chain(links) {
            let Some(entry) = path.file_name() else { continue };
            let next = at.join(entry);
            if path.is_dir() {
                if !path.is_symlink() || !is_circle(&path) {
                    self.walk(&next, rest)?;
                }
            } else if below.is_empty() {
                self.walk(&next, below)?;
            }
        }
        Ok(())
    }
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
            let found = expand(&dir.path().join(pattern)).unwrap();
            found.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(find("*.png"), ["4.png"]);
        assert_eq!(find("*/?.png"), ["a/1.png"]);
        assert_eq!(find("**/*.png"), ["4.png", "a/1.png", "b/c/3.png"]);
        assert_eq!(find("a/*"), ["a/1.png", "a/2.jpg"]);
        assert_eq!(find("**"), ["4.png", "a/1.png", "a/2.jpg", "b/c/3.png"]);
        assert_eq!(find("*"), ["4.png", "a", "b"]);
        assert!(find("none/*.png").is_empty());
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
        let expected = [root.join("a/2.png"), root.join("a/b/1.png"), root.join("a").join(&odd)];
        assert_eq!(expand(&root.join("**/*.png")).unwrap(), expected);
        assert_eq!(expand(&root.join("**")).unwrap(), expected);
        let mut pattern = root.join("?").into_os_string().into_vec();
        pattern.extend(b"/odd\xff*");
        assert_eq!(expand(Path::new(&OsString::from_vec(pattern))).unwrap(), expected[2..]);
    }
}
