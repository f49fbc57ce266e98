//! `snarm launch`: pipelines as text with variables, handed to `gst-launch-1.0`.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use crate::exit::Outcome;
use crate::gst;
use crate::output;
use crate::recipe::{self, Recipe};

/// Runs a launch recipe with gst-launch-1.0.
///
/// A recipe is a pipeline with {variables}. Without a name, the recipes are listed; a name alone with --describe
/// shows its text. Values may hold several elements: source="v4l2src device=/dev/video2 ! videorate".
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the recipe
    name: Option<String>,
    /// Variables, as name=value
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Print the line instead of running it
    #[arg(long)]
    print: bool,
    /// Show the text of the recipe
    #[arg(long)]
    describe: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Some(name) = &args.name else { return list() };
    let recipe = recipe::find(name)?;
    if args.describe {
        output::line(recipe.text.trim_end())?;
        return Ok(Outcome::Done);
    }
    let words = recipe.fill(&variables(&recipe, &args.variables)?)?;
    if args.print {
        let shown: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        output::line(format!("gst-launch-1.0 -e {}", shown.join(" ")))?;
        return Ok(Outcome::Done);
    }
    gst::version()?;
    // Returns only when the program could not be started.
    let reason = Command::new("gst-launch-1.0").arg("-e").args(words).exec();
    Err(anyhow!("cannot run gst-launch-1.0: {reason}"))
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
