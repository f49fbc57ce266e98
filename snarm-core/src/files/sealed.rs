//! Safetensors files of our own: one entry in the header, `snarm`, a JSON object that says what the tensors are, and in it
//! the digest of all the rest.
//!
//! The object begins with `sha256`. It is that of the object's text without this first member, and then, in the order of
//! their names, of each tensor's name, type, sizes and bytes. Files of version 1 have no digest. (One entry, because a
//! safetensors header keeps several in random order, and the same content should be the same bytes.)

use std::collections::HashMap;
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorView};
use safetensors::{SafeTensors, serialize};
use sha2::{Digest, Sha256};

use super::hex;
use crate::error::{Error, Result};

/// The entry of a safetensors header that is ours.
pub(super) const ENTRY: &str = "snarm";

/// The version that files of our own say they are of.
pub(crate) const VERSION: u64 = 2;

/// What the text of a sealed entry begins with.
const MARK: &str = "{\"sha256\":\"";

/// Length of a digest in hexadecimal.
const DIGITS: usize = 64;

/// A safetensors file in memory, its parts checked against its digest.
pub(crate) struct Sealed<'a> {
    /// What stands in the header, and where the tensors lie.
    pub(crate) metadata: Metadata,
    /// The text of our entry without its digest; empty where the file has none of ours.
    pub(crate) about: String,
    /// Whether it had a digest.
    pub(crate) sealed: bool,
    /// All tensors, one after the other.
    pub(crate) data: &'a [u8],
}

/// The bytes of a file with this entry, a JSON object, and these tensors.
pub(crate) fn seal(
    about: &impl serde::Serialize,
    tensors: Vec<(&str, TensorView<'_>)>,
) -> io::Result<Vec<u8>> {
    let about = serde_json::to_string(about)?;
    let mut parts: Vec<_> = tensors.iter().map(|(name, view)| (*name, view)).collect();
    parts.sort_unstable_by_key(|(name, _)| *name);
    let parts = parts.into_iter().map(|(name, view)| (name, view.dtype(), view.shape(), view.data()));
    let digest = digest(&about, parts);
    let rest = about.strip_prefix('{').unwrap_or_default();
    let comma = if rest == "}" { "" } else { "," };
    let entry = format!("{MARK}{digest}\"{comma}{rest}");
    serialize(tensors, Some(HashMap::from([(ENTRY.to_owned(), entry)]))).map_err(io::Error::other)
}

impl<'a> Sealed<'a> {
    /// Takes a file apart and checks its digest, where it has one.
    ///
    /// # Errors
    /// When the bytes are no whole safetensors file, or others than those that were written.
    pub(crate) fn of(what: &'static str, path: &Path, bytes: &'a [u8]) -> Result<Self> {
        let cut = |e: safetensors::SafeTensorError| {
            let expected = format!("a whole snarm {what} (safetensors)");
            Error::wrong_file(what, path, expected, format!("{} bytes ({e})", bytes.len()))
        };
        // The whole of the file is compared with what the header says.
        SafeTensors::deserialize(bytes).map_err(cut)?;
        let (length, metadata) = SafeTensors::read_metadata(bytes).map_err(cut)?;
        // The length of the header comes before it.
        let data = bytes.get(size_of::<u64>() + length..).unwrap_or_default();
        let (about, sealed) = about(what, path, &metadata, data)?;
        Ok(Self { metadata, about, sealed, data })
    }

    /// Whether a version that the entry names is one that this program reads, and has the digest that it should have.
    pub(crate) fn is_version(&self, version: &serde_json::Value) -> bool {
        *version == if self.sealed { VERSION } else { 1 }
    }

    /// A tensor: its type, sizes and bytes.
    pub(crate) fn tensor(&self, name: &str) -> Option<(Dtype, &[usize], &'a [u8])> {
        let info = self.metadata.info(name)?;
        let (from, to) = info.data_offsets;
        Some((info.dtype, &info.shape, self.data.get(from..to).unwrap_or_default()))
    }
}

/// The text of our entry without its digest, empty where there is none, and whether it had one.
///
/// # Errors
/// When the digest is not that of text and tensors.
pub(crate) fn about(
    what: &'static str,
    path: &Path,
    metadata: &Metadata,
    data: &[u8],
) -> Result<(String, bool)> {
    let entries = metadata.metadata().as_ref();
    let Some(entry) = entries.and_then(|entries| entries.get(ENTRY)) else {
        if entries.is_some_and(|entries| entries.values().any(|text| text.starts_with(MARK))) {
            let expected = format!("an entry {ENTRY} in the header");
            return Err(Error::wrong_file(
                what,
                path,
                expected,
                "it under another name: the file is damaged",
            ));
        }
        return Ok((String::new(), false));
    };
    let Some((written, rest)) = entry.strip_prefix(MARK).and_then(|text| text.split_at_checked(DIGITS))
    else {
        return Ok((entry.clone(), false));
    };
    let rest = rest.strip_prefix('"').map(|rest| rest.strip_prefix(',').unwrap_or(rest));
    let about = format!("{{{}", rest.unwrap_or_default());
    let tensors = metadata.tensors();
    let mut parts: Vec<_> = tensors.iter().map(|(name, info)| (name.as_str(), *info)).collect();
    parts.sort_unstable_by_key(|(name, _)| *name);
    let parts = parts.into_iter().map(|(name, info)| {
        let (from, to) = info.data_offsets;
        (name, info.dtype, &info.shape[..], data.get(from..to).unwrap_or_default())
    });
    let found = digest(&about, parts);
    if found != written {
        let expected = format!("content of SHA-256 {}, as it was written", written.escape_default());
        return Err(Error::wrong_file(what, path, expected, format!("{found}: the file is damaged")));
    }
    Ok((about, true))
}

fn digest<'t>(about: &str, parts: impl Iterator<Item = (&'t str, Dtype, &'t [usize], &'t [u8])>) -> String {
    let mut hash = Sha256::new();
    hash.update(about);
    for (name, dtype, shape, data) in parts {
        hash.update(format!("\0{name}\0{dtype:?}\0{shape:?}\0"));
        hash.update(data);
    }
    hex(&hash.finalize())
}
