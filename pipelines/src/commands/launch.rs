//! `snarm launch`: pipelines as text, recipes with variables or one's own, run until their end.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::exit::Outcome;
use crate::output;
use crate::player;
use crate::recipe::{self, Recipe};

/// Runs a launch recipe, or a pipeline of one's own.
///
/// A recipe is a pipeline with {variables}. Without a name, the recipes are listed; a name alone with --describe
/// shows its text. Values may hold several elements: source="v4l2src device=/dev/video2 ! videorate". A pipeline is
/// written as gst-launch-1.0 takes it.
///
/// Ctrl-C, SIGTERM and SIGHUP end the stream: files are completed, banks are written, and the exit code is 0. A second
/// signal stops at once, and so does a stream that has not ended within --end-within; the exit code is 1 then.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the recipe, or the first word of a pipeline
    name: Option<String>,
    /// Variables as name=value, or the other words of the pipeline
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Print the line for gst-launch-1.0 instead of running it
    #[arg(long)]
    print: bool,
    /// Show the text of the recipe
    #[arg(long)]
    describe: bool,
    /// Seconds that the stream may take to end after a signal; the making of a bank does not count. The default is less
    /// than the 60 that the unit for systemd leaves it
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    end_within: u32,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Some(name) = &args.name else { return list() };
    if args.describe {
        output::line(recipe::find(name)?.text.trim_end())?;
        return Ok(Outcome::Done);
    }
    let given: Vec<String> = std::iter::once(name).chain(&args.variables).cloned().collect();
    let words = words(&given)?;
    if args.print {
        let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        output::line(format!("gst-launch-1.0 -e {}", shown.join(" ")))?;
        return Ok(Outcome::Done);
    }
    // Returns only when the program could not be started.
    Err(player::run(&words, args.end_within))
}

/// Whether these words are a pipeline of two elements and more, in one word or in several.
pub(super) fn is_pipeline(given: &[String]) -> bool {
    given.iter().any(|word| word == "!") || given.first().is_some_and(|first| first.contains(" ! "))
}

/// Whether these words begin with the name of a recipe.
pub(super) fn is_recipe(given: &[String]) -> bool {
    given.first().is_some_and(|first| recipe::find(first).is_ok())
}

/// The words of a pipeline: as they are given, or of a recipe and its variables.
pub(super) fn words(given: &[String]) -> Result<Vec<String>> {
    if is_pipeline(given) {
        return Ok(given.to_vec());
    }
    let Some((name, variables)) = given.split_first() else {
        bail!("expected a recipe or a pipeline, found none")
    };
    let recipe = recipe::find(name)?;
    recipe.fill(&self::variables(&recipe, variables)?)
}

fn list() -> Result<Outcome> {
    for recipe in recipe::all() {
        output::line(format!("{:<18} {}", recipe.name, recipe.summary()))?;
        for (name, default) in recipe.variables() {
            output::line(match default {
                Some(value) => format!("{:<18}   {name} = {value}", ""),
                None => format!("{:<18}   {name}", ""),
            })?;
        }
    }
    Ok(Outcome::Done)
}

fn variables(recipe: &Recipe, given: &[String]) -> Result<BTreeMap<String, String>> {
    let known: Vec<String> = recipe.variables().into_iter().map(|(name, _)| name).collect();
    let mut values = BTreeMap::new();
    for text in given {
        let Some((name, value)) = text.split_once('=') else {
            bail!("expected name=value, found '{text}'");
        };
        if !known.iter().any(|k| k == name) {
            bail!(
                "expected one of the variables {} of recipe {}, found '{name}'",
                known.join(", "),
                recipe.name
            );
        }
        values.insert(name.to_owned(), value.to_owned());
    }
    Ok(values)
}

/// `word` as a shell reads it back.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) || word == "!" {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
