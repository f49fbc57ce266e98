//! How an output is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::config::Hub;

/// How an output is.
#[derive(Debug)]
pub(crate) struct Health {
    name: String,
    kind: &'static str,
    takes_messages: bool,
    failure: Mutex<Option<String>>,
    offered: AtomicI64,
}

impl Health {
    /// Of an output that has not begun yet.
    pub(crate) fn new(name: &str, kind: &'static str, takes_messages: bool) -> Self {
        let failure = Mutex::new(Some("not connected yet".to_owned()));
        Self { name: name.to_owned(), kind, takes_messages, failure, offered: AtomicI64::new(0) }
    }

    /// Of the hub, which has not been reached yet.
    pub(crate) fn of_hub() -> Self {
        Self::new(Hub::OUTPUT, "hub", false)
    }

    /// Name of the output.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it is, as the configuration calls it.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether any message may be sent to it, others than results too.
    pub(crate) fn takes_messages(&self) -> bool {
        self.takes_messages
    }

    /// Why it takes nothing, where it does not.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Number of the last message that whoever asks may have: such are kept, and wait for nothing.
    pub(crate) fn offered(&self) -> i64 {
        self.offered.load(Ordering::Relaxed)
    }

    /// Messages up to a number may be had.
    pub(super) fn offer(&self, up_to: i64) {
        self.offered.store(up_to, Ordering::Relaxed);
    }

    /// It works, or does not. A change is told in the log.
    pub(crate) fn set(&self, failure: Option<String>) {
        let mut now = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != failure {
            match &failure {
                Some(reason) => tracing::warn!("output {}: {reason}", self.name),
                None => tracing::info!("output {}: works", self.name),
            }
        }
        *now = failure;
    }
}
