//! What the parts of a station that speak with its hub share.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::keys::Trust;
use crate::config::Hub;
use crate::line::{Line, Switch};
use crate::store::Store;

/// A station at a hub.
pub(super) struct Station {
    pub(super) config: Hub,
    pub(super) trust: Trust,
    pub(super) store: Arc<Store>,
    pub(super) switches: Vec<Arc<Switch>>,
    /// Version of the program.
    pub(super) version: &'static str,
}

impl Station {
    /// All lines, and each recipe of those that have such.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.switches.iter().flat_map(|switch| switch.lines())
    }

    /// The line, or recipe, of a name. That of a line with recipes means the one in use.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn line(&self, name: &str) -> Result<&Arc<Line>> {
        let line = self.switches.iter().find_map(|switch| switch.line(name));
        line.with_context(|| format!("expected a line of this station, found {name:?}"))
    }

    /// The line of a name with all its recipes, whichever is in use.
    ///
    /// # Errors
    /// When there is none; that of a recipe means none.
    pub(super) fn switch(&self, name: &str) -> Result<&Arc<Switch>> {
        let switch = self.switches.iter().find(|switch| switch.name() == name);
        switch.with_context(|| format!("expected a line of this station, found {name:?}"))
    }
}

/// What is wrong with what was asked for: trying again is of no use.
#[derive(Debug)]
pub(super) struct Refused(String);

impl Refused {
    pub(super) fn because(error: &anyhow::Error) -> anyhow::Error {
        Self(format!("{error:#}")).into()
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Who did something at a station by way of the hub.
pub(super) fn by(author: &str) -> String {
    format!("{author}@hub")
}
