//! Why a pickle is not read: what was expected and what was found.

/// What was expected and what was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) expected: String,
    pub(super) found: String,
}

/// What is read, or why not.
pub(super) type Read<T> = std::result::Result<T, Refusal>;

/// Refuses.
pub(super) fn refuse<T>(expected: impl Into<String>, found: impl Into<String>) -> Read<T> {
    Err(Refusal { expected: expected.into(), found: found.into() })
}
