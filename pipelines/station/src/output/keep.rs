//! What waits is bounded: so many messages of each output, and those of outputs that the configuration has no more for
//! so long. What is removed is counted, and told in the log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;

use crate::clock;
use crate::store::Store;

/// Time between two looks.
const TICK: Duration = Duration::from_secs(60);

/// Looks between two at outputs that the configuration has no more.
const GONE: u32 = 60;

/// How long messages of an output that the configuration has no more are kept, in milliseconds.
pub(crate) const KEPT: i64 = 30 * 24 * 60 * 60 * 1000;

/// What is bounded.
pub(crate) struct Bounds {
    /// Outputs that messages are sent to, which have at most `most` that wait.
    pub(crate) sent_to: Vec<String>,
    /// All outputs of the configuration.
    pub(crate) known: Vec<String>,
    /// Most messages that wait, of each output.
    pub(crate) most: u64,
}

impl Bounds {
    fn hold(&self, store: &Store) -> Result<()> {
        for output in &self.sent_to {
            let lost = store.cap_messages(output, self.most)?;
            if lost > 0 {
                tracing::error!(
                    "output {output}: {lost} messages are lost, as more than {} waited",
                    self.most
                );
            }
        }
        Ok(())
    }

    fn sort_out(&self, store: &Store) -> Result<()> {
        for (output, messages) in store.sort_out(&self.known, clock::now() - KEPT)? {
            tracing::warn!(
                "output {output}: {messages} messages are removed, as the configuration has it no more"
            );
        }
        Ok(())
    }
}

/// Holds the bounds until the station ends.
pub(crate) async fn run(bounds: Bounds, store: Arc<Store>, mut stop: watch::Receiver<bool>) {
    let (bounds, mut looks) = (Arc::new(bounds), 0_u32);
    while !*stop.borrow() {
        let (now, is_time) = (Arc::clone(&bounds), looks.is_multiple_of(GONE));
        looks = looks.wrapping_add(1);
        let held = store.ask(move |store| {
            if is_time {
                now.sort_out(store)?;
            }
            now.hold(store)
        });
        if let Err(error) = held.await {
            tracing::error!("{error:#}");
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            // Without a sender the station has ended.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}
