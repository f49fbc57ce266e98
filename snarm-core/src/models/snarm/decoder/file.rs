//! Decoder files: the tensors of a published checkpoint, sealed (`files/sealed.rs`) with an entry that says what they were
//! trained for.
//!
//! The entry is a JSON object with `format`, `version` and `decoder`, an [`About`]. The identity of
//! a decoder is that of its weights: a calibration that is added later leaves it as it is.

use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::weights::{Fetch, OPTIONAL, tensors};
use super::{Shape, SnarmDecoder};
use crate::bank::Calibration;
use crate::error::{Error, Result};
use crate::files::{self, VERSION, Weights, seal};
pub use crate::models::family::Provenance;

const WHAT: &str = "decoder";
const FORMAT: &str = "snarm-decoder";

/// The largest side of an input.
const LARGEST_SIDE: usize = 4096;

/// What a decoder says about itself: the header of its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Name or path of the encoder as it was given to the training.
    pub encoder: String,
    /// Digest of the encoder's weights.
    pub encoder_digest: String,
    /// Side of the encoder's input in pixels, and of the map of probabilities.
    pub side: usize,
    /// Side of the grid of descriptors that it learned on.
    pub grid: usize,
    /// Sizes of the decoder.
    pub shape: Shape,
    /// Whether it reads residuals in units of what is usual for good frames of the product, see [`SnarmDecoder::gain`].
    #[serde(default)]
    pub relative: bool,
    /// What it learned from.
    pub provenance: Provenance,
    /// Terms under which the weights may be used.
    pub licence: String,
    /// Scores of held-out good frames of the training's own categories: what holds where a bank was not calibrated
    /// with this decoder.
    pub calibration: Option<Calibration>,
}

/// Writes a decoder: to a temporary file beside `path`, synced, then renamed. `fetch` gives the tensors but for the
/// optional ones; `counters`, one a view, are the steps that each batch norm has seen.
///
/// # Errors
/// When `fetch` fails, a tensor has another size, or the folder cannot be written.
pub fn save(path: &Path, about: &About, fetch: &Fetch<'_>, counters: Option<&[i64]>) -> Result<()> {
    let header = serde_json::json!({ "format": FORMAT, "version": VERSION, "decoder": about });
    write(path, &about.shape, Some(&header), fetch, counters)
}

/// As [`save`], of a decoder that nothing more is known of than its weights.
///
/// # Errors
/// As [`save`].
pub fn save_bare(path: &Path, shape: &Shape, fetch: &Fetch<'_>, counters: Option<&[i64]>) -> Result<()> {
    write(path, shape, None, fetch, counters)
}

fn write(
    path: &Path,
    shape: &Shape,
    header: Option<&Value>,
    fetch: &Fetch<'_>,
    counters: Option<&[i64]>,
) -> Result<()> {
    let failed = |e: std::io::Error| Error::write(WHAT, path, e);
    shape.check()?;
    let mut all: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut counters = counters.map(<[i64]>::iter);
    for (name, shape) in tensors(shape) {
        let bytes = if !name.ends_with(OPTIONAL) {
            bytemuck::cast_slice::<f32, u8>(&fetch(&name, &shape)?).to_vec()
        } else if let Some(counter) = counters.as_mut().and_then(Iterator::next) {
            counter.to_le_bytes().to_vec()
        } else {
            continue;
        };
        all.push((name, shape, bytes));
    }
    let views: Vec<(&str, TensorView<'_>)> = all
        .iter()
        .map(|(name, shape, bytes)| {
            let dtype = if name.ends_with(OPTIONAL) { Dtype::I64 } else { Dtype::F32 };
            let view = TensorView::new(dtype, shape.clone(), bytes);
            Ok((name.as_str(), view.map_err(|e| failed(std::io::Error::other(format!("{name}: {e}"))))?))
        })
        .collect::<Result<_>>()?;
    let bytes = match header {
        Some(header) => seal(header, views),
        None => serialize(views, None).map_err(std::io::Error::other),
    };
    files::replace(path, &bytes.map_err(failed)?).map_err(failed)
}

/// What the header of a file says; nothing where there is none of ours, as in a published checkpoint.
pub(super) fn about(file: &Weights) -> Result<Option<About>> {
    let Some(text) = file.about() else { return Ok(None) };
    let wrong = |expected: String, found: String| Error::wrong_file(WHAT, file.path(), expected, found);
    let mut header: Value = serde_json::from_str(text).unwrap_or_default();
    if header["format"] != FORMAT {
        return Err(wrong("a snarm decoder".to_owned(), format!("format {}", header["format"])));
    }
    if !file.is_version(&header["version"]) {
        return Err(wrong(
            "a decoder of version 1, or 2 with a digest".to_owned(),
            format!("version {}", header["version"]),
        ));
    }
    serde_json::from_value(header["decoder"].take())
        .map(Some)
        .map_err(|e| wrong("a header of version 1 or 2".to_owned(), e.to_string()))
}

/// Checks the header of a file against its tensors.
pub(super) fn check(about: &About, decoder: &SnarmDecoder, path: &Path) -> Result<()> {
    let wrong = |expected: String, found: String| Err(Error::wrong_file(WHAT, path, expected, found));
    if about.shape != *decoder.shape() {
        return wrong(
            format!("tensors of {:?}, as the header says", about.shape),
            format!("{:?}", decoder.shape()),
        );
    }
    if about.grid < 2 || about.side < about.grid || about.side > LARGEST_SIDE {
        let expected = format!("a grid of at least 2 x 2 tokens in a map of its size up to {LARGEST_SIDE}");
        return wrong(expected, format!("grid {} and side {}", about.grid, about.side));
    }
    let Some(calibration) = &about.calibration else { return Ok(()) };
    if calibration.scorer != decoder.scorer() {
        return wrong(
            format!("a calibration of {}", decoder.scorer()),
            format!("one of {}", calibration.scorer),
        );
    }
    if !calibration.is_sane() {
        return wrong("a calibration with scores in 0..1".to_owned(), format!("{calibration:?}"));
    }
    Ok(())
}
