//! What the handlers share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use tokio::sync::Semaphore;

use crate::hub::Window;
use crate::line::{Lamp, Light, Line, Switch};
use crate::log::Log;
use crate::output::Health;
use crate::requests::Requests;
use crate::store::{Store, Tally};
use crate::tries::Tries;

/// Streams of events and pictures at the same time.
const STREAMS: usize = 64;

/// Passwords that are checked at the same time: each takes 19 MiB.
const CHECKS: usize = 2;

/// Free space below which the lamp of the disk warns, in bytes.
const LITTLE_SPACE: u64 = 5 << 30;

/// Free space below which it is red, in bytes.
const NO_SPACE: u64 = 500 << 20;

/// How people come in.
pub(crate) struct Entry {
    /// Whether everybody may look.
    pub(crate) open_viewing: bool,
    /// Whether the code signs in, as in the demo, instead of making the first admin.
    pub(crate) is_demo: bool,
    /// Whether they come by TLS.
    pub(crate) is_tls: bool,
    /// The code of the first start.
    pub(crate) code: Option<String>,
}

/// The state of the web server.
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) switches: Vec<Arc<Switch>>,
    pub(crate) outputs: Vec<Arc<Health>>,
    /// The view of the hub of many stations, where there is one.
    pub(crate) hub: Option<Arc<Window>>,
    /// Whether everybody may look.
    pub(crate) open_viewing: bool,
    /// Whether the code signs in, as in the demo, instead of making the first admin.
    pub(crate) is_demo: bool,
    /// Whether people come by TLS, and cookies go no other way.
    pub(crate) is_tls: bool,
    pub(crate) version: &'static str,
    pub(crate) log: Log,
    pub(crate) started: Instant,
    pub(crate) tries: Tries,
    pub(crate) requests: Requests,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) checks: Semaphore,
    code: Mutex<Option<String>>,
}

impl App {
    pub(crate) fn new(
        store: Arc<Store>,
        switches: Vec<Arc<Switch>>,
        outputs: Vec<Arc<Health>>,
        hub: Option<Arc<Window>>,
        entry: Entry,
        version: &'static str,
        log: Log,
    ) -> Self {
        Self {
            store,
            switches,
            outputs,
            hub,
            open_viewing: entry.open_viewing,
            is_demo: entry.is_demo,
            is_tls: entry.is_tls,
            version,
            log,
            started: Instant::now(),
            tries: Tries::default(),
            requests: Requests::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            checks: Semaphore::new(CHECKS),
            code: Mutex::new(entry.code),
        }
    }

    /// What is in use on each line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.switches.iter().map(|switch| switch.now())
    }

    /// The line of a name, or the line with a recipe of that name.
    pub(crate) fn switch(&self, name: &str) -> Option<&Arc<Switch>> {
        self.switches.iter().find(|switch| switch.line(name).is_some())
    }

    /// What is in use on the line of a name, or the recipe of that name.
    pub(crate) fn line(&self, name: &str) -> Option<&Arc<Line>> {
        self.switches.iter().find_map(|switch| switch.line(name))
    }

    /// How many messages wait, for each of the outputs.
    pub(crate) async fn waiting(&self) -> Result<Vec<u64>> {
        let outputs = self.outputs.clone();
        let count = move |store: &Store| {
            outputs.iter().map(|output| store.waiting_count(output.name(), output.offered())).collect()
        };
        self.store.ask(count).await
    }

    /// How many messages nobody took and nobody will, for each of the outputs.
    pub(crate) async fn tallies(&self) -> Result<Vec<Tally>> {
        let outputs = self.outputs.clone();
        let count = move |store: &Store| outputs.iter().map(|output| store.tally(output.name())).collect();
        self.store.ask(count).await
    }

    /// The code of the first start, while it holds.
    pub(crate) fn code(&self) -> Option<String> {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The code was used, and holds no longer.
    pub(crate) fn spend_code(&self) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lamps of the station: outputs and disk.
    pub(crate) fn lamps(&self) -> Vec<Lamp> {
        let failing: Vec<String> = self
            .outputs
            .iter()
            .filter_map(|output| Some(format!("{}: {}", output.name(), output.failure()?)))
            .collect();
        let outputs = match (self.outputs.is_empty(), failing.is_empty()) {
            (true, _) => Lamp { name: "outputs", light: Light::Off, text: "none is configured".to_owned() },
            (false, true) => Lamp {
                name: "outputs",
                light: Light::Good,
                text: format!("{} connected", self.outputs.len()),
            },
            (false, false) => Lamp { name: "outputs", light: Light::Bad, text: failing.join("; ") },
        };
        vec![outputs, self.disk()]
    }

    fn disk(&self) -> Lamp {
        let lamp = |light, text| Lamp { name: "disk", light, text };
        let Ok(disk) = rustix::fs::statvfs(self.store.folder()) else {
            return lamp(Light::Off, "its free space is not known".to_owned());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let light = match free {
            free if free < NO_SPACE => Light::Bad,
            free if free < LITTLE_SPACE => Light::Warning,
            _ => Light::Good,
        };
        lamp(light, format!("{:.1} GB free", free as f64 / 1e9))
    }
}
