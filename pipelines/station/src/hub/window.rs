//! What pages see of a hub.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use serde_json::Value;

use super::actual;
use super::link::Link;

/// A view of the hub, while there is a connection.
#[derive(Default)]
pub(crate) struct Window(Mutex<Option<Link>>);

impl Window {
    pub(super) fn open(&self, link: Link) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
    }

    /// What all lines of all stations are, as they told last.
    ///
    /// # Errors
    /// When the hub is away, or does not say.
    pub(crate) async fn states(&self) -> Result<Vec<Value>> {
        let link = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match link.filter(Link::is_up) {
            Some(link) => actual::all(&link.jetstream).await,
            None => bail!("the hub is away"),
        }
    }
}
