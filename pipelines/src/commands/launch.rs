//! `snarm launch`: pipelines as text, recipes with variables or one's own, run until their end.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail};
use snarm_core::paths;

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
    name: Option<OsString>,
    /// Variables as name=value, or the other words of the pipeline; of either a path, as in location=PATH, may be any bytes
    #[arg(value_name = "NAME=VALUE")]
    variables: Vec<OsString>,
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
        output::line(named(name)?.text.trim_end())?;
        return Ok(Outcome::Done);
    }
    let given: Vec<OsString> = std::iter::once(name).chain(&args.variables).cloned().collect();
    let words = words(&given)?;
    if args.print {
        let shown = words.iter().map(|word| {
            let text = word.to_str().map(shell_word);
            text.with_context(|| {
                format!("expected UTF-8, which gst-launch-1.0 takes alone, found {}", paths::text(word))
            })
        });
        let shown: Vec<String> = shown.collect::<Result<_>>()?;
        output::line(format!("gst-launch-1.0 -e {}", shown.join(" ")))?;
        return Ok(Outcome::Done);
    }
    // Returns only when the program could not be started.
    Err(player::run(&words, args.end_within))
}

/// Whether these words are a pipeline of two elements and more, in one word or in several.
pub(super) fn is_pipeline(given: &[OsString]) -> bool {
    given.iter().any(|word| word == "!")
        || given.first().and_then(|first| first.to_str()).is_some_and(|first| first.contains(" ! "))
}

/// Whether these words begin with the name of a recipe.
pub(super) fn is_recipe(given: &[OsString]) -> bool {
    given.first().is_some_and(|first| named(first).is_ok())
}

/// The recipe of that name.
fn named(name: &OsStr) -> Result<Recipe> {
    // A name of other bytes is that of no recipe, and is shown as it is written.
    recipe::find(&name.to_str().map_or_else(|| paths::text(name), str::to_owned))
}

/// The words of a pipeline: as they are given, or of a recipe and its variables.
pub(super) fn words(given: &[OsString]) -> Result<Vec<OsString>> {
    if is_pipeline(given) {
        return Ok(given.to_vec());
    }
    let Some((name, variables)) = given.split_first() else {
        bail!("expected a recipe or a pipeline, found none")
    };
    let recipe = named(name)?;
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

fn variables(recipe: &Recipe, given: &[OsString]) -> Result<BTreeMap<String, OsString>> {
    let known: Vec<String> = recipe.variables().into_iter().map(|(name, _)| name).collect();
    let mut values = BTreeMap::new();
    for word in given {
        let bytes = word.as_bytes();
        let Some(end) = bytes.iter().position(|byte| *byte == b'=') else {
            bail!("expected name=value, found '{}'", paths::text(word));
        };
        let (name, value) = (OsStr::from_bytes(&bytes[..end]), OsStr::from_bytes(&bytes[end + 1..]));
        let Some(known) = known.iter().find(|known| name == known.as_str()) else {
            bail!(
                "expected one of the variables {} of recipe {}, found '{}'",
                known.join(", "),
                recipe.name,
                paths::text(name)
            );
        };
        values.insert(known.clone(), value.to_owned());
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
