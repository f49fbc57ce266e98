//! Exit codes, decided here alone. The command line parser ends by itself with 2 on wrong usage.

use std::io;
use std::process::ExitCode;

use anyhow::Error;

use crate::output;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// Anomalies were found, and the caller asked to hear of them by the exit code.
    Anomalous,
    /// A check found something that does not work.
    Unfit,
}

/// 0: done. 1: failed, or a check found a fault. 2: wrong usage. 3: anomalous.
pub(crate) fn code(result: Result<Outcome, Error>) -> ExitCode {
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Anomalous) => ExitCode::from(3),
        Ok(Outcome::Unfit) => ExitCode::FAILURE,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether our own output was closed by its reader.
fn is_closed_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
