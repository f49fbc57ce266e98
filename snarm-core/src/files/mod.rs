//! Files as they are read and written everywhere: read whole, so that nobody can cut them short while they are used,
//! and written whole, so that a reader sees the old file or the new one.

mod hold;
mod read;
mod sealed;
mod target;
mod tensors;
mod write;

pub use self::hold::Hold;
pub use self::read::kind;
pub(crate) use self::read::{Opened, read};
pub(crate) use self::sealed::{Sealed, VERSION, seal};
pub use self::tensors::{Tensor, Weights};
pub use self::write::{Replacement, check_writable, put, replace, replaced};

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
