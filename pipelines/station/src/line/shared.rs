//! A line as everybody sees it: its state, its orders, its live picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};

use super::child::Order;
use super::compare::Bench;
use super::learn::Desk;
use super::lost::Lost;
use super::parts::Parts;
use super::state::{PartsNow, Snapshot, State};
use crate::clock;
use crate::config::{self, Keep, Product, Recipe, What};
use crate::host::Host;
use crate::store::{Frame, Part, Store, Waiting, may_pass};

/// An output that wants messages of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reader {
    /// Name of the output.
    pub(crate) output: String,
    /// What it wants.
    pub(crate) what: What,
}

/// The right to open the source of a line, which its products share.
pub(crate) type Source = Arc<tokio::sync::Mutex<()>>;

/// A line, or one of the recipes of a line, which is as a line of its own to all but those who look from outside.
pub(crate) struct Line {
    pub(crate) config: config::Line,
    /// Name of the line that it is a recipe of; its own where it is none.
    at: String,
    recipe: Option<(Recipe, u16)>,
    pub(crate) keep: Keep,
    /// Folder for the clips of the simulated line, where it is one.
    pub(crate) simulated: Option<PathBuf>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) store: Arc<Store>,
    pub(crate) host: Arc<Host>,
    state: Mutex<State>,
    parts: Mutex<Parts>,
    /// Held while parts are written, so that they are in their order.
    writing: Mutex<()>,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
    desk: Mutex<Desk>,
    bench: Mutex<Bench>,
    /// Told when there is something to do for a line that waits.
    pub(super) wake: Notify,
    /// The last live picture.
    pub(super) live: watch::Sender<Arc<Vec<u8>>>,
    /// Digest of the bank that the pipeline has loaded last; or why it did not.
    pub(super) loaded: watch::Sender<std::result::Result<String, String>>,
    /// Held by who has the source open: the pipeline of one of the products of the line, or a test.
    pub(super) source: Source,
    /// Held while a bank is made.
    pub(super) making: tokio::sync::Mutex<()>,
    /// Held while two banks are compared. None is made meanwhile, as both take the processor; a bank may be released and taken
    /// back, which waits for nobody.
    pub(super) comparing: tokio::sync::Mutex<()>,
    /// Held while it is looked up what a find is like.
    pub(super) looking: tokio::sync::Mutex<()>,
}

/// Parts that were taken to be stored. Those that are not when this is dropped are lost, whatever the reason, and counted.
pub(super) struct Taken<'a> {
    pub(super) line: &'a Line,
    pub(super) parts: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.line.lose(&Lost { parts: self.parts, ..Lost::default() });
    }
}

