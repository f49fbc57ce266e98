//! How many files the station may have open: connections are such, and what it needs to start a pipeline.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are enough for all that a station does.
const ENOUGH: u64 = 65_536;

/// Asks for as many files as the station needs, or as it may have. What systemd and shells allow at first is 1024.
pub(crate) fn ask_for_enough() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if allowed() < wanted
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
    {
        tracing::warn!("expected {wanted} files that may be open, found {}: {error}", allowed());
    }
}

/// Files that may be open at the same time.
pub(crate) fn allowed() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_may_be_are_asked_for_and_never_fewer() {
        let (before, most) = (allowed(), getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX));
        ask_for_enough();
        assert!(allowed() >= before.max(most.min(ENOUGH)), "{} of {most}", allowed());
    }
}
