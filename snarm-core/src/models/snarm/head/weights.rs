//! Names and shapes of the head's tensors: those of the published checkpoints, 242 in number, asserted one by one.

use std::collections::HashSet;

use super::mixer::{INNER, RANK, STATES, TAPS};
use super::{CHANNELS, DEPTH, DILATIONS, VIEWS, WHAT};
use crate::error::{Error, Result};
use crate::weights::Weights;

/// Hands out the tensor of a name, checked against a shape.
pub type Fetch<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Ending of the tensors that a checkpoint may lack: counters that no forward pass reads.
pub const OPTIONAL: &str = ".num_batches_tracked";

/// Name and shape of every tensor of a head for residuals of that width, in the order of the published checkpoints.
pub fn tensors(width: usize) -> Vec<(String, Vec<usize>)> {
    let c = CHANNELS;
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[usize]| all.push((name, shape.to_vec()));
    add("simple_predictor.weight".to_owned(), &[1, width, 1, 1]);
    add("simple_predictor.bias".to_owned(), &[1]);
    for b in 0..DILATIONS.len() {
        add(format!("conv_list.{b}.weight"), &[c, 2 * width, 1, 1]);
        add(format!("conv_list.{b}.bias"), &[c]);
    }
    for block in (0..DILATIONS.len()).flat_map(|b| (0..DEPTH).map(move |l| format!("mamba_list.{b}.{l}"))) {
        for (name, shape) in mixer_tensors() {
            add(format!("{block}.mixer.{name}"), &shape);
        }
        add(format!("{block}.norm.weight"), &[c]);
        add(format!("{block}.conv.weight"), &[c, c, 3, 3]);
        add(format!("{block}.conv.bias"), &[c]);
    }
    for b in 0..DILATIONS.len() {
        add(format!("norm_list.{b}.weight"), &[c]);
        add(format!("norm_list.{b}.bias"), &[c]);
    }
    for h in 0..VIEWS {
        add(format!("head_list.{h}.0.conv.weight"), &[c, c, 3, 3]);
        for name in ["weight", "bias", "running_mean", "running_var"] {
            add(format!("head_list.{h}.0.norm.{name}"), &[c]);
        }
        add(format!("head_list.{h}.0.norm{OPTIONAL}"), &[]);
        add(format!("head_list.{h}.1.weight"), &[1, c, 1, 1]);
        add(format!("head_list.{h}.1.bias"), &[1]);
    }
    all
}

fn mixer_tensors() -> [(&'static str, Vec<usize>); 9] {
    [
        ("A_log", vec![INNER, STATES]),
        ("D", vec![INNER]),
        ("in_proj.weight", vec![2 * INNER, CHANNELS]),
        ("conv1d.weight", vec![INNER, 1, TAPS]),
        ("conv1d.bias", vec![INNER]),
        ("x_proj.weight", vec![RANK + 2 * STATES, INNER]),
        ("dt_proj.weight", vec![INNER, RANK]),
        ("dt_proj.bias", vec![INNER]),
        ("out_proj.weight", vec![CHANNELS, INNER]),
    ]
}

/// Checks the names in a file, all of them and no others, and returns the width of the residuals it was trained on.
pub(super) fn check(file: &Weights) -> Result<usize> {
    let names = file.names();
    const FIRST: &str = "simple_predictor.weight";
    let Some(navigator) = file.get(FIRST)? else {
        let prefix = names.iter().find_map(|name| name.strip_suffix(FIRST));
        let found = match (prefix, names.first()) {
            (Some(prefix), _) => format!("all names behind the prefix {prefix}, which must be removed"),
            (None, Some(first)) => format!("{} tensors, the first named {first}", names.len()),
            (None, None) => "no tensors".to_owned(),
        };
        return Err(Error::wrong_file(WHAT, file.path(), format!("a tensor {FIRST}"), found));
    };
    let [1, width, 1, 1] = navigator.shape[..] else {
        let expected = format!("{FIRST} of shape [1, width, 1, 1]");
        return Err(Error::wrong_file(WHAT, file.path(), expected, format!("{:?}", navigator.shape)));
    };
    let expected = tensors(width);
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(foreign) = names.iter().find(|name| !known.contains(name.as_str())) {
        let what = format!("the {} tensors of a SNARM head and no others", expected.len());
        return Err(Error::wrong_file(WHAT, file.path(), what, format!("a tensor {foreign}")));
    }
    let present: HashSet<&str> = names.iter().map(String::as_str).collect();
    let missing = |name: &str| !name.ends_with(OPTIONAL) && !present.contains(name);
    match expected.iter().find(|(name, _)| missing(name)) {
        None => Ok(width),
        Some((name, shape)) => {
            let expected = format!("a tensor {name} of shape {shape:?}");
            Err(Error::wrong_file(WHAT, file.path(), expected, "none of that name"))
        }
    }
}

/// The tensor of that name, checked against a shape.
pub(super) fn shaped(file: &Weights, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let wrong = |found: String| {
        Err(Error::wrong_file(WHAT, file.path(), format!("{name} of shape {shape:?}"), found))
    };
    match file.get(name)? {
        Some(tensor) if tensor.shape == shape => Ok(tensor.data),
        Some(tensor) => wrong(format!("{:?}", tensor.shape)),
        None => wrong("none of that name".to_owned()),
    }
}

/// A tensor of one element.
pub(super) fn single(fetch: &Fetch<'_>, name: &str) -> Result<f32> {
    let values = fetch(name, &[1])?;
    values.first().copied().ok_or_else(|| Error::Mismatch {
        what: WHAT,
        expected: format!("one element in {name}"),
        found: "none".to_owned(),
    })
}