impl Line {
    /// `source` is the same for all products of a line.
    pub(crate) fn new(
        product: Product,
        source: Source,
        keep: Keep,
        simulated: Option<PathBuf>,
        readers: Vec<Reader>,
        store: Arc<Store>,
        host: Arc<Host>,
    ) -> Self {
        Self {
            config: product.line,
            at: product.at,
            recipe: product.recipe,
            keep,
            simulated,
            readers,
            store,
            host,
            state: Mutex::default(),
            parts: Mutex::default(),
            writing: Mutex::default(),
            orders: Mutex::default(),
            desk: Mutex::default(),
            bench: Mutex::default(),
            wake: Notify::new(),
            live: watch::Sender::default(),
            loaded: watch::Sender::new(Ok(String::new())),
            source,
            making: tokio::sync::Mutex::default(),
            comparing: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// Its name, under which banks, limits and finds are kept.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Name of the line that it is a recipe of; its own where it is none.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// Name of the recipe that it is.
    pub(crate) fn recipe(&self) -> Option<&str> {
        self.recipe.as_ref().map(|(recipe, _)| recipe.name.as_str())
    }

    /// Name of the recipe on pages, and the codes that choose it.
    pub(crate) fn recipe_shown(&self) -> Option<(&str, &[String])> {
        self.recipe.as_ref().map(|(recipe, _)| (recipe.shown(), recipe.codes.as_slice()))
    }

    /// Names of the outputs that its results go to; none said means all.
    pub(crate) fn recipe_outputs(&self) -> Option<&[String]> {
        self.recipe.as_ref().and_then(|(recipe, _)| recipe.outputs.as_deref())
    }

    /// Number of the recipe that it is; 0 where it is none.
    pub(crate) fn recipe_number(&self) -> u16 {
        self.recipe.as_ref().map_or(0, |(_, number)| *number)
    }

    /// Whether it is a recipe that a code means.
    pub(super) fn is_meant_by(&self, code: &str) -> bool {
        self.recipe.as_ref().is_some_and(|(recipe, _)| recipe.is_meant_by(code))
    }

    /// Whether its parts begin by messages.
    pub(crate) fn begins_parts_by_messages(&self) -> bool {
        self.config.parts == Some(config::Parts::Message)
    }

    /// What is known of it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of learning.
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of comparisons.
    pub(super) fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its parts.
    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads which parts there were, and what the shift has.
    pub(super) fn load(&self) -> Result<()> {
        let stored = self.store.parts(self.name(), 2)?;
        *self.parts() = Parts::new(self.config.parts, stored);
        let shift = self.store.shift(self.name())?;
        self.state().shift = shift;
        Ok(())
    }

    /// Ends the part whose frames come now, as another product follows.
    ///
    /// # Errors
    /// When it cannot be stored, now or later.
    pub(super) fn end_part(&self) -> Result<()> {
        self.parts().end(clock::now());
        self.store_parts()
    }

    /// Takes a message that a part, or a lot, begins. It is stored when this returns, or waits for that.
    ///
    /// # Errors
    /// As [`Parts::hear`], and when it cannot be stored, now or later.
    pub(crate) fn begin_part(&self, part: Option<String>, lot: Option<String>) -> Result<()> {
        self.parts().hear(part, lot, clock::now())?;
        self.store_parts()
    }

    /// A trigger: a part begins that has no name. It is stored when this returns, or waits for that.
    ///
    /// # Errors
    /// As [`Parts::begin_unnamed`], and when it cannot be stored, now or later.
    pub(crate) fn begin_unnamed_part(&self) -> Result<()> {
        self.parts().begin_unnamed(clock::now())?;
        self.store_parts()
    }

    /// Stores the parts that have changed. Those that cannot be stored at this moment wait: who began one is not told of a
    /// failure, or would begin it again.
    fn store_parts(&self) -> Result<()> {
        match self.store_frames(&[], &[]) {
            Err(error) if may_pass(&error) => {
                self.say_stored(Err(error));
                Ok(())
            }
            stored => stored,
        }
    }

    /// Stores frames, the parts that have changed, and what is to be sent of both.
    ///
    /// # Errors
    /// When nothing of it could be stored; the parts wait for the next time, where another try may help.
    pub(super) fn store_frames(&self, frames: &[Frame], to_send: &[Waiting]) -> Result<()> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = self.parts().take();
        let mut taken = Taken { line: self, parts: parts.len() as u64 };
        if frames.is_empty() && parts.is_empty() && to_send.is_empty() {
            return Ok(());
        }
        let mut to_send = to_send.to_vec();
        let ended: Vec<&Part> = parts.iter().filter(|part| part.ended.is_some()).collect();
        let by = self.state().last().map(|last| (last.bank_id.clone(), last.threshold, last.threshold_low));
        for part in &ended {
            let mut payload = serde_json::to_value(part)?;
            // A find is often stored after the part has ended, and has a message of its own.
            payload.as_object_mut().map(|fields| fields.remove("find"));
            self.sign(&mut payload, part.ended.unwrap_or_default());
            if let Some((bank, threshold, low)) = &by {
                payload["bank-id"] = json!(bank);
                payload["threshold"] = json!(threshold);
                payload["threshold-low"] = json!(low);
            }
            to_send.extend(self.messages(What::Parts, "part", &payload));
        }
        if let Err(error) = self.store.add_frames(self.name(), frames, &parts, &to_send) {
            if may_pass(&error) {
                taken.parts = self.parts().give_back(parts);
            }
            return Err(error);
        }
        taken.parts = 0;
        let mut state = self.state();
        for part in ended {
            state.shift.parts += 1;
            state.shift.bad_parts += u64::from(part.verdict == "anomalous");
        }
        Ok(())
    }

    /// Says of the parts that are shown which find shows each of them worst.
    pub(super) fn name_finds(&self) -> Result<()> {
        let shown = self.parts().shown();
        for number in shown {
            let find = self.store.part(self.name(), number)?.and_then(|part| part.find);
            self.parts().name_find(number, find);
        }
        Ok(())
    }

    /// What waited is stored, or is not. A change is told in the log.
    pub(super) fn say_stored(&self, stored: Result<()>) {
        let reason = stored.err().map(|error| format!("{error:#}"));
        let mut state = self.state();
        match (&state.unstored, &reason) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::error!("{}: what was judged waits in memory: {reason}", self.name());
            }
            (Some(_), None) => tracing::info!("{}: what waited is stored", self.name()),
            _ => {}
        }
        state.unstored = reason;
    }

    /// Something is lost, as it could not be stored.
    pub(super) fn lose(&self, lost: &Lost) {
        if lost.sum() == 0 {
            return;
        }
        let (all, losses) = {
            let mut state = self.state();
            state.lost.add(lost);
            (state.lost, state.losses.clone())
        };
        losses.warn(format!("{}: lost so far, as it could not be stored: {all}", self.name()));
    }

    /// Says in a message which line it is of, by which recipe, and when.
    pub(super) fn sign(&self, payload: &mut Value, time: i64) {
        payload["line"] = json!(self.at());
        payload["time"] = json!(time);
        if let Some(recipe) = self.recipe() {
            payload["recipe"] = json!(recipe);
        }
    }

    /// A message for each output that wants such.
    pub(super) fn messages(&self, what: What, kind: &str, payload: &Value) -> Vec<Waiting> {
        let (topic, payload) = (format!("{}/{kind}", self.at()), payload.to_string());
        let wanted = self.readers.iter().filter(|reader| reader.what == what);
        let message = |reader: &Reader| Waiting {
            output: reader.output.clone(),
            topic: topic.clone(),
            payload: payload.clone(),
        };
        wanted.map(message).collect()
    }

    /// What the page shows, with the scores after a number.
    pub(crate) fn snapshot(&self, after: u64) -> Snapshot {
        let parts = self.parts();
        let now =
            parts.are_told().then(|| PartsNow { last: parts.last().cloned(), open: parts.open().cloned() });
        drop(parts);
        let recipe = self.recipe_shown().map_or_else(String::new, |(title, _)| title.to_owned());
        Snapshot { parts: now, recipe, ..self.state().snapshot(self.name(), self.config.shown(), after) }
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
