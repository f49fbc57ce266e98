//! Launch recipes: text files that hold a pipeline with `{variables}`, part of the binary.
//!
//! Lines that begin with `#` are comments, the first one sums the recipe up. Lines `name = value` give defaults.
//! The rest is the pipeline. A variable that stands alone may be filled with several elements; one inside of a
//! word, as in `location={bank}`, stays one word whatever it holds.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result, anyhow, bail};
use snarm_core::paths;

/// A recipe by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

const RECIPES: [Recipe; 10] = [
    Recipe { name: "learn", text: include_str!("../launch/learn.launch") },
    Recipe { name: "inspect", text: include_str!("../launch/inspect.launch") },
    Recipe { name: "record-annotated", text: include_str!("../launch/record-annotated.launch") },
    Recipe { name: "record-segments", text: include_str!("../launch/record-segments.launch") },
    Recipe { name: "save-bad-frames", text: include_str!("../launch/save-bad-frames.launch") },
    Recipe { name: "gray8-camera", text: include_str!("../launch/gray8-camera.launch") },
    Recipe { name: "bayer-camera", text: include_str!("../launch/bayer-camera.launch") },
    Recipe { name: "two-cameras", text: include_str!("../launch/two-cameras.launch") },
    Recipe { name: "rtsp-push", text: include_str!("../launch/rtsp-push.launch") },
    Recipe { name: "share-memory", text: include_str!("../launch/share-memory.launch") },
];

/// Every recipe.
pub(crate) fn all() -> &'static [Recipe] {
    &RECIPES
}

/// The recipe of that name.
pub(crate) fn find(name: &str) -> Result<Recipe> {
    let names = || RECIPES.map(|r| r.name).join(", ");
    RECIPES
        .into_iter()
        .find(|r| r.name == name)
        .ok_or_else(|| anyhow!("expected one of {}, found '{name}'", names()))
}

impl Recipe {
    /// The first line, without its mark.
    pub(crate) fn summary(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// Names of the variables in the order of the pipeline, with their defaults.
    pub(crate) fn variables(&self) -> Vec<(String, Option<&'static str>)> {
        let defaults = self.defaults();
        let mut found: Vec<(String, Option<&'static str>)> = Vec::new();
        for word in self.pipeline() {
            for piece in pieces(word) {
                if let Piece::Variable(name) = piece
                    && !found.iter().any(|(known, _)| known == name)
                {
                    found.push((name.to_owned(), defaults.get(name).copied()));
                }
            }
        }
        found
    }

    /// The pipeline with its variables filled in, as words of a launch line. What fills a part of a word may be a path of any
    /// bytes, elements are UTF-8.
    pub(crate) fn fill(&self, values: &BTreeMap<String, OsString>) -> Result<Vec<OsString>> {
        let defaults = self.defaults();
        let value = |name: &str| {
            values.get(name).map(OsString::as_os_str).or_else(|| defaults.get(name).copied().map(OsStr::new))
        };
        let missing: Vec<String> =
            self.variables().into_iter().map(|(name, _)| name).filter(|name| value(name).is_none()).collect();
        if !missing.is_empty() {
            bail!("recipe {}: expected a value for {}, found none", self.name, missing.join(", "));
        }
        let mut words = Vec::new();
        for word in self.pipeline() {
            match pieces(word).as_slice() {
                [Piece::Variable(name)] => {
                    let value = value(name).unwrap_or_default();
                    let elements = value.to_str().with_context(|| {
                        format!("{name}: expected elements in UTF-8, found {}", paths::text(value))
                    })?;
                    words.extend(elements.split_whitespace().map(OsString::from));
                }
                parts => words.push(join(parts, &value)),
            }
        }
        Ok(words)
    }

    fn lines(&self) -> impl Iterator<Item = &'static str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    }

    fn defaults(&self) -> BTreeMap<&'static str, &'static str> {
        self.lines().filter_map(default).collect()
    }

    fn pipeline(&self) -> impl Iterator<Item = &'static str> {
        self.lines().filter(|line| default(line).is_none()).flat_map(str::split_whitespace)
    }
}

/// `name = value`; properties of elements have no spaces around their sign.
fn default(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" = ")?;
    is_name(name).then_some((name, value.trim()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// A stretch of a word.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

fn pieces(word: &str) -> Vec<Piece<'_>> {
    let (mut found, mut rest) = (Vec::new(), word);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}').filter(|(name, _)| is_name(name)) else { break };
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Variable(name));
        rest = behind;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// One word; a value that GStreamer would split is quoted. A word with other bytes than UTF-8 is taken as it stands.
fn join<'a>(parts: &[Piece<'_>], value: &impl Fn(&str) -> Option<&'a OsStr>) -> OsString {
    let filled = |in_quotes: bool| -> OsString {
        let filled = parts.iter().map(|part| match part {
            Piece::Text(text) => OsString::from(text),
            Piece::Variable(name) => {
                let value = value(name).unwrap_or_default();
                value
                    .to_str()
                    .filter(|_| in_quotes)
                    .map_or_else(|| value.to_owned(), |text| quoted(text).into())
            }
        });
        filled.collect()
    };
    let word = filled(true);
    if word.to_str().is_some() { word } else { filled(false) }
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:,+@%".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    const TEXT: Recipe = Recipe {
        name: "test",
        text: "# Sums it up.\n# More.\nsink = fakesink sync=false\n\n{source} ! x caps=\"a,b={c}\" location={file}\n  ! {sink}\n",
    };

    fn fill(values: &[(&str, &str)]) -> Result<String> {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        Ok(TEXT.fill(&values)?.join(OsStr::new(" ")).into_string().unwrap())
    }

    #[test]
    fn variables_are_filled_with_elements_or_with_one_word() {
        assert_eq!(TEXT.summary(), "Sums it up.");
        let names: Vec<_> = TEXT.variables().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["source", "c", "file", "sink"]);
        assert_eq!(
            fill(&[("source", "a ! b"), ("c", "1"), ("file", "my file.mkv")]).unwrap(),
            "a ! b ! x caps=\"a,b=1\" location=\"my file.mkv\" ! fakesink sync=false"
        );
    }

    #[test]
    fn missing_variables_are_named() {
        let message = fill(&[("source", "a")]).unwrap_err().to_string();
        assert_eq!(message, "recipe test: expected a value for c, file, found none");
    }

    #[test]
    fn a_path_of_any_bytes_stays_one_word_and_elements_of_such_are_refused() {
        let bytes = OsStr::from_bytes(b"my caf\xe9.mkv").to_owned();
        let values = |source: &OsStr| -> BTreeMap<String, OsString> {
            [("source", source), ("c", OsStr::new("1")), ("file", &bytes)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        let words = TEXT.fill(&values(OsStr::new("a"))).unwrap();
        assert!(words.contains(&OsStr::from_bytes(b"location=my caf\xe9.mkv").to_owned()), "{words:?}");
        let text = TEXT.fill(&values(&bytes)).unwrap_err().to_string();
        assert_eq!(text, "source: expected elements in UTF-8, found my caf\\xe9.mkv");
    }

    #[test]
    fn every_recipe_has_a_summary_and_a_pipeline() {
        for recipe in all() {
            assert!(recipe.summary().ends_with('.'), "{}", recipe.name);
            assert!(recipe.pipeline().any(|word| word.starts_with("snarm")), "{}", recipe.name);
        }
    }
}
