//! A line as everybody sees it: its state, its orders, its live picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, watch};

use super::child::Order;
use super::state::State;
use crate::config::{self, Keep, What};
use crate::host::Host;
use crate::store::Store;

/// An output that wants messages of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Name of the output.
    pub(crate) output: String,
    /// What it wants.
    pub(crate) what: What,
}

/// A line.
pub(crate) struct Line {
    pub(crate) config: config::Line,
    pub(crate) keep: Keep,
    /// Folder for the clips of the simulated line, where it is one.
    pub(crate) simulated: Option<PathBuf>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) store: Arc<Store>,
    pub(crate) host: Arc<Host>,
    state: Mutex<State>,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    /// The last live picture.
    pub(super) live: watch::Sender<Arc<Vec<u8>>>,
    /// Digest of the bank that the pipeline has loaded last; or why it did not.
    pub(super) loaded: watch::Sender<std::result::Result<String, String>>,
    /// Held while a bank is made.
    pub(super) making: tokio::sync::Mutex<()>,
    /// Held while it is looked up what a find is like.
    pub(super) looking: tokio::sync::Mutex<()>,
}

impl Line {
    pub(crate) fn new(
        config: config::Line,
        keep: Keep,
        simulated: Option<PathBuf>,
        readers: Vec<Reader>,
        store: Arc<Store>,
        host: Arc<Host>,
    ) -> Self {
        Self {
            config,
            keep,
            simulated,
            readers,
            store,
            host,
            state: Mutex::default(),
            orders: Mutex::default(),
            live: watch::Sender::default(),
            loaded: watch::Sender::new(Ok(String::new())),
            making: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// What is known of it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its live pictures, from the next one on; the pipeline makes them while somebody has such a receiver.
    pub(crate) fn look_on(&self) -> watch::Receiver<Arc<Vec<u8>>> {
        self.live.subscribe()
    }

    /// Takes the way to a pipeline that has begun, or forgets it.
    pub(super) fn connect(&self, orders: Option<mpsc::Sender<Order>>) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = orders;
    }

    /// Tells the pipeline something. False where none runs.
    pub(super) async fn order(&self, order: Order) -> bool {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match orders {
            Some(orders) => orders.send(order).await.is_ok(),
            None => false,
        }
    }

    /// Asks the store, away from the threads that serve.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let line = Arc::clone(self);
        tokio::task::spawn_blocking(move || ask(&line)).await.context("a task of the station failed")?
    }
}
