//! Weights before training: as the published program begins, which takes PyTorch's defaults where it says nothing.

use crate::error::Result;
use crate::models::reconstruction::{Kind, Shape, tensors};
use crate::training::Variables;
use crate::training::random::{key, normal_pair, uniform};

/// Smallest and largest step of a scan at the start, evenly spread over its logarithm.
const STEPS: (f64, f64) = (1e-3, 1e-1);

/// No step is smaller.
const STEP_FLOOR: f64 = 1e-4;

/// Deviation of linear layers, which is cut off at two of them.
const LINEAR: f64 = 0.02;

/// Fresh variables, and the statistics of the batch norms, which no gradient moves.
///
/// # Errors
/// When the sizes are none of the family.
pub fn variables(kind: &'static Kind, shape: &Shape, seed: u64) -> Result<(Variables, Variables)> {
    let (mut variables, mut buffers) = (Variables::default(), Variables::default());
    let all = tensors(kind, shape)?;
    for (name, dims) in &all {
        let to = if name.contains(".running_") { &mut buffers } else { &mut variables };
        let weight = name.strip_suffix(".bias").map(|layer| format!("{layer}.weight"));
        let layer = all.iter().find(|(name, _)| Some(name) == weight.as_ref()).map_or(dims, |(_, dims)| dims);
        to.insert(name, values(name, dims, layer, seed), dims)?;
    }
    Ok((variables, buffers))
}

/// The values of a tensor; `layer` is the shape of the weight that a bias belongs to.
fn values(name: &str, dims: &[usize], layer: &[usize], seed: u64) -> Vec<f32> {
    let len = dims.iter().product::<usize>();
    let ends = |ending: &str| name.ends_with(ending);
    let key = key(seed, &name.bytes().map(u64::from).collect::<Vec<_>>());
    let spread = |bound: f64| -> Vec<f32> {
        (0..len as u64).map(|i| ((2.0 * f64::from(uniform(key, i)) - 1.0) * bound) as f32).collect()
    };
    let normal = |deviation: f64, most: f64| -> Vec<f32> {
        let scaled = |v: f32| (f64::from(v) * deviation).clamp(-most, most) as f32;
        (0..(len as u64).div_ceil(2)).flat_map(|i| normal_pair(key, i)).take(len).map(scaled).collect()
    };
    let inputs = |dims: &[usize]| dims.iter().skip(1).product::<usize>().max(1) as f64;
    if ends("A_logs") {
        // Each state has its own time constant.
        let columns = dims.last().copied().unwrap_or(1);
        (0..len).map(|i| ((1 + i % columns) as f64).ln() as f32).collect()
    } else if ends("dt_projs_weight") {
        spread(1.0 / (dims.last().copied().unwrap_or(1) as f64).sqrt())
    } else if ends("dt_projs_bias") {
        let (low, high) = (STEPS.0.ln(), STEPS.1.ln());
        let step = |i| (low + f64::from(uniform(key, i)) * (high - low)).exp().max(STEP_FLOOR);
        // The inverse of softplus.
        (0..len as u64).map(|i| (step(i) + (-(-step(i)).exp_m1()).ln()) as f32).collect()
    } else if ends("x_proj_weight") {
        spread(1.0 / (dims.last().copied().unwrap_or(1) as f64).sqrt())
    } else if ends("running_mean") {
        vec![0.0; len]
    } else if ends("running_var") || ends(".Ds") || (ends("weight") && dims.len() == 1) {
        vec![1.0; len]
    } else if ends("bias") && layer.len() <= 1 {
        vec![0.0; len]
    } else if ends("bias") {
        spread(1.0 / inputs(layer).sqrt())
    } else if dims.len() == 2 {
        normal(LINEAR, 2.0 * LINEAR)
    } else if name.contains(".conv2d.") {
        spread(1.0 / inputs(dims).sqrt())
    } else {
        // By the outputs; of a convolution by channels each has one.
        let taps: usize = dims.iter().skip(2).product();
        let outputs = if dims[1] == 1 { taps } else { taps * dims[0] };
        normal((2.0 / outputs.max(1) as f64).sqrt(), f64::INFINITY)
    }
}
