//! Named tensors in files: safetensors, and PyTorch checkpoints through [`crate::pickle`], which reads the pickle and
//! never runs it.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::hex;
use super::read::Opened;
use super::sealed::{VERSION, about};
use crate::error::{Error, Result};
use crate::memory;
use crate::pickle::Pickle;

/// A file of named tensors, read tensor by tensor.
pub struct Weights {
    path: PathBuf,
    digest: String,
    source: Source,
    /// The text of our entry in the header, without its digest; empty where the file has none.
    about: String,
    /// Whether the entry had a digest.
    sealed: bool,
}

enum Source {
    Safetensors(Bytes),
    Pickle(Box<Pickle>),
}

/// A file in memory.
enum Bytes {
    Read(Vec<u8>),
    Embedded(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Embedded(bytes) => bytes,
        }
    }
}

/// One tensor, widened to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Vec<f32>,
}

const WHAT: &str = "weights";

/// Bytes that tell what a file is.
const BEGINNING: usize = 64;

/// The entry of a PyTorch checkpoint in which some training programs keep the tensors of the network.
const NETWORK: &str = "net";

/// The largest number taken for a weight; others are damage.
const LARGEST: f32 = 1e9;

impl Weights {
    /// Opens a `.safetensors` or PyTorch (`.pth`, `.pt`, `.bin`) file. It is read whole; later changes of the file do not
    /// show.
    ///
    /// # Errors
    /// When the file is missing, unreadable, neither of the two, or a file of ours whose content is not as it was written.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Opened::of(WHAT, path)?;
        let (begins, length) = (file.begins(BEGINNING)?, file.len());
        let pickled = Pickle::recognise(&begins);
        if !pickled && !may_be_safetensors(&begins, length) {
            return Err(neither(path, length, "no header of safetensors"));
        }
        memory::check(WHAT, length as usize)?;
        let bytes = file.whole()?;
        let digest = hex(&Sha256::digest(&bytes));
        if pickled {
            let source = Source::Pickle(Box::new(Pickle::of_bytes(path, &bytes)?.entered(NETWORK)?));
            return Ok(Self { path: path.to_owned(), digest, source, about: String::new(), sealed: false });
        }
        Self::of_safetensors(path.to_owned(), digest, Bytes::Read(bytes))
    }

    /// Opens safetensors that lie in memory; messages call them by that name.
    ///
    /// # Errors
    /// When they are no safetensors.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self> {
        memory::check(WHAT, bytes.len())?;
        Self::of_safetensors(PathBuf::from(name), hex(&Sha256::digest(bytes)), Bytes::Embedded(bytes))
    }

    fn of_safetensors(path: PathBuf, digest: String, bytes: Bytes) -> Result<Self> {
        let wrong = |e: safetensors::SafeTensorError| neither(&path, bytes.len() as u64, &e.to_string());
        SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let (length, metadata) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        let data = bytes.get(size_of::<u64>() + length..).unwrap_or_default();
        let (about, sealed) = about(WHAT, &path, &metadata, data)?;
        Ok(Self { path, digest, source: Source::Safetensors(bytes), about, sealed })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match &self.source {
            Source::Safetensors(map) => SafeTensors::deserialize(map)
                .map(|file| file.names().into_iter().map(str::to_owned).collect())
                .unwrap_or_default(),
            Source::Pickle(pickle) => pickle.names().map(str::to_owned).collect(),
        };
        names.sort_unstable();
        names
    }

    /// The entry of a PyTorch checkpoint inside which names of that ending are: what a training program wraps its tensors
    /// in.
    pub(crate) fn wrapper(&self, ending: &str) -> Option<&str> {
        match &self.source {
            Source::Safetensors(_) => None,
            Source::Pickle(pickle) => pickle.wrapper(ending),
        }
    }

    /// What a file of ours says of itself, as the text of a JSON object; `None` for files of another origin.
    pub fn about(&self) -> Option<&str> {
        Some(self.about.as_str()).filter(|text| !text.is_empty())
    }

    /// Whether a version that the file says it is of is one that this program reads, and the file has a digest where that
    /// version has one.
    pub(crate) fn is_version(&self, version: &Value) -> bool {
        *version == if self.sealed { VERSION } else { 1 }
    }

    /// Reads the whole numbers of one tensor; `None` where there is none of that name.
    ///
    /// # Errors
    /// When they are no 64-bit whole numbers.
    pub fn wholes(&self, name: &str) -> Result<Option<Vec<i64>>> {
        let wrong = |found: String| Error::wrong_file(WHAT, &self.path, format!("{name} of i64"), found);
        let bytes = match &self.source {
            Source::Safetensors(bytes) => bytes,
            Source::Pickle(pickle) => {
                let Some(array) = pickle.array(name)? else { return Ok(None) };
                return array.i64s().map(Some).ok_or_else(|| wrong(format!("{:?}", array.kind)));
            }
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(e.to_string()))?;
        match file.tensor(name) {
            Ok(view) if view.dtype() == Dtype::I64 => {
                Ok(Some(view.data().as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect()))
            }
            Ok(view) => Err(wrong(format!("{:?}", view.dtype()))),
            Err(_) => Ok(None),
        }
    }

    /// Reads one tensor; `None` where the file has none of that name.
    ///
    /// # Errors
    /// When the tensor's type is not a float, its bytes cannot be read, or a number is not finite or beyond a thousand
    /// million.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        let wrong =
            |found: String| Error::wrong_file(WHAT, &self.path, format!("{name} of f32, f16 or bf16"), found);
        let tensor = match &self.source {
            Source::Safetensors(map) => {
                let file = SafeTensors::deserialize(map).map_err(|e| wrong(e.to_string()))?;
                let Ok(view) = file.tensor(name) else { return Ok(None) };
                let data =
                    widen(view.dtype(), view.data()).ok_or_else(|| wrong(format!("{:?}", view.dtype())))?;
                Tensor { shape: view.shape().to_vec(), data }
            }
            Source::Pickle(pickle) => {
                let Some(array) = pickle.array(name)? else { return Ok(None) };
                let data = array.f32s().ok_or_else(|| wrong(format!("{:?}", array.kind)))?;
                Tensor { shape: array.shape, data }
            }
        };
        match tensor.data.iter().find(|value| value.is_nan() || value.abs() > LARGEST) {
            None => Ok(Some(tensor)),
            Some(value) => {
                let expected = format!("{name} of finite numbers up to {LARGEST:e}");
                Err(Error::wrong_file(WHAT, &self.path, expected, format!("{value:e} in it")))
            }
        }
    }
}

