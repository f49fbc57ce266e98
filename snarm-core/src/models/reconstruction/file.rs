//! Our own files: the tensors of a published checkpoint without its tables, sealed (`files/sealed.rs`) with an entry that says
//! what they are, and which network's features they reconstruct; a file that was converted may hold that network.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::list::tensors;
use super::shape::{Kind, Shape, WHAT};
use crate::bank::Calibration;
use crate::error::{Error, Result};
use crate::files::{self, VERSION, Weights, seal};
use crate::models::family::Provenance;

const FORMAT: &str = "snarm-decoder";

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Name or path of the encoder as it was given to the training; empty where the file holds the encoder.
    pub encoder: String,
    /// Digest of the encoder's weights; empty where the file holds the encoder.
    pub encoder_digest: String,
    /// Sizes of the decoder.
    pub shape: Shape,
    /// What it learned from.
    pub provenance: Provenance,
    /// Terms under which the weights may be used.
    pub licence: String,
    /// Scores of held-out good frames of the training's own categories: what holds where a bank was not calibrated
    /// with this decoder.
    pub calibration: Option<Calibration>,
}

impl About {
    /// Whether the encoder lies in the file.
    pub(super) fn encoder_is_inside(&self) -> bool {
        self.encoder.is_empty()
    }
}

/// Name, shape and values of a tensor.
pub type Entry = (String, Vec<usize>, Vec<f32>);

/// Gives the tensor of that name and shape.
pub(crate) type Fetch<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Writes a decoder of a family, and the tensors of its encoder where the file shall hold them: to a temporary file beside
/// `path`, synced, then renamed.
///
/// # Errors
/// When `fetch` fails, a tensor has another size, or the folder cannot be written.
pub fn save(
    path: &Path,
    kind: &'static Kind,
    about: &About,
    fetch: &Fetch<'_>,
    encoder: Vec<Entry>,
) -> Result<()> {
    let failed = |e: std::io::Error| Error::write(WHAT, path, e);
    about.shape.check(kind)?;
    let header = json!({ "format": FORMAT, "version": VERSION, "family": kind.family, "decoder": about });
    let mut all = encoder;
    for (name, shape) in tensors(kind, &about.shape)? {
        let values = fetch(&name, &shape)?;
        all.push((name, shape, values));
    }
    let mut views = Vec::new();
    for (name, shape, values) in &all {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values));
        views.push((name.as_str(), view.map_err(|e| failed(std::io::Error::other(format!("{name}: {e}"))))?));
    }
    files::replace(path, &seal(&header, views).map_err(failed)?).map_err(failed)
}

/// What the header of a file says; nothing where there is none of ours.
pub(super) fn about(kind: &Kind, file: &Weights) -> Result<Option<About>> {
    let Some(text) = file.about() else { return Ok(None) };
    let wrong = |expected: String, found: String| Error::wrong_file(WHAT, file.path(), expected, found);
    let mut header: Value = serde_json::from_str(text).unwrap_or_default();
    if header["format"] != FORMAT || header["family"] != kind.family {
        let expected = format!("a decoder of the family {}", kind.family);
        return Err(wrong(expected, format!("format {} and family {}", header["format"], header["family"])));
    }
    if !file.is_version(&header["version"]) {
        let found = format!("version {}", header["version"]);
        return Err(wrong("a decoder of version 1, or 2 with a digest".to_owned(), found));
    }
    serde_json::from_value(header["decoder"].take())
        .map(Some)
        .map_err(|e| wrong(format!("a header of the family {}", kind.family), e.to_string()))
}

/// Checks the header of a file against its tensors.
pub(super) fn check(about: &About, shape: &Shape, path: &Path) -> Result<()> {
    if about.shape == *shape {
        return Ok(());
    }
    let expected = format!("tensors of {:?}, as the header says", about.shape);
    Err(Error::wrong_file(WHAT, path, expected, format!("{shape:?}")))
}
