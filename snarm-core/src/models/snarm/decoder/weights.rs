//! Names and shapes of the decoder's tensors: those of the published checkpoints, asserted one by one.

use std::collections::HashSet;
use std::path::Path;

use super::shape::{DEPTH, DILATIONS, STATES, Shape, TAPS, WHAT};
use crate::error::{Error, Result};
use crate::files::Weights;

/// Hands out the tensor of a name, checked against a shape.
pub type Fetch<'a> = dyn Fn(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Ending of the tensors that a checkpoint may lack: counters of training steps that no forward pass reads.
pub const OPTIONAL: &str = ".num_batches_tracked";

/// The first tensor of a decoder, by which it is recognised.
pub(crate) const FIRST: &str = "simple_predictor.weight";

/// The most names that a message lists.
const LISTED: usize = 4;

/// Name and shape of every tensor of a decoder, in the order of the published checkpoints, which have 242.
pub fn tensors(sizes: &Shape) -> Vec<(String, Vec<usize>)> {
    let (c, branches) = (sizes.channels, sizes.branches);
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[usize]| all.push((name, shape.to_vec()));
    add("simple_predictor.weight".to_owned(), &[1, sizes.width, 1, 1]);
    add("simple_predictor.bias".to_owned(), &[1]);
    for b in 0..branches {
        add(format!("conv_list.{b}.weight"), &[c, 2 * sizes.width, 1, 1]);
        add(format!("conv_list.{b}.bias"), &[c]);
    }
    for block in (0..branches).flat_map(|b| (0..DEPTH).map(move |l| format!("mamba_list.{b}.{l}"))) {
        for (name, shape) in mixer_tensors(sizes) {
            add(format!("{block}.mixer.{name}"), &shape);
        }
        add(format!("{block}.norm.weight"), &[c]);
        add(format!("{block}.conv.weight"), &[c, c, 3, 3]);
        add(format!("{block}.conv.bias"), &[c]);
    }
    for b in 0..branches {
        add(format!("norm_list.{b}.weight"), &[c]);
        add(format!("norm_list.{b}.bias"), &[c]);
    }
    for h in 0..sizes.views() {
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

fn mixer_tensors(sizes: &Shape) -> [(&'static str, Vec<usize>); 9] {
    let (c, inner) = (sizes.channels, sizes.inner());
    [
        ("A_log", vec![inner, STATES]),
        ("D", vec![inner]),
        ("in_proj.weight", vec![2 * inner, c]),
        ("conv1d.weight", vec![inner, 1, TAPS]),
        ("conv1d.bias", vec![inner]),
        ("x_proj.weight", vec![sizes.projected(), inner]),
        ("dt_proj.weight", vec![inner, sizes.rank()]),
        ("dt_proj.bias", vec![inner]),
        ("out_proj.weight", vec![c, inner]),
    ]
}

/// Reads the sizes of the decoder in a file, and checks that it holds all tensors of such a decoder and no others.
pub(super) fn check(file: &Weights) -> Result<Shape> {
    check_names(file.path(), &file.names(), &|name| Ok(file.get(name)?.map(|tensor| tensor.shape)))
}

/// As [`check`], of any file: its names, and the shape of each.
pub(crate) fn check_names(
    path: &Path,
    names: &[String],
    shape_of: &dyn Fn(&str) -> Result<Option<Vec<usize>>>,
) -> Result<Shape> {
    let wrong = |expected: String, found: String| Err(Error::wrong_file(WHAT, path, expected, found));
    let Some(navigator) = shape_of(FIRST)? else {
        let prefix = names.iter().find_map(|name| name.strip_suffix(FIRST));
        let found = match (prefix, names.first()) {
            (Some(prefix), _) => format!("all names behind the prefix {prefix}, which must be removed"),
            (None, Some(first)) => format!("{} tensors, the first named {first}", names.len()),
            (None, None) => "no tensors".to_owned(),
        };
        return wrong(format!("a tensor {FIRST}"), found);
    };
    let [1, width, 1, 1] = navigator[..] else {
        return wrong(format!("{FIRST} of shape [1, width, 1, 1]"), format!("{navigator:?}"));
    };
    const EMBEDDING: &str = "conv_list.0.weight";
    let channels = match shape_of(EMBEDDING)? {
        Some(shape) if shape.len() == 4 => shape[0],
        found => {
            let found = found.map_or_else(|| "none of that name".to_owned(), |shape| format!("{shape:?}"));
            return wrong(format!("{EMBEDDING} of shape [channels, {}, 1, 1]", 2 * width), found);
        }
    };
    let shape = Shape { width, channels, branches: branches(names) };
    shape.check()?;
    let expected = tensors(&shape);
    let known: HashSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let present: HashSet<&str> = names.iter().map(String::as_str).collect();
    let foreign: Vec<&str> = names.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    let missing: Vec<&str> = expected
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !name.ends_with(OPTIONAL) && !present.contains(name))
        .collect();
    if missing.is_empty() && foreign.is_empty() {
        return Ok(shape);
    }
    let found = match (&missing[..], &foreign[..]) {
        (missing, []) => format!("none named {}", list(missing)),
        ([], foreign) => format!("also {}", list(foreign)),
        (missing, foreign) => format!("none named {}, but also {}", list(missing), list(foreign)),
    };
    wrong(
        format!("the {} tensors of a decoder of {} branches and no others", expected.len(), shape.branches),
        found,
    )
}

/// Branches that the names speak of.
fn branches(names: &[String]) -> usize {
    let number = |name: &String| {
        let rest =
            ["conv_list.", "mamba_list.", "norm_list."].iter().find_map(|list| name.strip_prefix(list));
        rest?.split('.').next()?.parse::<usize>().ok()
    };
    let last = names.iter().filter_map(number).filter(|b| *b < DILATIONS.len()).max();
    last.map_or(1, |last| last + 1)
}

/// The first names, and how many more there are.
fn list(names: &[&str]) -> String {
    let (listed, more) = names.split_at(names.len().min(LISTED));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    listed.join(", ") + &more
}
