//! The last lines of the log, for who looks at the station from afar.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock;

/// Lines that are kept.
const KEPT: usize = 300;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LogLine {
    /// When, in milliseconds since 1970.
    at: i64,
    /// Level, place and text.
    text: String,
}

/// The last lines of the log. Each write is one line, as `tracing-subscriber` makes them.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<VecDeque<LogLine>>>);

impl Log {
    /// The lines, the last one first.
    pub(crate) fn last(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(LogLine { at: clock::now(), text });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let log = Log::default();
        for number in 0..KEPT + 5 {
            log.clone().write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        let lines = log.last();
        assert_eq!((lines.len(), lines[0].text.as_str()), (KEPT, format!("{}", KEPT + 4).as_str()));
        assert_eq!(lines[KEPT - 1].text, "5");
    }
}
