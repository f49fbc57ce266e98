//! Packets to the station.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// The way to the station.
#[derive(Clone)]
pub(super) struct Station(Arc<Mutex<UnixStream>>);

impl Station {
    /// Over a socket.
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends a packet. A station that is gone is noticed by who reads from it.
    pub(super) fn tell(&self, mut head: Value, parts: &[&[u8]]) {
        head["parts"] = parts.iter().map(|part| part.len()).collect();
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = writeln!(stream, "{head}")
            .and_then(|()| parts.iter().try_for_each(|part| stream.write_all(part)));
        // Nobody is left to tell.
        let _ = sent;
    }
}
