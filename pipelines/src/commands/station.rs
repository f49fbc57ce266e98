//! `snarm station`: pages, store and outputs around the pipelines of a line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use snarm_station::{Host, Log};

use super::launch;
use crate::exit::Outcome;
use crate::player;
use crate::recipe;

/// Folder of the demo, below that for caches.
const DEMO: &str = "snarm/station-demo";

/// Runs one or more lines with pages for the people beside them.
///
/// Each line is a pipeline in a process of its own, which is started again when it fails. Pages, API and live picture are
/// served on one port; results are kept in an SQLite database and go to the outputs that the configuration names.
///
/// INT, TERM and HUP (unless it is ignored, as with nohup) end all pipelines properly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration, TOML (docs/station.md)
    #[arg(required_unless_present = "demo", conflicts_with = "demo")]
    config: Option<PathBuf>,
    /// Learn and inspect a simulated line, without a configuration, for this machine alone
    #[arg(long)]
    demo: bool,
    /// With --demo: folder for what it makes [default: snarm/station-demo in the folder for caches]
    #[arg(long, requires = "demo")]
    data: Option<PathBuf>,
    /// With --demo: port of the pages; 0 takes a free one
    #[arg(long, requires = "demo", default_value_t = 8470)]
    port: u16,
}

/// Runs the command.
pub(crate) fn run(args: &Args, log: &Log) -> Result<Outcome> {
    let host = Host {
        command: std::env::current_exe().context("cannot find myself")?,
        player: player::path()?,
        words: Box::new(words),
        version: env!("CARGO_PKG_VERSION"),
        log: log.clone(),
    };
    match &args.config {
        Some(config) => snarm_station::run(config, host)?,
        None => snarm_station::run_demo(&demo_folder(args)?, args.port, host)?,
    }
    Ok(Outcome::Done)
}

fn demo_folder(args: &Args) -> Result<PathBuf> {
    if let Some(folder) = &args.data {
        return std::path::absolute(folder).with_context(|| format!("cannot find {}", folder.display()));
    }
    let named = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Ok(caches.context("--data: expected a folder, since neither XDG_CACHE_HOME nor HOME is set")?.join(DEMO))
}

/// The words of a recipe with its variables, among them those of the station that it has; or of a launch line.
fn words(
    pipeline: &str,
    variables: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let given = [OsString::from(pipeline)];
    if launch::is_pipeline(&given) {
        return Ok(vec![pipeline.to_owned()]);
    }
    let known = recipe::find(pipeline)?.variables();
    let own = own
        .iter()
        .filter(|(name, _)| known.iter().any(|(known, _)| known == *name) && !variables.contains_key(*name));
    let all = variables.iter().chain(own).map(|(name, value)| format!("{name}={value}").into());
    let words = launch::words(&given.into_iter().chain(all).collect::<Vec<_>>())?;
    // Text in, text out.
    Ok(words.iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_take_the_stations_variables_that_they_have_and_lines_are_taken_as_they_are() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let own = map(&[("bank", "b.bank"), ("results", "-"), ("sink", "fakesink")]);
        let made = words("inspect", &map(&[("source", "videotestsrc")]), &own).unwrap().join(" ");
        assert!(made.contains("bank-location=b.bank") && made.ends_with("fakesink"), "{made}");
        let made = words("inspect", &map(&[("source", "a"), ("sink", "autovideosink")]), &own).unwrap();
        assert_eq!(made.last().unwrap(), "autovideosink");
        let line = "videotestsrc ! snarmdetect ! fakesink";
        assert_eq!(words(line, &map(&[]), &own).unwrap(), [line]);
        let text = format!("{:#}", words("inspekt", &map(&[]), &own).unwrap_err());
        assert!(text.contains("expected one of") && text.contains("inspekt"), "{text}");
    }
}
