//! The recipes of a line: products that it inspects, one at a time, each with a bank and limits of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::{Learn, Line, Properties};

/// Between the names of a line and of a recipe; neither has it.
const JOINT: char = '_';

/// A product that a line inspects. What it leaves out is as the line says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Recipe {
    /// Name in addresses and results: small letters, digits, `-`.
    pub name: String,
    /// Name on pages; without one the name.
    pub title: String,
    /// Number in the register of a PLC, 1 to 65535; without one its place among the recipes, from 1.
    pub number: Option<u16>,
    /// Codes that choose it, beside its name; `*` stands for any characters.
    pub codes: Vec<String>,
    /// Name of a launch recipe, or a launch line with one snarmdetect.
    pub pipeline: Option<String>,
    /// Variables of the launch recipe, beside those of the line.
    pub variables: BTreeMap<String, String>,
    /// Properties of snarmdetect, beside those of the line.
    #[serde(deserialize_with = "super::properties")]
    pub detect: Properties,
    /// Bank to begin with; it is copied.
    pub bank: Option<PathBuf>,
    /// How to learn.
    pub learn: Option<Learn>,
    /// Names of the outputs that results go to; all of them without this key.
    pub outputs: Option<Vec<String>>,
}

impl Recipe {
    /// The name on pages.
    pub fn shown(&self) -> &str {
        if self.title.is_empty() { &self.name } else { &self.title }
    }

    /// Whether it is chosen by a code: its name, or one that fits.
    pub fn is_meant_by(&self, code: &str) -> bool {
        code == self.name || self.codes.iter().any(|pattern| fits(pattern, code))
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any characters, or none.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        // The first place leaves most for the parts that follow.
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// What a line inspects at a time: the line itself, or one of its recipes.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Name of the line.
    pub at: String,
    /// The line with what the recipe says in place. Its name, under which banks, limits and finds are kept, has that of the
    /// recipe behind that of the line.
    pub line: Line,
    /// The recipe, of a line that has such, and its number.
    pub recipe: Option<(Recipe, u16)>,
}

impl Line {
    /// What it inspects: itself, where it has no recipes.
    pub fn products(&self) -> Vec<Product> {
        if self.recipes.is_empty() {
            return vec![Product { at: self.name.clone(), line: self.clone(), recipe: None }];
        }
        let product = |(at, recipe): (usize, &Recipe)| {
            let mut line = self.clone();
            line.recipes.clear();
            line.name = format!("{}{JOINT}{}", self.name, recipe.name);
            line.title = format!("{}: {}", self.shown(), recipe.shown());
            recipe.pipeline.iter().for_each(|pipeline| line.pipeline.clone_from(pipeline));
            line.variables.extend(recipe.variables.clone());
            line.detect.extend(recipe.detect.clone());
            line.learn = recipe.learn.clone().or(line.learn);
            // A recipe that learns by its own rule does not begin with the bank of others.
            let own = recipe.bank.clone().or(line.bank.filter(|_| recipe.learn.is_none()));
            line.bank = own;
            let number = recipe.number.unwrap_or(u16::try_from(at + 1).unwrap_or(u16::MAX));
            Product { at: self.name.clone(), line, recipe: Some((recipe.clone(), number)) }
        };
        self.recipes.iter().enumerate().map(product).collect()
    }

