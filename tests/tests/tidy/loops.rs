//! No file of a crate knows, by whatever way round, a file that knows it: data stand below behaviour.
//!
//! What a file knows are the modules of its `use` lines and of paths that begin with `crate` or `super`, followed through
//! re-exports to the file that holds the item. A file does not know what it only re-exports. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::{check, files, read};

/// A module, from the root of its crate.
type Module = Vec<String>;

/// The files of one crate.
#[derive(Default)]
struct Sources {
    files: BTreeMap<Module, String>,
    /// What each module gives other names: the module below which an item is looked for, and the rest of its path.
    renamed: BTreeMap<Module, BTreeMap<String, (Module, Vec<String>)>>,
    known: BTreeMap<Module, Vec<(Module, Vec<String>)>>,
}

impl Sources {
    fn of(root: &str) -> Self {
        let mut sources = Self::default();
        let mut texts = Vec::new();
        for file in files() {
            let Some(path) = file.strip_prefix(root).and_then(|path| path.strip_suffix(".rs")) else {
                continue;
            };
            let mut module: Module = path.split('/').map(str::to_owned).collect();
            if module.iter().any(|part| part == "tests") {
                continue;
            }
            if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
                module.pop();
            }
            texts.push((module.clone(), read(&file)));
            sources.files.insert(module, file);
        }
        for (module, text) in texts {
            sources.parse(&module, &text);
        }
        sources
    }

    fn parse(&mut self, module: &Module, text: &str) {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: String =
            text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
        let mut rest = String::new();
        for statement in code.split_inclusive(';') {
            let start = statement.lines().position(|line| {
                let line = line.trim_start();
                line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "))
            });
            let Some(start) = start else {
                rest.push_str(statement);
                continue;
            };
            rest.extend(statement.lines().take(start).map(|line| line.to_owned() + "\n"));
            let used: String = statement.lines().skip(start).collect::<Vec<_>>().join(" ");
            let Some((before, tree)) = used.split_once("use ") else { continue };
            for path in expand(tree.trim_end_matches(';').trim()) {
                let name = path.rsplit("::").next().unwrap_or_default().to_owned();
                let Some(target) = resolve(module, &path) else { continue };
                if before.trim().is_empty() {
                    self.known.entry(module.clone()).or_default().push(target);
                } else {
                    self.renamed.entry(module.clone()).or_default().insert(name, target);
                }
            }
        }
        for start in ["crate::", "super::"] {
            for (at, _) in rest.match_indices(start) {
                let before = rest[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let path = rest[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = path.map(|path| path.trim_end_matches(':')).next().unwrap_or_default();
                self.known.entry(module.clone()).or_default().extend(resolve(module, path));
            }
        }
    }

    /// The module whose file holds what lies at `rest` below `module`.
    fn holder(&self, mut module: Module, mut rest: Vec<String>, depth: usize) -> Module {
        while let Some(first) = rest.first() {
            let below: Module = module.iter().chain([first]).cloned().collect();
            if !self.files.contains_key(&below) {
                break;
            }
            module = below;
            rest.remove(0);
        }
        let renamed = rest.first().and_then(|first| self.renamed.get(&module)?.get(first)).cloned();
        match renamed {
            Some((at, path)) if depth < 8 => {
                let path = path.into_iter().chain(rest.into_iter().skip(1)).collect();
                self.holder(at, path, depth + 1)
            }
            _ => module,
        }
    }

    /// What each file knows.
    fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (module, known) in &self.known {
            let from = &self.files[module];
            for (at, path) in known {
                if let Some(to) = self.files.get(&self.holder(at.clone(), path.clone(), 0))
                    && to != from
                {
                    edges.entry(from).or_default().insert(to);
                }
            }
        }
        edges
    }
}

/// The single paths of a tree such as `a::{b, c::{d, self}}`, without new names.
fn expand(tree: &str) -> Vec<String> {
    let Some((before, inner)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let inner = inner.trim().strip_suffix('}').unwrap_or(inner);
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in inner.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
    parts.flat_map(|part| expand(&format!("{}{part}", before.trim()))).collect()
}

/// The module that a path begins at, seen from `module`, and the rest of the path; nothing for a path into another crate.
fn resolve(module: &Module, path: &str) -> Option<(Module, Vec<String>)> {
    let mut parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
    if parts.last().is_some_and(|part| part == "self") && parts.len() > 1 {
        parts.pop();
    }
    let mut at = match parts.remove(0).as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        _ => return None,
    };
    while parts.first().is_some_and(|part| part == "super") {
        at.pop();
        parts.remove(0);
    }
    Some((at, parts))
}

/// The shortest way from a file back to it, if there is one.
fn way_round<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| edges.get(last)).into_iter().flatten() {
            if *next == start {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[test]
fn no_file_knows_one_that_knows_it() {
    for root in ["kernels/src/", "snarm-core/src/", "plugins/src/", "pipelines/src/"] {
        let sources = Sources::of(root);
        let edges = sources.edges();
        assert!(edges.len() > 20, "{root}: {} files that know others", edges.len());
        let mut told = BTreeSet::new();
        let mut loops = Vec::new();
        for file in edges.keys() {
            if told.contains(file) {
                continue;
            }
            if let Some(way) = way_round(&edges, file) {
                told.extend(way.iter().copied());
                loops.push(format!("{} -> {file}", way.join(" -> ")));
            }
        }
        check("import loops", loops);
    }
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let paths = expand("crate::a::{b, c::{self, D as E},f}");
    assert_eq!(paths, ["crate::a::b", "crate::a::c::self", "crate::a::c::D", "crate::a::f"]);
    let module: Module = vec!["a".into(), "b".into()];
    assert_eq!(resolve(&module, "super::super::c::D"), Some((vec![], vec!["c".into(), "D".into()])));
    assert_eq!(resolve(&module, "self::c"), Some((module.clone(), vec!["c".into()])));
    assert_eq!(resolve(&module, "std::fs"), None);

    let mut sources = Sources::default();
    for name in ["a", "b", "c"] {
        sources.files.insert(vec![name.to_owned()], format!("{name}.rs"));
    }
    sources.parse(&vec!["a".into()], "pub use crate::b::Data;\nuse crate::c::run;\n");
    sources.parse(&vec!["b".into()], "use std::fmt; // crate::a\nfn f() { g(crate::c::run()) }\n");
    sources.parse(
        &vec!["c".into()],
        "use crate::{\n    a::Data,\n};\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n",
    );
    let edges = sources.edges();
    assert_eq!(edges["c.rs"], BTreeSet::from(["b.rs"]), "through the re-export, and not the test");
    assert_eq!(way_round(&edges, "b.rs"), Some(vec!["b.rs", "c.rs"]));
    assert_eq!(way_round(&edges, "a.rs"), None);
}
