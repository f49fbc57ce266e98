//! Named tensors in files: safetensors by memory map, PyTorch checkpoints through [`crate::pickle`], which reads the
//! pickle and never runs it.

use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use super::{hex, map_file};
use crate::error::{Error, Result};
use crate::memory;
use crate::pickle::Pickle;

/// A file of named tensors, read tensor by tensor.
pub struct Weights {
    path: PathBuf,
    digest: String,
    source: Source,
}

enum Source {
    Safetensors(Bytes),
    Pickle(Box<Pickle>),
}

/// A file in memory.
enum Bytes {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
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

impl Weights {
    /// Opens a `.safetensors` or PyTorch (`.pth`, `.pt`, `.bin`) file.
    ///
    /// # Errors
    /// When the file is missing, unreadable or neither of the two.
    pub fn open(path: &Path) -> Result<Self> {
        let map = map_file(WHAT, path)?;
        memory::check(WHAT, map.len())?;
        let digest = hex(&Sha256::digest(&map[..]));
        let source = if Pickle::recognise(&map) {
            Source::Pickle(Box::new(Pickle::open(path)?))
        } else {
            Source::Safetensors(checked(path, Bytes::Mapped(map))?)
        };
        Ok(Self { path: path.to_owned(), digest, source })
    }

    /// Opens safetensors that lie in memory; messages call them by that name.
    ///
    /// # Errors
    /// When they are no safetensors.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self> {
        memory::check(WHAT, bytes.len())?;
        let (path, digest) = (PathBuf::from(name), hex(&Sha256::digest(bytes)));
        let source = Source::Safetensors(checked(&path, Bytes::Embedded(bytes))?);
        Ok(Self { path, digest, source })
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

    /// Free-text entries of the file's header; PyTorch checkpoints have none.
    pub fn metadata(&self) -> std::collections::HashMap<String, String> {
        match &self.source {
            Source::Safetensors(map) => SafeTensors::read_metadata(map)
                .ok()
                .and_then(|(_, metadata)| metadata.metadata().clone())
                .unwrap_or_default(),
            Source::Pickle(_) => Default::default(),
        }
    }

    /// Reads the whole numbers of one tensor; `None` where a file of safetensors has none of that name.
    ///
    /// # Errors
    /// When they are no 64-bit whole numbers.
    pub fn wholes(&self, name: &str) -> Result<Option<Vec<i64>>> {
        let wrong = |found: String| Error::wrong_file(WHAT, &self.path, format!("{name} of i64"), found);
        let Source::Safetensors(bytes) = &self.source else { return Ok(None) };
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
    /// When the tensor's type is not a float or its bytes cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<Tensor>> {
        let wrong =
            |found: String| Error::wrong_file(WHAT, &self.path, format!("{name} of f32, f16 or bf16"), found);
        match &self.source {
            Source::Safetensors(map) => {
                let file = SafeTensors::deserialize(map).map_err(|e| wrong(e.to_string()))?;
                let Ok(view) = file.tensor(name) else { return Ok(None) };
                let data =
                    widen(view.dtype(), view.data()).ok_or_else(|| wrong(format!("{:?}", view.dtype())))?;
                Ok(Some(Tensor { shape: view.shape().to_vec(), data }))
            }
            Source::Pickle(pickle) => {
                let Some(array) = pickle.array(name)? else { return Ok(None) };
                let data = array.f32s().ok_or_else(|| wrong(format!("{:?}", array.kind)))?;
                Ok(Some(Tensor { shape: array.shape, data }))
            }
        }
    }
}

/// The same bytes, once they are known to be safetensors.
fn checked(path: &Path, bytes: Bytes) -> Result<Bytes> {
    match SafeTensors::deserialize(&bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => {
            let expected = "a safetensors file or a PyTorch checkpoint";
            Err(Error::wrong_file(WHAT, path, expected, format!("{} bytes ({e})", bytes.len())))
        }
    }
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