    /// Checks what its recipes say.
    ///
    /// # Errors
    /// When names or numbers are not all different, or one is none.
    pub(super) fn check_recipes(&self, outputs: &[&str]) -> Result<()> {
        let (mut names, mut numbers) = (Vec::new(), Vec::new());
        for Product { recipe, .. } in self.products() {
            let Some((recipe, number)) = recipe else { continue };
            super::check_name("recipe.name", &recipe.name)?;
            if names.contains(&recipe.name) {
                bail!("recipe.name: expected names that differ, found {:?} twice", recipe.name);
            }
            if number == 0 || numbers.contains(&number) {
                bail!(
                    "recipe {:?}: number: expected numbers from 1 that differ, found {number}{}",
                    recipe.name,
                    if number == 0 { "" } else { " twice" }
                );
            }
            if let Some(code) = recipe.codes.iter().find(|code| code.trim() != **code || code.is_empty()) {
                bail!(
                    "recipe {:?}: codes: expected codes without white space around them, found {code:?}",
                    recipe.name
                );
            }
            let mut named = recipe.outputs.iter().flatten();
            if let Some(output) = named.find(|output| !outputs.contains(&output.as_str())) {
                bail!("recipe {:?}: outputs: expected the name of an output, found {output:?}", recipe.name);
            }
            names.push(recipe.name);
            numbers.push(number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const LINE: &str = "data = 'd'\n[[line]]\nname = 'caps'\ntitle = 'Caps'\npipeline = 'inspect'\n\
        variables = { source = 'cam', sink = 'a' }\ndetect = { tiles = 2, roi = '0,0,1,1' }\n\
        bank = 'caps.bank'\n[line.learn]\nsource = 'cam'\n";

    const RED: &str = "[[line.recipe]]\nname = 'red'\ntitle = 'Red caps'\ncodes = ['40*', 'R']\n\
        variables = { sink = 'b' }\ndetect = { roi = '0.5,0,0.5,1', light-correction = false }\n";

    fn refusal(text: &str) -> String {
        format!("{:#}", Config::parse(text).unwrap_err())
    }

    #[test]
    fn codes_fit_by_stars_and_whole() {
        for (pattern, text, is_so) in [
            ("40", "40", true),
            ("40", "401", false),
            ("40*", "40", true),
            ("40*", "4012", true),
            ("*40", "1240", true),
            ("*40", "401", false),
            ("4*0*1", "4001", true),
            ("4*0*1", "41", false),
            ("4*4", "4", false),
            ("*", "", true),
            ("a*b*", "ab", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), is_so, "{pattern} {text}");
        }
        let recipe = Recipe { name: "red".into(), codes: vec!["40*".into()], ..Recipe::default() };
        assert!(recipe.is_meant_by("red") && recipe.is_meant_by("4012") && !recipe.is_meant_by("Red"));
    }

    #[test]
    fn a_recipe_says_what_differs_from_its_line() {
        let blue = "[[line.recipe]]\nname = 'blue'\nnumber = 7\nbank = 'blue.bank'\npipeline = 'other'\noutputs = []\n";
        let learns = "[[line.recipe]]\nname = 'new'\n[line.recipe.learn]\nsource = 'clip'\n";
        let config = Config::parse(&format!("{LINE}{RED}{blue}{learns}")).unwrap();
        let products = config.lines[0].products();
        let [red, blue, new] = &products[..] else { panic!("{products:?}") };
        assert_eq!(
            (red.at.as_str(), red.line.name.as_str(), red.line.shown()),
            ("caps", "caps_red", "Caps: Red caps")
        );
        let numbers: Vec<u16> = products.iter().map(|one| one.recipe.as_ref().unwrap().1).collect();
        assert_eq!(numbers, [1, 7, 3]);
        assert_eq!((&red.line.variables["source"][..], &red.line.variables["sink"][..]), ("cam", "b"));
        let detect: Vec<(&str, &str)> =
            red.line.detect.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(detect, [("light-correction", "false"), ("roi", "0.5,0,0.5,1"), ("tiles", "2")]);
        assert_eq!((red.line.pipeline.as_str(), blue.line.pipeline.as_str()), ("inspect", "other"));
        assert_eq!(
            (red.line.bank.clone(), blue.line.bank.clone()),
            (Some("caps.bank".into()), Some("blue.bank".into()))
        );
        assert_eq!((new.line.bank.clone(), &new.line.learn.as_ref().unwrap().source[..]), (None, "clip"));
        // A line without recipes is its own product.
        let alone = Config::parse(LINE).unwrap().lines[0].products();
        assert_eq!((alone.len(), alone[0].line.name.as_str(), alone[0].recipe.is_none()), (1, "caps", true));
    }

    #[test]
    fn recipes_that_cannot_be_told_apart_are_refused() {
        let more = |text: &str| format!("{LINE}{RED}[[line.recipe]]\nname = 'blue'\n{text}");
        for (text, words) in [
            (format!("{LINE}{RED}{RED}"), &["caps", "differ", "\"red\" twice"][..]),
            (more("number = 1\n"), &["\"blue\"", "number", "1 twice"]),
            (more("number = 0\n"), &["\"blue\"", "from 1", "found 0"]),
            (more("codes = [' 4']\n"), &["\"blue\"", "white space", "\" 4\""]),
            (more("outputs = ['plc']\n"), &["\"blue\"", "name of an output", "\"plc\""]),
            (more("detect = { threshold = 0.5 }\n"), &["detect", "without threshold", "station"]),
            (more("detect = { roi = [1, 2] }\n"), &["expected a text, a number", "[1, 2]"]),
            (more("variables = { bank = 'x' }\n"), &["caps_blue", "without bank"]),
            (
                format!("{LINE}{}", RED.replace("'red'", "'Red'")),
                &["recipe.name", "small letters", "\"Red\""],
            ),
        ] {
            let found = refusal(&text);
            assert!(words.iter().all(|word| found.contains(word)), "expected {words:?} in {found}");
        }
    }
}
