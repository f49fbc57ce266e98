//! What the station is given by the program it is a part of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;

use crate::log::Log;

/// Makes the words of a launch line: of a recipe and its variables, or of a line of one's own. The second map has variables
/// that are the station's, of which a recipe takes those that it has.
pub type Words =
    dyn Fn(&str, &BTreeMap<String, String>, &BTreeMap<String, String>) -> Result<Vec<String>> + Send + Sync;

/// Programs to run, and how pipelines are written.
pub struct Host {
    /// The `snarm` command.
    pub command: PathBuf,
    /// The program that runs pipelines.
    pub player: PathBuf,
    /// How pipelines are written.
    pub words: Box<Words>,
    /// Version to show.
    pub version: &'static str,
    /// The log, to show its last lines.
    pub log: Log,
}
