//! Progress of long work, on standard error: a bar on a terminal, else a line now and then.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use snarm_core::printable;

use crate::output;

/// Time between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(10);

/// A bar, or a counter where the end is not known. Gone when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// When the last line was written; none on a terminal.
    told: Option<Mutex<Instant>>,
}

impl Progress {
    /// Starts with `what` as the label.
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        let told = (!std::io::stderr().is_terminal()).then(|| Mutex::new(Instant::now()));
        if told.is_some() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let progress = Self { bar, told };
        progress.expect(None);
        progress
    }

    /// Sets the number of steps to come, when it is known.
    pub(crate) fn expect(&self, steps: Option<usize>) {
        let template = match steps {
            Some(_) => "{msg:>12} {bar:32} {percent} %, {pos}/{len}, {eta} left",
            None => "{msg:>12} {pos} {spinner} {elapsed}",
        };
        self.restart(steps.map(|steps| steps as u64), template);
    }

    /// Begins to count anew, up to a number where it is known.
    fn restart(&self, length: Option<u64>, template: &str) {
        self.bar.reset();
        match length {
            Some(length) => self.bar.set_length(length),
            None => self.bar.unset_length(),
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// Sets the number of bytes to come and those that are there already.
    pub(crate) fn expect_bytes(&self, done: u64, all: Option<u64>) {
        let template = match all {
            Some(_) => "{msg:>12} {bar:32} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{msg:>12} {bytes} {spinner} {bytes_per_sec}",
        };
        self.restart(all, template);
        // What lay there before does not count as speed.
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// So many bytes more.
    pub(crate) fn add_bytes(&self, n: u64) {
        self.bar.inc(n);
    }

    /// Changes the label.
    pub(crate) fn label(&self, what: impl Into<Cow<'static, str>>) {
        let what: Cow<'static, str> = what.into();
        self.bar.set_message(printable(&what).into_owned());
    }

    /// One step done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
        self.tell();
    }

    /// So many steps done of so many.
    pub(crate) fn at(&self, done: usize, all: usize) {
        if self.bar.length() != Some(all as u64) {
            self.expect(Some(all));
        }
        self.bar.set_position(done as u64);
        self.tell();
    }

    /// A frame of a clip done, at that time of so much in all, in nanoseconds; the length may be unknown.
    pub(crate) fn clip(&self, time: u64, length: Option<u64>) {
        let Some(length) = length.map(|length| length / 1_000_000).filter(|length| *length > 0) else {
            return self.step();
        };
        if self.bar.length() != Some(length) {
            self.restart(Some(length), "{msg:>12} {bar:32} {percent} % of the clip, {eta} left");
        }
        self.bar.set_position((time / 1_000_000).min(length));
        self.tell();
    }

    /// Writes a line where there is no terminal and the last one is some time ago.
    fn tell(&self) {
        let Some(told) = &self.told else { return };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= INTERVAL {
            *told = Instant::now();
            let state = state(self.bar.position(), self.bar.length(), self.bar.elapsed());
            output::complain(format!("{}: {state}", self.bar.message()));
        }
    }
}

/// How far work is that has taken so long: its share and the time left, or a count where the end is not known.
fn state(done: u64, all: Option<u64>, elapsed: Duration) -> String {
    match all.filter(|&all| all > 0 && done > 0) {
        Some(all) => {
            let share = (done as f64 / all as f64).min(1.0);
            let left = elapsed.as_secs_f64() * (1.0 - share) / share;
            format!("{:.0} %, {} left", 100.0 * share, clock(left))
        }
        None => format!("{done} after {}", clock(elapsed.as_secs_f64())),
    }
}

/// Seconds in words.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_share_and_the_time_left() {
        let elapsed = Duration::from_secs(30);
        assert_eq!(state(25, Some(100), elapsed), "25 %, 1 min 30 s left");
        assert_eq!(state(100, Some(100), elapsed), "100 %, 0 s left");
        assert_eq!(state(7, None, elapsed), "7 after 30 s");
        assert_eq!(state(0, Some(9), elapsed), "0 after 30 s");
        assert_eq!(clock(7322.0), "2 h 2 min");
    }
}
