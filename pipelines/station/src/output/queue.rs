//! The queue of an output, on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;

use super::health::Health;
use crate::config::LARGEST_BATCH;
use crate::store::{Store, Waiting};

/// Messages that are read at once.
const BATCH: u32 = LARGEST_BATCH;

/// How often an empty queue is looked at.
const TICK: Duration = Duration::from_millis(200);

/// Wait after the first failure; it doubles with each that follows. Tests have no time.
const FIRST_WAIT: Duration = Duration::from_millis(if cfg!(test) { 5 } else { 1_000 });

/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The queue of an output.
pub(crate) struct Queue {
    store: Arc<Store>,
    pub(crate) health: Arc<Health>,
    stop: watch::Receiver<bool>,
    wait: Duration,
}

impl Queue {
    pub(crate) fn new(store: Arc<Store>, health: Arc<Health>, stop: watch::Receiver<bool>) -> Self {
        Self { store, health, stop, wait: FIRST_WAIT }
    }

    /// The messages to send now, with their numbers; none when the station ends.
    pub(crate) async fn next(&mut self) -> Vec<(i64, Waiting)> {
        while !*self.stop.borrow() {
            match self.ask(|store, name| store.waiting(name, BATCH)).await {
                Ok(messages) if !messages.is_empty() => return messages,
                Ok(_) => self.pause(TICK).await,
                Err(error) => self.failed(&error).await,
            }
        }
        Vec::new()
    }

    /// Messages up to a number were taken. It is tried until the store says so: what is not removed would be sent again.
    pub(crate) async fn taken(&mut self, up_to: i64) {
        while let Err(error) = self.ask(move |store, name| store.taken(name, up_to)).await {
            if *self.stop.borrow() {
                return;
            }
            self.failed(&error).await;
        }
        self.wait = FIRST_WAIT;
        self.health.set(None);
    }

    /// A message is refused whenever it is sent: it waits no longer, and the next ones go on. It is tried until the
    /// store says so.
    pub(crate) async fn set_aside(&mut self, id: i64, reason: &str) {
        tracing::error!("output {}: message {id} is set aside: {reason}", self.health.name());
        let reason: Arc<str> = reason.into();
        loop {
            let why = Arc::clone(&reason);
            match self.ask(move |store, name| store.set_aside(name, id, &why)).await {
                Err(error) if !*self.stop.borrow() => self.failed(&error).await,
                _ => break,
            }
        }
        self.wait = FIRST_WAIT;
        self.health.set(None);
    }

    /// Sending failed: waits, longer each time.
    pub(crate) async fn failed(&mut self, reason: &anyhow::Error) {
        self.health.set(Some(format!("{reason:#}")));
        self.pause(self.wait).await;
        self.wait = (2 * self.wait).min(LONGEST_WAIT);
    }

    /// Whether the station ends.
    pub(crate) fn is_over(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits until the station ends.
    pub(crate) async fn over(&self) {
        let mut stop = self.stop.clone();
        // Without a sender the station has ended.
        let _ = stop.wait_for(|stop| *stop).await;
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.over() => {}
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Store, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (store, health) = (Arc::clone(&self.store), Arc::clone(&self.health));
        tokio::task::spawn_blocking(move || ask(&store, health.name()))
            .await
            .context("a task of the station failed")?
    }
}

/// The first line of a file that holds a secret.
pub(crate) fn secret_of(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let first = text.lines().next().map(str::trim).filter(|line| !line.is_empty());
    first
        .map(str::to_owned)
        .with_context(|| format!("expected a secret as the first line of {}", file.display()))
}