/// Whether a file of that length may be safetensors by its beginning: 8 bytes that say how long its header is.
fn may_be_safetensors(begins: &[u8], length: u64) -> bool {
    let header = begins.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    header.is_some_and(|header| header >= 2 && header <= length - 8)
}

fn neither(path: &Path, length: u64, reason: &str) -> Error {
    let expected = "a safetensors file or a PyTorch checkpoint";
    Error::wrong_file(WHAT, path, expected, format!("{length} bytes ({reason})"))
}

fn widen(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => {
            bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
        }
        Dtype::BF16 => {
            bytes.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = Weights::open(Path::new("/nowhere/x.safetensors")).err().unwrap();
        assert_eq!(error.to_string(), "weights not found: /nowhere/x.safetensors");
    }

    #[test]
    fn a_foreign_file_says_what_was_expected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"GIF89a and more").unwrap();
        let error = Weights::open(file.path()).err().unwrap().to_string();
        assert!(error.contains("expected a safetensors file") && error.contains("15 bytes"), "{error}");
    }

    #[test]
    fn half_types_are_widened() {
        let bytes: Vec<u8> = [half::bf16::from_f32(1.5), half::bf16::from_f32(-2.0)]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        assert_eq!(widen(Dtype::BF16, &bytes), Some(vec![1.5, -2.0]));
    }
}
