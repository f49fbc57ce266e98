//! What a kernel refuses, with the values needed to understand why.

/// A call that breaks the contract of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A slice, image or matrix has another size than the operation needs.
    #[error("{op}: expected {expected}, found {found}")]
    Shape {
        /// Name of the operation.
        op: &'static str,
        /// What the operation needs.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// An operation that runs on the host alone was given an operand in the memory of a device.
    #[error(
        "{op}: expected operands in the host's memory, where alone it runs, found some in that of {device}"
    )]
    HostOnly {
        /// Name of the operation.
        op: &'static str,
        /// Where an operand lives.
        device: String,
    },
    /// Operands of one operation live in several places.
    #[error(
        "{op}: expected all operands in the memory of the host, or of one queue of a device, found some elsewhere"
    )]
    Apart {
        /// Name of the operation.
        op: &'static str,
    },
    /// The compute pool could not be started.
    #[error("thread pool: {0}")]
    Threads(String),
    /// CUDA is missing or a call into it failed.
    #[error("CUDA: {0}")]
    Cuda(String),
}

/// Result of a kernel call.
pub type Result<T> = std::result::Result<T, Error>;

/// Fails with [`Error::Shape`] unless `found == expected`.
pub(crate) fn check_len(op: &'static str, what: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape { op, expected: format!("{what} of {expected} elements"), found: format!("{found}") })
}
