//! What reading a file may cost: memory and work that grow with its size, so that no few bytes ask for much.
//!
//! A pickle can name one large value a thousand times and have each made anew, and an archive can be compressed. What
//! programs for tensors write stays far below: a tensor lies in the file once, and is copied a few times at most.

use super::refusal::{Read, refuse};

/// Bytes of memory that any file may take.
const LEAST_BYTES: usize = 16 << 20;

/// Bytes of memory for each byte of the file.
const BYTES_PER_BYTE: usize = 8;

/// Steps that any file may take.
const LEAST_STEPS: usize = 1 << 20;

/// Steps for each byte of the file.
const STEPS_PER_BYTE: usize = 16;

/// What is left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    /// Length of the file in bytes.
    file: usize,
    bytes: usize,
    steps: usize,
}

impl Budget {
    /// For a file of so many bytes.
    pub(super) fn of(file: usize) -> Self {
        Self {
            file,
            bytes: file.saturating_mul(BYTES_PER_BYTE).saturating_add(LEAST_BYTES),
            steps: file.saturating_mul(STEPS_PER_BYTE).saturating_add(LEAST_STEPS),
        }
    }

    /// Bytes of memory that are left.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes memory: before it is allocated.
    pub(super) fn keep(&mut self, bytes: usize) -> Read<()> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => return refuse("values in proportion to the file", self.exceeded("memory")),
        }
        Ok(())
    }

    /// Takes memory for so many values of a type.
    pub(super) fn keep_all<T>(&mut self, count: usize) -> Read<()> {
        self.keep(count.saturating_mul(size_of::<T>()))
    }

    /// Takes steps of work: before it is done.
    pub(super) fn work(&mut self, steps: usize) -> Read<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => return refuse("a program in proportion to the file", self.exceeded("work")),
        }
        Ok(())
    }

    fn exceeded(&self, what: &str) -> String {
        format!("one of {} bytes that asks for ever more {what}", self.file)
    }
}
