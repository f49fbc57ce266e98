//! File name patterns: `*` and `?` within a name, `**` for any number of folders.

use std::path::{Component, Path, PathBuf};

use super::entries;
use crate::error::Result;

/// The files that `pattern` matches, in the order of their paths. Hidden files are left out.
///
/// # Errors
/// When a folder on the way cannot be read.
pub fn expand(pattern: &str) -> Result<Vec<PathBuf>> {
    let (mut root, mut rest) = (PathBuf::new(), Vec::new());
    for component in Path::new(pattern).components() {
        match component {
            Component::Normal(name) => {
                let name = name.to_string_lossy().into_owned();
                if rest.is_empty() && !is_pattern(&name) { root.push(name) } else { rest.push(name) }
            }
            other => root.push(other),
        }
    }
    let mut found = Vec::new();
    walk(&root, &rest, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

fn walk(at: &Path, rest: &[String], found: &mut Vec<PathBuf>) -> Result<()> {
    let Some((name, below)) = rest.split_first() else {
        if at.is_file() {
            found.push(at.to_owned());
        }
        return Ok(());
    };
    if !is_pattern(name) {
        return walk(&at.join(name), below, found);
    }
    let any_depth = name == "**";
    if any_depth {
        walk(at, below, found)?;
    }
    let folder = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    if !folder.is_dir() {
        return Ok(());
    }
    for path in entries(folder)? {
        let Some(entry) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else { continue };
        let next = at.join(&entry);
        if any_depth && path.is_dir() {
            walk(&next, rest, found)?;
        } else if !any_depth && matches(name.as_bytes(), entry.as_bytes()) {
            walk(&next, below, found)?;
        }
    }
    Ok(())
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
            let found = expand(dir.path().join(pattern).to_str().unwrap()).unwrap();
            found.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(find("*.png"), ["4.png"]);
        assert_eq!(find("*/?.png"), ["a/1.png"]);
        assert_eq!(find("**/*.png"), ["4.png", "a/1.png", "b/c/3.png"]);
        assert_eq!(find("a/*"), ["a/1.png", "a/2.jpg"]);
        assert!(find("none/*.png").is_empty());
    }
}
