//! The simplest of families, for tests: a frame is compared with the mean descriptor of good frames, as a picture would be
//! with their mean colour. It needs no rows of a bank and reads one level of features.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use snarm_kernels::Grid;
use snarm_kernels::hybrid_score::mean_distances;
use snarm_kernels::nearest::{Filter, Rows, Workspace, nearest, squared_norms};

use super::family::{Model, Provenance, Trained};
use crate::bank::{Calibration, Memory};
use crate::detect::StageTimes;
use crate::encoder::{Encoder, Features, Geometry};
use crate::error::{Error, Result};
use crate::files::{self, VERSION, Weights, hex, seal};

/// Name of the family in files.
pub const FAMILY: &str = "mean";

const WHAT: &str = "decoder";

/// Name of the tensor, (width).
const MEAN: &str = "mean";

/// What a file says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    encoder_digest: String,
}

/// The mean descriptor.
pub struct Mean {
    mean: Vec<f32>,
    norm: [f32; 1],
    scorer: String,
    digest: String,
    content: String,
    about: About,
}

/// Writes the mean descriptor of good frames, as `encoder` sees them.
///
/// # Errors
/// When the file cannot be written.
pub fn save(path: &Path, encoder: &Encoder, mean: &[f32]) -> Result<()> {
    let failed = |e: std::io::Error| Error::write(WHAT, path, e);
    let about = About { encoder_digest: encoder.digest().to_owned() };
    let header = json!({ "format": "snarm-decoder", "version": VERSION, "family": FAMILY, "decoder": about });
    let tensor = TensorView::new(Dtype::F32, vec![mean.len()], bytemuck::cast_slice(mean));
    let tensor = tensor.map_err(|e| failed(std::io::Error::other(e)))?;
    let bytes = seal(&header, vec![(MEAN, tensor)]).map_err(failed)?;
    files::replace(path, &bytes).map_err(failed)
}

impl Mean {
    /// Takes the tensor of an open file, and what it says of itself.
    ///
    /// # Errors
    /// When there is no such tensor, or the header says something else.
    pub fn from_weights(file: &Weights) -> Result<Self> {
        let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, file.path(), expected, found);
        let mut header: Value =
            file.about().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let about = serde_json::from_value(header["decoder"].take())
            .map_err(|e| wrong("a header of the family mean", e.to_string()))?;
        let tensor = file.get(MEAN)?.filter(|tensor| tensor.shape.len() == 1 && !tensor.data.is_empty());
        let mean = tensor.ok_or_else(|| wrong("a tensor mean (width)", "none".into()))?.data;
        let mut norm = [0.0];
        snarm_kernels::threads::install(|| squared_norms(&mean, mean.len(), &mut norm))??;
        let digest = hex(&Sha256::digest(bytemuck::cast_slice::<f32, u8>(&mean)));
        let scorer = format!("{FAMILY}:{digest}");
        Ok(Self { mean, norm, scorer, digest, content: file.digest().to_owned(), about })
    }
}

impl Trained for Mean {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn summary(&self) -> String {
        format!("the mean of descriptors {} wide", self.mean.len())
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn content(&self) -> &str {
        &self.content
    }

    fn scorer(&self) -> &str {
        &self.scorer
    }

    fn provenance(&self) -> Option<&Provenance> {
        None
    }

    fn calibration(&self) -> Option<&Calibration> {
        None
    }

    fn needs_memory(&self) -> bool {
        false
    }

    fn encoder(&self) -> Option<&str> {
        None
    }

    fn encoder_digest(&self) -> Option<&str> {
        Some(&self.about.encoder_digest)
    }

    fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        let (ours, theirs) = (&self.about.encoder_digest, encoder.digest());
        if ours == theirs && encoder.geometry().width() == self.mean.len() {
            return Ok(());
        }
        let expected = format!("the weights {ours}, {} wide", self.mean.len());
        let found = format!("{theirs} ({}), {} wide", encoder.name(), encoder.geometry().width());
        Err(Error::Mismatch { what: "encoder of the decoder", expected, found })
    }

    fn model(self: Arc<Self>, geometry: &Geometry) -> Result<Box<dyn Model>> {
        let tokens = geometry.tokens();
        let (workspace, indices) = (Workspace::default(), vec![0; tokens]);
        let (squares, scores) = (vec![0.0; tokens], vec![0.0; tokens]);
        Ok(Box::new(Distances { family: self, grid: geometry.grid(), workspace, indices, squares, scores }))
    }
}

/// The distances of a stream's descriptors from the mean.
struct Distances {
    family: Arc<Mean>,
    grid: Grid,
    workspace: Workspace,
    indices: Vec<u32>,
    squares: Vec<f32>,
    scores: Vec<f32>,
}

impl Model for Distances {
    fn scorer(&self) -> &str {
        &self.family.scorer
    }

    fn map_size(&self) -> Grid {
        self.grid
    }

    fn score(
        &mut self,
        features: &Features<'_>,
        _: Option<&Memory>,
        _: Option<u32>,
        _: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        let start = Instant::now();
        let Mean { mean, norm, .. } = &*self.family;
        let rows = Rows { data: &mean[..], norms: norm };
        let (indices, squares) = (&mut self.indices, &mut self.squares);
        let (all, workspace) = (Filter::default(), &mut self.workspace);
        nearest(features.descriptors(), mean.len(), rows, all, 1, workspace, indices, squares)?;
        mean_distances(&self.squares, 1, &mut self.scores)?;
        times.add("compare", start.elapsed());
        Ok(&self.scores)
    }
}
