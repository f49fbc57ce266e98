//! Checkpoints: all that the next step of a run depends on, in one file.
//!
//! A sealed file (`files/sealed.rs`) whose entry is a JSON object with `format`, `version`, `step`, the `config` of the
//! run ([`Identity`]), the `steps` that each variable has taken, and `notes` of whoever trains. Tensors are f32, named by
//! what they are: `variable.NAME`, `buffer.NAME` (statistics that no gradient moves), `first.NAME` and `second.NAME`
//! (moments).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::optim::Moments;
use super::{AdamW, Variables};
use crate::error::{Error, Result};
use crate::files::{self, Sealed, VERSION, hex, seal};

const WHAT: &str = "checkpoint";
const FORMAT: &str = "snarm-checkpoint";

/// Version of the fields of [`Identity::run`].
const RUNS: u32 = 1;

/// What a run must not change when it goes on: its settings and its data, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    version: u32,
    run: Value,
}

impl Identity {
    /// Of a run that these values describe.
    ///
    /// # Errors
    /// When a value is none that JSON has a name for.
    pub fn new(run: &impl Serialize) -> Result<Self> {
        let failed = |e: serde_json::Error| Error::Values {
            what: "checkpoint",
            expected: "settings that JSON can hold".to_owned(),
            found: e.to_string(),
        };
        Ok(Self { version: RUNS, run: serde_json::to_value(run).map_err(failed)? })
    }

    /// The same with one value more.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn and(mut self, name: &str, value: &str) -> Result<Self> {
        let Value::Object(run) = &mut self.run else {
            let (expected, found) = ("named values of a run".to_owned(), self.run.to_string());
            return Err(Error::Values { what: "checkpoint", expected, found });
        };
        run.insert(name.to_owned(), value.into());
        Ok(self)
    }

    /// The identity that a file holds: what was expected and what was found where it is another.
    fn check(&self, kept: &Value) -> std::result::Result<(), (String, String)> {
        let expected = || "a run of the configuration".to_owned();
        let Ok(kept) = serde_json::from_value::<Self>(kept.clone()) else {
            let found = "one of an older program, which kept no more than a digest of it: start anew";
            return Err((expected(), found.to_owned()));
        };
        if kept.version != self.version {
            return Err((format!("{} in version {}", expected(), self.version), kept.version.to_string()));
        }
        match difference(&self.run, &kept.run, String::new()) {
            None => Ok(()),
            Some((at, ours, theirs)) => Err((format!("{} {at} = {ours}", expected()), theirs)),
        }
    }
}

/// The name of the first value that is another, and both.
fn difference(ours: &Value, theirs: &Value, at: String) -> Option<(String, String, String)> {
    if let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) {
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let value = |of: &Map<String, Value>, name: &String| of.get(name).cloned().unwrap_or_default();
        let join = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        return names
            .into_iter()
            .find_map(|name| difference(&value(ours, name), &value(theirs, name), join(name)));
    }
    (ours != theirs).then(|| (at, ours.to_string(), theirs.to_string()))
}

/// SHA-256 of a text, in hexadecimal: of descriptions that are too long to be kept.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: String,
    version: u64,
    step: u64,
    config: Value,
    steps: BTreeMap<String, u64>,
    notes: Value,
}

/// What stands in a checkpoint beside the tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The step that comes next, counted from 0.
    pub step: u64,
    /// What the run must not change.
    pub config: Identity,
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
        let other = |e: String| failed(std::io::Error::other(e));
        let about = About {
            format,
            version,
            step: self.step,
            config: serde_json::to_value(&self.config).map_err(|e| other(e.to_string()))?,
            steps,
            notes: self.notes.clone(),
        };
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
        config: &Identity,
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
        config.check(&about.config).map_err(|(expected, found)| wrong(&expected, found))?;
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
        Ok(Self { step: about.step, config: config.clone(), notes: about.notes })
    }
}
