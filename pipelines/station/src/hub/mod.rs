//! A station at a hub of many, which is one NATS server with JetStream or three. The station dials out. Without the hub it
//! works as always: what is to be sent waits on the disk, and what is asked of it comes later.

mod actual;
mod admin;
mod commands;
mod desired;
mod keys;
mod link;
mod objects;
mod places;
mod results;
mod shared;
mod simulate;
mod streams;
mod window;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::sync::watch;

pub use admin::{Asked, Limits, Person, Wish, make_key};
pub(crate) use commands::role;
pub(crate) use keys::{Signed, Trust};
pub use objects::Kind;
pub use simulate::{Measured, Simulation};
pub(crate) use window::{Seen, Window};

use crate::config::Hub;
use crate::line::Switch;
use crate::output::{Health, Queue};
use crate::store::Store;
use link::Link;
use results::Sender;
use shared::Station;

#[cfg(test)]
mod tests;

/// Speaks with the hub until the station ends.
pub(crate) async fn run(
    config: Hub,
    trust: Trust,
    health: Arc<Health>,
    store: Arc<Store>,
    switches: Vec<Arc<Switch>>,
    version: &'static str,
    window: Arc<Window>,
    stop: watch::Receiver<bool>,
) {
    let mut queue = Queue::new(Arc::clone(&store), Arc::clone(&health), stop.clone());
    let station = Arc::new(Station { config, trust, store: Arc::clone(&store), switches, version });
    if let Err(error) = commands::end_all(&station).await {
        tracing::error!("hub: {error:#}");
    }
    while !queue.is_over() {
        let spoken = tokio::select! {
            spoken = speak(&station, &window, Queue::new(Arc::clone(&store), Arc::clone(&health), stop.clone())) => spoken,
            () = queue.over() => return,
        };
        if let Err(error) = spoken {
            queue.failed(&error).await;
        }
    }
}

/// Speaks with the hub until something fails that dialling again does not mend.
async fn speak(station: &Arc<Station>, window: &Window, queue: Queue) -> Result<()> {
    let store = station.store.ask(|store| store.store_name()).await?;
    let link = Link::dial(&station.config).await?;
    window.open(link.clone());
    let sender = Sender { station: station.config.name.clone(), store };
    let sent = async {
        results::run(&link, &sender, queue).await;
        Ok(())
    };
    let told = async {
        actual::run(&link, station).await;
        Ok(())
    };
    tokio::try_join!(sent, told, desired::run(&link, station), commands::run(&link, station))
        .context("hub")
        .map(drop)
}
