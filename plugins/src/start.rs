//! What every element that computes does when it starts: the process may not be able to.

use std::io;
use std::sync::Mutex;
use std::thread::Builder;

use gst::prelude::*;

use crate::{error, lock, log};

/// Threads that a stream needs beside the compute pool: its own, and the one of GLib. GStreamer waits for ever for a stream
/// that has none.
const SPARE: usize = 2;

/// Listens to the core, takes what the environment says and starts the compute pool, so that a process that may not have
/// its threads or has a variable without sense hears of it before the first frame.
pub(crate) fn prepare(element: &impl IsA<gst::Element>) -> Result<(), gst::ErrorMessage> {
    log::forward();
    let failed = |failed: snarm_core::Error| error::message(&failed);
    for remark in snarm_core::environment::take(|name| std::env::var_os(name)).map_err(failed)? {
        gst::element_warning!(element, gst::ResourceError::Settings, ("{remark}"));
    }
    snarm_core::threads::pool().map_err(|refused| failed(refused.into()))?;
    spare_threads().map_err(|refused| {
        gst::error_msg!(
            gst::CoreError::Thread,
            ("threads: expected {SPARE} for the stream beside the pool, found the system to refuse one: {refused}")
        )
    })
}

/// Finds out whether the stream can have its threads.
fn spare_threads() -> io::Result<()> {
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let closed = lock(&gate);
        let started = (0..SPARE).try_for_each(|_| {
            let spare = Builder::new().name("snarm-spare".into());
            spare.spawn_scoped(scope, || drop(lock(&gate))).map(drop)
        });
        drop(closed);
        started
    })
}
