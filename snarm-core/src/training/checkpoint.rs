//! Checkpoints: all that the next step of a run depends on, in one file.
//!
//! A sealed file (`files/sealed.rs`) whose entry is a JSON object with `format`, `version`, `step`, the `config` of the
//! run as a digest, the `steps` that each variable has taken, and `notes` of whoever trains. Tensors are f32, named by
//! what they are: `variable.NAME`, `buffer.NAME` (statistics that no gradient moves), `first.NAME` and `second.NAME`
//! (moments).

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::optim::Moments;
use super::{AdamW, Variables};
use crate::error::{Error, Result};
use crate::files::{self, Sealed, VERSION, hex, seal};

const WHAT: &str = "checkpoint";
const FORMAT: &str = "snarm-checkpoint";

/// Digest of what a run must not change when it goes on: its settings and its data, as text.
pub fn digest(config: &str) -> String {
    hex(&Sha256::digest(config.as_bytes()))
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    version: u64,
    step: u64,
    config: String,
    steps: BTreeMap<String, u64>,
    notes: Value,
}

/// What stands in a checkpoint beside the tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The step that comes next, counted from 0.
    pub step: u64,
    /// Digest of the run's configuration, see [`digest`].
    pub config: String,
    /// What else the trainer must remember, such as the best score so far.
    pub notes: Value,
}

impl Checkpoint {
    /// Writes a checkpoint: to a temporary file beside `path`, synced, then renamed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(
        &self,
        path: &Path,
        variables: &Variables,
        buffers: &Variables,
        optimiser: &AdamW,
    ) -> Result<()> {
        let failed = |e: std::io::Error| Error::write(WHAT, path, e);
        let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
        for (kind, all) in [("variable", variables), ("buffer", buffers)] {
            for (name, var) in all.iter() {
                tensors.push((format!("{kind}.{name}"), var.dims().to_vec(), all.values(name)?));
            }
        }
        let mut steps = BTreeMap::new();
        for (name, moments) in &optimiser.moments {
            for (kind, values) in [("first", &moments.first), ("second", &moments.second)] {
                tensors.push((format!("{kind}.{name}"), vec![values.len()], values.clone()));
            }
            steps.insert(name.clone(), moments.steps);
        }
        let (format, version) = (FORMAT.to_owned(), VERSION);
        let about = About {
            format,
            version,
            step: self.step,
            config: self.config.clone(),
            steps,
            notes: self.notes.clone(),
        };
        let other = |e: String| failed(std::io::Error::other(e));
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .map(|(name, shape, data)| {
                let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(data));
                Ok((name.as_str(), view.map_err(|e| other(e.to_string()))?))
            })
            .collect::<Result<_>>()?;
        files::replace(path, &seal(&about, views).map_err(failed)?).map_err(failed)
    }

    /// Reads a checkpoint back into variables, buffers and optimiser, all of which must have the same names and shapes
    /// as when it was written.
    ///
    /// # Errors
    /// When the file is missing, truncated, no checkpoint, or that of a run of another configuration than `config`.
    pub fn restore(
        path: &Path,
        config: &str,
        variables: &Variables,
        buffers: &Variables,
        optimiser: &mut AdamW,
    ) -> Result<Self> {
        let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, path, expected, found);
        let bytes = files::read(WHAT, path)?;
        let file = Sealed::of(WHAT, path, &bytes)?;
        let about: About = serde_json::from_str(&file.about)
            .ok()
            .filter(|about: &About| about.format == FORMAT && file.is_version(&about.version.into()))
            .ok_or_else(|| wrong("a checkpoint of version 1 or 2", "another safetensors file".into()))?;
        if about.config != config {
            let expected = format!("a run of the configuration {config}");
            return Err(wrong(&expected, format!("one of {}", about.config)));
        }
        let read = |name: &str, len: Option<usize>| -> Result<Vec<f32>> {
            let (dtype, _, data) = file
                .tensor(name)
                .ok_or_else(|| wrong(&format!("a tensor {name}"), "none of that name".into()))?;
            let values: Vec<f32> =
                data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            match len {
                Some(len) if dtype != Dtype::F32 || values.len() != len => {
                    let found = format!("{} of type {dtype:?}", values.len());
                    Err(wrong(&format!("{name} of {len} elements of type F32"), found))
                }
                _ => Ok(values),
            }
        };
        for (kind, all) in [("variable", variables), ("buffer", buffers)] {
            for (name, var) in all.iter() {
                all.set(name, &read(&format!("{kind}.{name}"), Some(var.elem_count()))?)?;
            }
        }
        optimiser.moments.clear();
        for (name, steps) in about.steps {
            let len = Some(variables.get(&name)?.elem_count());
            let (first, second) =
                (read(&format!("first.{name}"), len)?, read(&format!("second.{name}"), len)?);
            optimiser.moments.insert(name, Moments { first, second, steps });
        }
        Ok(Self { step: about.step, config: about.config, notes: about.notes })
    }
}
