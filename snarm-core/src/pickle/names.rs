//! The names that files of tensors need. Everything else is refused.

use super::array::Kind;
use super::refusal::{Read, refuse};

/// A name of Python that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    Encode,
    Bytes,
    RebuildTensor,
    RebuildParameter,
    LoadFromBytes,
    Storage(Kind),
    NdArray,
    DType,
    Reconstruct,
    Scalar,
    FromBuffer,
    /// The class in the published banks that would project descriptors, and does not.
    Pca,
}

/// Modules, names, and what they are.
const NAMES: &[(&str, &str, Known)] = &[
    ("collections", "OrderedDict", Known::OrderedDict),
    ("_codecs", "encode", Known::Encode),
    ("__builtin__", "bytes", Known::Bytes),
    ("builtins", "bytes", Known::Bytes),
    ("torch._utils", "_rebuild_tensor_v2", Known::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Known::RebuildParameter),
    // One that carries attributes, such as those that exempt it from weight decay.
    ("torch._utils", "_rebuild_parameter_with_state", Known::RebuildParameter),
    ("torch.storage", "_load_from_bytes", Known::LoadFromBytes),
    ("torch", "HalfStorage", Known::Storage(Kind::F16)),
    ("torch", "BFloat16Storage", Known::Storage(Kind::BF16)),
    ("torch", "FloatStorage", Known::Storage(Kind::F32)),
    ("torch", "DoubleStorage", Known::Storage(Kind::F64)),
    ("torch", "ByteStorage", Known::Storage(Kind::U8)),
    ("torch", "IntStorage", Known::Storage(Kind::I32)),
    ("torch", "LongStorage", Known::Storage(Kind::I64)),
    ("torch", "BoolStorage", Known::Storage(Kind::Bool)),
    ("numpy", "ndarray", Known::NdArray),
    ("numpy", "dtype", Known::DType),
    ("numpy.core.multiarray", "_reconstruct", Known::Reconstruct),
    ("numpy._core.multiarray", "_reconstruct", Known::Reconstruct),
    ("numpy.core.multiarray", "scalar", Known::Scalar),
    ("numpy._core.multiarray", "scalar", Known::Scalar),
    ("numpy.core.numeric", "_frombuffer", Known::FromBuffer),
    ("numpy._core.numeric", "_frombuffer", Known::FromBuffer),
    ("residual.pca_torch", "PCA_torch", Known::Pca),
];

/// The name that a pickle speaks of.
pub(super) fn look_up(module: &str, name: &str) -> Read<Known> {
    match NAMES.iter().find(|(m, n, _)| (*m, *n) == (module, name)) {
        Some((_, _, known)) => Ok(*known),
        None => refuse(
            "nothing but tensors and arrays, of which no code is run",
            format!("the name {}.{}", printable(module), printable(name)),
        ),
    }
}

/// The beginning of a text, for messages.
pub(super) fn printable(text: &str) -> String {
    let beginning: String = text.chars().take(60).collect();
    crate::printable(&beginning).into_owned()
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match NAMES.iter().find(|(_, _, known)| known == self) {
            Some((module, name, _)) => write!(f, "{module}.{name}"),
            None => write!(f, "{self:?}"),
        }
    }
}
