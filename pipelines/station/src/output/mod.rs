//! Where results go. An output that takes messages has a queue on disk: a message is removed when it was taken, and not
//! before, but for those that are refused for good, which are set aside, and those beyond a bound, which are counted.
//! So each is sent at least once, in order, whatever ends in between, and has an `id` that ascends and is never used
//! twice: who reads leaves out what is not greater than the last one. OPC UA, a server, keeps the last messages in its
//! queue, where clients find what they missed.

mod format;
mod health;
mod keep;
mod modbus;
mod mqtt;
mod opcua;
mod queue;
mod webhook;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use health::Health;
pub(crate) use keep::{Bounds, KEPT, run as keep_bounds};
pub(crate) use queue::{Queue, secret_of};

use crate::config::Output;
use crate::line::Switch;
use crate::store::Store;

/// Starts an output. It runs until the station ends.
pub(crate) fn start(
    output: &Output,
    health: Arc<Health>,
    store: Arc<Store>,
    switches: Vec<Arc<Switch>>,
    stop: watch::Receiver<bool>,
) -> JoinHandle<()> {
    match output.clone() {
        Output::Mqtt(config) => tokio::spawn(mqtt::run(config, switches, Queue::new(store, health, stop))),
        Output::Webhook(config) => tokio::spawn(webhook::run(config, Queue::new(store, health, stop))),
        Output::Modbus(config) => tokio::spawn(modbus::run(config, health, switches, stop)),
        Output::OpcUa(config) => tokio::spawn(opcua::run(config, health, store, switches, stop)),
    }
}
