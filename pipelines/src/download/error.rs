//! Which failures are worth another try.

use anyhow::{Error, anyhow};
use ureq::http::StatusCode;

/// A request that failed.
pub(crate) enum Failure {
    /// Another try may succeed.
    Transient(Error),
    /// None will.
    Final(Error),
}

impl Failure {
    pub(crate) fn transient(reason: String) -> Self {
        Self::Transient(anyhow!(reason))
    }

    /// A request without an answer.
    pub(crate) fn of(error: ureq::Error, url: &str) -> Self {
        let reason = anyhow!("no answer from {url}: {error}");
        match error {
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::Protocol(_)
            | ureq::Error::ConnectionFailed => Self::Transient(reason),
            _ => Self::Final(reason),
        }
    }

    /// An answer that is not what was asked for.
    pub(crate) fn of_status(status: StatusCode, url: &str) -> Self {
        let reason = anyhow!("expected a file, found HTTP {status}: {url}");
        let busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if busy || status.is_server_error() { Self::Transient(reason) } else { Self::Final(reason) }
    }

    pub(crate) fn into_error(self) -> Error {
        let (Self::Transient(reason) | Self::Final(reason)) = self;
        reason
    }
}

/// What goes wrong on this machine goes wrong again.
impl From<Error> for Failure {
    fn from(reason: Error) -> Self {
        Self::Final(reason)
    }
}
