//! What the command prints. A reader who closes the pipe early is no failure; `main` sees to that. What files and folders
//! call themselves does not steer the terminal.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Context, Result};
use snarm_core::printable_lines;

/// What an error of standard output says first.
pub(crate) const UNWRITABLE: &str = "cannot write to standard output";

/// Prints one line on standard output.
pub(crate) fn line(text: impl Display) -> Result<()> {
    writeln!(io::stdout().lock(), "{}", printable_lines(&text.to_string())).context(UNWRITABLE)
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
