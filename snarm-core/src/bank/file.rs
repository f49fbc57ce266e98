//! Bank files: safetensors with a header that says what they are.
//!
//! Tensors: `features` (vectors, width) f32, `images` (vectors) u32, and where something is ignored `ignore_mask`
//! (height, ceil(width / 8)) u8, eight pixels a byte. The header has one entry, `snarm`: a JSON object with `format`,
//! `version`, `bank`, `calibration`, and `trained`, a list of the calibrations with trained heads, which may be missing.
//! (One entry, because a safetensors header keeps several in random
//! order, and the same bank should be the same bytes.)

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Bank, Calibration, Header, Memory};
use crate::error::{Error, Result};
use crate::files::{ENTRY, hex, map_file, write_atomically};
use crate::view::IgnoreMask;

const WHAT: &str = "bank";
const FORMAT: &str = "snarm-bank";
const VERSION: u64 = 1;

/// The tensor of the ignore mask.
const MASK: &str = "ignore_mask";

/// Identity of a bank: SHA-256 of its header, calibrations, ignore mask and descriptors.
pub(super) fn digest(
    header: &Header,
    calibration: &Calibration,
    trained: &[Calibration],
    ignore: Option<&IgnoreMask>,
    memory: &Memory,
) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{header:?}{calibration:?}{trained:?}"));
    hash.update(ignore.map(IgnoreMask::to_bits).unwrap_or_default());
    hash.update(bytemuck::cast_slice::<f32, u8>(memory.rows().data));
    hex(&hash.finalize())
}

/// Writes a bank, and `more` tensors beside its own.
pub(super) fn save(bank: &Bank, path: &Path, more: Vec<(&str, TensorView<'_>)>) -> Result<()> {
    let failed = |e: std::io::Error| Error::write(WHAT, path, e);
    let about = serde_json::json!({
        "format": FORMAT,
        "version": VERSION,
        "bank": bank.header,
        "calibration": bank.calibration,
        "trained": bank.trained,
    });
    let metadata = HashMap::from([(ENTRY.to_owned(), about.to_string())]);
    let (vectors, width) = (bank.vectors(), bank.width());
    let (features, images) = (bytemuck::cast_slice(bank.rows().data), bytemuck::cast_slice(bank.images()));
    let view = |dtype, shape, data| {
        TensorView::new(dtype, shape, data).map_err(|e| failed(std::io::Error::other(e.to_string())))
    };
    let bits = bank.ignore.as_deref().map(|mask| (mask.height(), mask.to_bits()));
    let mut tensors: Vec<(&str, TensorView<'_>)> = more;
    tensors.push(("features", view(Dtype::F32, vec![vectors, width], features)?));
    tensors.push(("images", view(Dtype::U32, vec![vectors], images)?));
    if let Some((height, bits)) = &bits {
        tensors.push((MASK, view(Dtype::U8, vec![*height, bits.len() / height], bits)?));
    }
    let bytes =
        serialize(tensors, Some(metadata)).map_err(|e| failed(std::io::Error::other(e.to_string())))?;
    write_atomically(path, &bytes).map_err(failed)
}

pub(super) fn open(path: &Path) -> Result<Bank> {
    let map = map_file(WHAT, path)?;
    let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, path, expected, found);
    let cut = |e| wrong("a whole snarm bank (safetensors)", format!("{} bytes ({e})", map.len()));
    let (length, metadata) = SafeTensors::read_metadata(&map).map_err(cut)?;
    let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
    let mut about: Value = entry.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if about["format"] != FORMAT {
        let found = match entry {
            Some(_) => format!("format {}", about["format"]),
            None => format!("a safetensors file of {} tensors that is no bank", metadata.tensors().len()),
        };
        return Err(wrong("a snarm bank", found));
    }
    if about["version"] != VERSION {
        return Err(wrong("a bank of version 1", format!("version {}", about["version"])));
    }
    let header: Header = serde_json::from_value(about["bank"].take())
        .map_err(|e| wrong("a header of version 1", e.to_string()))?;
    let calibration: Calibration = serde_json::from_value(about["calibration"].take())
        .map_err(|e| wrong("a calibration of version 1", e.to_string()))?;
    let trained: Vec<Calibration> = match about["trained"].take() {
        Value::Null => Vec::new(),
        list => serde_json::from_value(list)
            .map_err(|e| wrong("a list of calibrations of version 1", e.to_string()))?,
    };
    // The length of the header comes before it; the whole of the file was compared with it.
    let data = map.get(size_of::<u64>() + length..).unwrap_or_default();
    let tensor = |name: &str, dtype: Dtype| {
        let Some(info) = metadata.info(name) else {
            return Err(wrong(&format!("a tensor {name}"), "none of that name".into()));
        };
        if info.dtype != dtype {
            return Err(wrong(&format!("{name} of type {dtype:?}"), format!("{:?}", info.dtype)));
        }
        let (from, to) = info.data_offsets;
        Ok((&info.shape[..], data.get(from..to).unwrap_or_default()))
    };
    let ((features_shape, features), (images_shape, images)) =
        (tensor("features", Dtype::F32)?, tensor("images", Dtype::U32)?);
    match (features_shape, images_shape) {
        ([vectors, width], [n]) if vectors == n && *n > 0 && *width > 0 => {}
        (features, images) => {
            return Err(wrong("features (n, width) and images (n)", format!("{features:?} and {images:?}")));
        }
    }
    let features: Vec<f32> = features.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let images = images.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    if let Some(value) = features.iter().find(|v| !v.is_finite()) {
        return Err(wrong("finite descriptors", value.to_string()));
    }
    if let Some(calibration) = std::iter::once(&calibration).chain(&trained).find(|one| !one.is_sane()) {
        return Err(wrong("a calibration with scores in 0..1", format!("{calibration:?}")));
    }
    if header.picture_bits.is_some_and(|bits| !(8..=16).contains(&bits)) {
        return Err(wrong("pictures of 8 to 16 bits", format!("{:?}", header.picture_bits)));
    }
    if header.roi.is_some_and(|roi| !roi.is_inside_frame()) {
        return Err(wrong("a region of interest inside the frame", format!("{:?}", header.roi)));
    }
    let ignore = match header.ignore_mask {
        Some([width, height]) => {
            let (_, bits) = tensor(MASK, Dtype::U8)?;
            let mask = IgnoreMask::from_bits(bits, width, height);
            Some(Arc::new(mask.map_err(|e| wrong("an ignore mask", e.to_string()))?))
        }
        None => None,
    };
    Ok(Bank::new(header, calibration, trained, ignore, Memory::new(features, images)?))
}
