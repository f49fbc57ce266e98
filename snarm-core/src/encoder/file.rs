//! Encoder files of our own: safetensors with one entry in the header, `snarm`, that says what network the tensors make.
//! Tensors may be f32, f16 or bf16.

use std::collections::HashMap;
use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::{Config, Layers, PositionInterpolation, conv};
use crate::error::{Error, Result};
use crate::weights::{ENTRY, Weights};

const WHAT: &str = "encoder";
const FORMAT: &str = "snarm-encoder";
const VERSION: u64 = 1;

/// What an encoder file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    format: String,
    version: u64,
    /// Kind and sizes of the network.
    pub network: Network,
    /// Side of the input in pixels.
    pub side: usize,
    /// Side of the grid of descriptors.
    pub grid: usize,
    /// Width of a descriptor.
    pub width: usize,
    /// Mean of the input normalisation, for values 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of the input normalisation.
    pub std: [f32; 3],
    /// One line on where the weights come from.
    pub provenance: String,
}

/// Kind and sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Convolutional.
    Conv(conv::Sizes),
    /// A vision transformer with registers.
    Vit(VitSizes),
}

/// Sizes of a transformer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitSizes {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width of a token, a multiple of 64.
    pub dim: usize,
    /// Number of blocks.
    pub depth: usize,
    /// Number of register tokens.
    pub registers: usize,
}

impl VitSizes {
    pub(super) fn config(&self, header: &Header) -> Config {
        let config = header.config(self.dim, self.depth);
        Config {
            patch: self.patch,
            registers: self.registers,
            heads: self.dim / 64,
            hidden: 4 * self.dim,
            ..config
        }
    }
}

impl Header {
    /// Of a network whose input is square and normalised like that.
    pub fn new(
        network: Network,
        [side, grid, width]: [usize; 3],
        (mean, std): ([f32; 3], [f32; 3]),
        provenance: String,
    ) -> Self {
        let (format, version) = (FORMAT.to_owned(), VERSION);
        Self { format, version, network, side, grid, width, mean, std, provenance }
    }

    /// Checks that the sizes make a network.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.network {
            Network::Conv(sizes) => sizes.check(self),
            Network::Vit(sizes) => sizes.config(self).check(),
        }
    }

    /// What the rest of the crate wants to know of the network.
    pub(super) fn config(&self, dim: usize, depth: usize) -> Config {
        Config {
            dim,
            depth,
            heads: 0,
            hidden: conv::EXPANSION * dim,
            patch: self.side / self.grid.max(1),
            registers: 0,
            table: self.grid,
            eps: conv::EPS,
            side: self.side,
            grid: self.grid,
            width: self.width,
            layers: Layers { first: 0..0, second: 0..depth },
            mean: self.mean,
            std: self.std,
            positions: PositionInterpolation::Legacy,
            unit_descriptors: false,
        }
    }
}

/// The header of an encoder file of our own; `None` for a file of another origin.
///
/// # Errors
/// When it is one of a later version, or its sizes make no network.
pub(super) fn header(weights: &Weights) -> Result<Option<Header>> {
    let entries = weights.metadata();
    let Some(text) = entries.get(ENTRY).filter(|text| text.contains(FORMAT)) else { return Ok(None) };
    let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, weights.path(), expected, found);
    let header: Header = serde_json::from_str(text)
        .map_err(|e| wrong("the header of an encoder of version 1", e.to_string()))?;
    if header.version != VERSION {
        return Err(wrong("version 1", header.version.to_string()));
    }
    let sizes = [header.side, header.grid, header.width];
    let whole = header.grid > 0 && header.side.is_multiple_of(header.grid);
    if !whole || sizes.iter().any(|size| !(1..=4096).contains(size)) {
        return Err(wrong("side, grid and width of 1 to 4096, whole cells", format!("{sizes:?}")));
    }
    Ok(Some(header))
}

/// A tensor of that name and shape; `None` only for a layer scale, which these networks have none of.
pub(super) fn tensor(weights: &Weights, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>> {
    let wrong = |expected: String, found: String| Error::wrong_file(WHAT, weights.path(), expected, found);
    match weights.get(name)? {
        None if name.ends_with(".gamma") => Ok(None),
        None => Err(wrong(format!("a tensor {name}"), "none of that name".into())),
        Some(tensor) if tensor.shape == shape => Ok(Some(tensor.data)),
        Some(tensor) => Err(wrong(format!("{name} of shape {shape:?}"), format!("{:?}", tensor.shape))),
    }
}

/// Writes an encoder file with its tensors as f16: beside `path` first, then renamed.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, header: &Header, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Result<()> {
    let failed = |e: std::io::Error| Error::write(WHAT, path, e);
    let other = |e: String| failed(std::io::Error::other(e));
    let narrow = |data: &[f32]| data.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    let halves: Vec<Vec<u8>> = tensors.iter().map(|(_, _, data)| narrow(data)).collect();
    let mut views = Vec::new();
    for ((name, shape, _), bytes) in tensors.iter().zip(&halves) {
        let view = TensorView::new(Dtype::F16, shape.clone(), bytes).map_err(|e| other(e.to_string()))?;
        views.push((name.as_str(), view));
    }
    let text = serde_json::to_string(header).map_err(|e| other(e.to_string()))?;
    let bytes = serialize(views, Some(HashMap::from([(ENTRY.to_owned(), text)])))
        .map_err(|e| other(e.to_string()))?;
    crate::weights::write_atomically(path, &bytes).map_err(failed)
}
