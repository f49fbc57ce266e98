//! Exit codes, decided here alone. The command line parser ends by itself with 2 on wrong usage.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Error;

use crate::output;

/// How a command that ran to its end ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// Anomalies were found, and the caller asked to hear of them by the exit code.
    Anomalous,
    /// No anomalies were found, and some frames were not judged; the caller asked to hear of anomalies by the exit code.
    Unjudged,
    /// A check found something that does not work.
    Unfit,
}

/// 0: done. 1: failed, or a check found a fault. 2: wrong usage. 3: anomalous. 4: not judged.
pub(crate) fn code(result: Result<Outcome, Error>) -> ExitCode {
    ExitCode::from(number(result))
}

fn number(result: Result<Outcome, Error>) -> u8 {
    match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Anomalous) => 3,
        Ok(Outcome::Unjudged) => 4,
        Ok(Outcome::Unfit) => 1,
        Err(error) => {
            output::complain(format!("{error:#}"));
            1
        }
    }
}

/// Lets an abort, such as that of the standard library after its message of an allocation that failed, end the process
/// with exit code 1 and not by a signal: the caller of a command learns the same as of every other failure.
///
/// # Errors
/// When the system does not take the handler.
pub(crate) fn fail_instead_of_abort() -> io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGABRT, 1, always).map(|_| ())
}

/// Lets a file that outgrows the limit of this process (`ulimit -f`) be an error of the write, as a full disk is, and not
/// end the process by a signal.
///
/// # Errors
/// When the system does not take the handler.
pub(crate) fn fail_instead_of_signal() -> io::Result<()> {
    let unread = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unread).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_reads_any_more_is_a_failure() {
        let left = || Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(number(Err(left())), 1);
        assert_eq!(number(Err(left().context("cannot write results out/results.jsonl"))), 1);
    }
}
