//! Which bank is wanted next, and the thread that looks after it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::JoinHandle;

use crate::lock;

/// What is to be loaded and who loads it.
#[derive(Default)]
pub(super) struct Loader {
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Between start and stop.
    pub(super) running: bool,
    /// The latest wish; those before it that nobody began are forgotten.
    pub(super) wanted: Option<PathBuf>,
    /// Whether a thread looks after the wishes.
    pub(super) looked_after: bool,
    /// The last generation given out.
    pub(super) generation: u32,
    pub(super) thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Wishes are heard from here on; the first bank, generation 0, is loaded.
    pub(super) fn start(&self) {
        *lock(&self.state) = State { running: true, ..State::default() };
    }

    /// Whether there is a bank that another one can replace.
    pub(super) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    /// Waits for the load in progress; its bank is not used.
    pub(super) fn stop(&self) {
        let thread = {
            let mut state = lock(&self.state);
            state.running = false;
            state.wanted = None;
            state.thread.take()
        };
        // Told of a bank by the thread itself, an application may stop the element from there.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic has been printed; the old bank went on.
            let _ = thread.join();
        }
    }

    /// The next wish, or the end of looking after them.
    pub(super) fn next(&self) -> Option<PathBuf> {
        let mut state = lock(&self.state);
        let wanted = state.wanted.take();
        state.looked_after = wanted.is_some();
        wanted
    }
}
