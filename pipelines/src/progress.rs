//! Progress of long work, on standard error, and only when that is a terminal.

use std::borrow::Cow;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use snarm_core::printable;

/// A bar, or a counter where the end is not known. Gone when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Starts with `what` as the label.
    pub(crate) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let progress = Self { bar };
        progress.expect(None);
        progress
    }

    /// Sets the number of steps to come, when it is known.
    pub(crate) fn expect(&self, steps: Option<usize>) {
        let template = match steps {
            Some(_) => "{msg:>12} {bar:32} {pos}/{len}, {eta} left",
            None => "{msg:>12} {pos} {spinner} {elapsed}",
        };
        self.bar.reset();
        if let Some(steps) = steps {
            self.bar.set_length(steps as u64);
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
        self.bar.reset();
        if let Some(all) = all {
            self.bar.set_length(all);
        }
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
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
    }

    /// So many steps done of so many.
    pub(crate) fn at(&self, done: usize, all: usize) {
        if self.bar.length() != Some(all as u64) {
            self.expect(Some(all));
        }
        self.bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
