//! Encoder files of our own: sealed (`files/sealed.rs`), with an entry that says what network the tensors make.
//! Tensors may be f32, f16 or bf16.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;

use super::geometry::{Geometry, Level};
use super::sizes::Network;
use crate::error::{Error, Result};
use crate::files::{self, VERSION, Weights, seal};

const WHAT: &str = "encoder";
const FORMAT: &str = "snarm-encoder";

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

impl Header {
    /// Of a network of that geometry, whose input is a square.
    pub fn new(network: Network, geometry: &Geometry, provenance: String) -> Self {
        let (format, version) = (FORMAT.to_owned(), VERSION);
        let Level { grid, width } = geometry.level();
        let (side, grid) = (geometry.size.rows, grid.rows);
        let Geometry { mean, std, .. } = *geometry;
        Self { format, version, network, side, grid, width, mean, std, provenance }
    }

    /// Checks that the sizes make a network.
    pub(crate) fn check(&self) -> Result<()> {
        self.network.check(&self.geometry())
    }

    /// What the network reads and gives.
    pub(crate) fn geometry(&self) -> Geometry {
        let Self { side, grid, width, mean, std, .. } = *self;
        Geometry::new(Grid::square(side), Level { grid: Grid::square(grid), width }, (mean, std))
    }
}

/// The header of an encoder file of our own; `None` for a file of another origin.
///
/// # Errors
/// When it is one of a later version, or its sizes make no network.
pub(super) fn header(weights: &Weights) -> Result<Option<Header>> {
    let Some(text) = weights.about().filter(|text| text.contains(FORMAT)) else { return Ok(None) };
    let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, weights.path(), expected, found);
    let header: Header = serde_json::from_str(text)
        .map_err(|e| wrong("the header of an encoder of version 1 or 2", e.to_string()))?;
    if !weights.is_version(&header.version.into()) {
        return Err(wrong("version 1, or 2 with a digest", format!("version {}", header.version)));
    }
    let sizes = [header.side, header.grid, header.width];
    let whole = header.grid > 0 && header.side.is_multiple_of(header.grid);
    if !whole || sizes.iter().any(|size| !(1..=4096).contains(size)) {
        return Err(wrong("side, grid and width of 1 to 4096, whole cells", format!("{sizes:?}")));
    }
    Ok(Some(header))
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
    files::replace(path, &seal(header, views).map_err(failed)?).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::{Encoder, PositionInterpolation, VitSizes, seeded};

    /// A small transformer of our own in a file, its header changed by `change`.
    fn load(change: impl FnOnce(&mut Header)) -> Result<Encoder> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let network = Network::Vit(VitSizes { patch: 4, dim: 64, depth: 2, registers: 1 });
        let geometry = Geometry::new(
            Grid::square(8),
            Level { grid: Grid::square(2), width: 4 },
            crate::encoder::IMAGENET,
        );
        let mut header = Header::new(network, &geometry, "a test".to_owned());
        let mut shapes: Vec<(String, Vec<usize>)> = [
            ("patch_embed.proj.weight", vec![64, 3, 4, 4]),
            ("patch_embed.proj.bias", vec![64]),
            ("cls_token", vec![1, 1, 64]),
            ("pos_embed", vec![1, 5, 64]),
            ("register_tokens", vec![1, 1, 64]),
            ("head.norm.weight", vec![64]),
            ("head.norm.bias", vec![64]),
            ("head.weight", vec![4, 64]),
            ("head.bias", vec![4]),
        ]
        .map(|(name, shape)| (name.to_owned(), shape))
        .into();
        for block in 0..2 {
            for (part, out, k) in
                [("attn.qkv", 192, 64), ("attn.proj", 64, 64), ("mlp.fc1", 256, 64), ("mlp.fc2", 64, 256)]
            {
                shapes.push((format!("blocks.{block}.{part}.weight"), vec![out, k]));
                shapes.push((format!("blocks.{block}.{part}.bias"), vec![out]));
            }
            for norm in ["norm1", "norm2"] {
                shapes.push((format!("blocks.{block}.{norm}.weight"), vec![64]));
                shapes.push((format!("blocks.{block}.{norm}.bias"), vec![64]));
            }
        }
        let tensors: Vec<_> = shapes
            .into_iter()
            .map(|(name, shape)| (name.clone(), shape.clone(), seeded::vit_tensor(&name, &shape)))
            .collect();
        change(&mut header);
        save(file.path(), &header, &tensors).unwrap();
        Encoder::load(&file.path().display().to_string(), PositionInterpolation::Legacy)
    }

    /// A header asks for no memory that its tensors do not fill, and no number in it is too large to be refused.
    #[test]
    fn headers_that_ask_for_too_much_are_refused() {
        let encoder = load(|_| {}).unwrap();
        let mut descriptors = Vec::new();
        encoder.encode(&[0.5; 3 * 8 * 8], &mut Default::default(), &mut descriptors).unwrap();
        assert_eq!(descriptors.len(), 2 * 2 * 4);
        let sized = |change: fn(&mut VitSizes)| {
            let changed = load(|header| match &mut header.network {
                Network::Vit(sizes) => change(sizes),
                Network::Conv(_) | Network::Pyramid(_) => unreachable!(),
            });
            changed.err().map(|e| e.to_string()).unwrap_or_default()
        };
        const MOST: usize = usize::MAX;
        for (said, expected) in [
            (sized(|sizes| sizes.dim = MOST - 63), "tokens up to 8192 wide"),
            (sized(|sizes| sizes.depth = MOST), "up to 256 blocks"),
            (sized(|sizes| sizes.registers = MOST), "as many registers"),
            (sized(|sizes| sizes.patch = MOST), "patches of 1 to 64 pixels"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
        // 16 million patches, of which the file says nothing.
        let said = load(|header| {
            header.side = 4096;
            header.network = Network::Vit(VitSizes { patch: 1, dim: 64, depth: 2, registers: 1 });
        });
        let said = said.err().unwrap().to_string();
        assert!(said.contains("1 to 512 patches a side, found 4096"), "{said}");
    }
}
