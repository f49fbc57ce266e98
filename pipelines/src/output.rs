//! What the command prints. A reader of it who leaves early is no failure, and changes nothing of what a command does or ends
//! with. What files and folders call themselves does not steer the terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, StdoutLock, Write};

use anyhow::{Context, Result};
use snarm_core::printable_lines;

/// What an error of standard output says first.
const UNWRITABLE: &str = "cannot write to standard output";

/// Prints one line on standard output, where it is still read.
pub(crate) fn line(text: impl Display) -> Result<()> {
    Standard::new().line(printable_lines(&text.to_string()))
}

/// Standard output, and whether its reader has left.
pub(crate) struct Standard {
    out: StdoutLock<'static>,
    is_left: bool,
}

impl Standard {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout().lock(), is_left: false }
    }

    /// Prints one line as it is, where it is still read.
    pub(crate) fn line(&mut self, text: impl Display) -> Result<()> {
        match writeln!(self, "{text}") {
            Err(_) if self.is_left => Ok(()),
            written => written.context(UNWRITABLE),
        }
    }

    /// Whether a write found that nobody reads any more.
    pub(crate) fn is_left(&self) -> bool {
        self.is_left
    }

    fn notice<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        self.is_left |= written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.notice(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.out.flush();
        self.notice(written)
    }
}

/// Prints one line on standard error.
pub(crate) fn complain(text: impl Display) {
    // There is nowhere left to report that this failed.
    let _ = writeln!(io::stderr().lock(), "snarm: {}", printable_lines(&text.to_string()));
}

/// Columns of text under a header, the first one flush left, the others flush right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|&h| h.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) -> Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells =
                row.iter().zip(&widths).enumerate().map(|(i, (cell, &w))| {
                    if i == 0 { format!("{cell:<w$}") } else { format!("{cell:>w$}") }
                });
            line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}
