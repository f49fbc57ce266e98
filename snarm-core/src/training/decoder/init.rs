//! Weights of a decoder before its training: PyTorch's defaults, and Mamba's own for the mixers.

use crate::error::Result;
use crate::models::snarm::decoder::{OPTIONAL, Shape, tensors};
use crate::training::Variables;
use crate::training::random::{key, uniform};

/// Smallest and largest step of a mixer at the start, evenly spread over its logarithm.
const STEPS: (f64, f64) = (1e-3, 1e-1);

/// No step is smaller.
const STEP_FLOOR: f64 = 1e-4;

/// Endings of what batch norms gather, which no gradient moves.
const STATISTICS: [&str; 2] = ["running_mean", "running_var"];

/// Fresh variables of a decoder, and the statistics of its batch norms.
///
/// # Errors
/// When the sizes are none that a decoder can have.
pub fn variables(shape: &Shape, seed: u64) -> Result<(Variables, Variables)> {
    shape.check()?;
    let (mut variables, mut buffers) = (Variables::default(), Variables::default());
    let all = tensors(shape);
    for (name, dims) in all.iter().filter(|(name, _)| !name.ends_with(OPTIONAL)) {
        let fan_in = fan_in(name, dims, &all);
        let to = if STATISTICS.iter().any(|s| name.ends_with(s)) { &mut buffers } else { &mut variables };
        to.insert(name, values(name, dims, fan_in, shape.rank(), seed), dims)?;
    }
    Ok((variables, buffers))
}

/// Inputs of an output of the layer that a tensor belongs to: a bias goes by its weight.
fn fan_in(name: &str, dims: &[usize], all: &[(String, Vec<usize>)]) -> usize {
    let weight = name.strip_suffix(".bias").map(|layer| format!("{layer}.weight"));
    let dims = all.iter().find(|(name, _)| Some(name) == weight.as_ref()).map_or(dims, |(_, dims)| dims);
    dims.iter().skip(1).product()
}

fn values(name: &str, dims: &[usize], fan_in: usize, rank: usize, seed: u64) -> Vec<f32> {
    let len = dims.iter().product::<usize>();
    let ends = |ending: &str| name.ends_with(ending);
    let key = key(seed, &name.bytes().map(u64::from).collect::<Vec<_>>());
    let spread = |bound: f64| -> Vec<f32> {
        (0..len as u64).map(|i| ((2.0 * f64::from(uniform(key, i)) - 1.0) * bound) as f32).collect()
    };
    if ends("A_log") {
        // Each state has its own time constant.
        let columns = dims.last().copied().unwrap_or(1);
        (0..len).map(|i| ((1 + i % columns) as f64).ln() as f32).collect()
    } else if ends("dt_proj.weight") {
        spread(1.0 / (rank as f64).sqrt())
    } else if ends("dt_proj.bias") {
        let (low, high) = (STEPS.0.ln(), STEPS.1.ln());
        let step = |i| (low + f64::from(uniform(key, i)) * (high - low)).exp().max(STEP_FLOOR);
        // The inverse of softplus.
        (0..len as u64).map(|i| (step(i) + (-(-step(i)).exp_m1()).ln()) as f32).collect()
    } else if ends("running_mean") || (ends("bias") && is_norm(name)) {
        vec![0.0; len]
    } else if ends("running_var") || ends(".D") || is_norm(name) {
        vec![1.0; len]
    } else {
        spread(1.0 / (fan_in.max(1) as f64).sqrt())
    }
}

fn is_norm(name: &str) -> bool {
    name.contains(".norm.") || name.starts_with("norm_list.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_spread_as_in_pytorch_and_mamba() {
        let (variables, buffers) = variables(&Shape::published(512), 1).unwrap();
        assert_eq!((variables.len(), buffers.len()), (242 - 16 - 32, 32));
        let range = |name: &str| {
            let values = variables.values(name).unwrap();
            let fold = |f: fn(f32, f32) -> f32, from: f32| values.iter().copied().fold(from, f);
            (fold(f32::min, f32::INFINITY), fold(f32::max, f32::NEG_INFINITY))
        };
        let spread = |name: &str, bound: f32| {
            let (low, high) = range(name);
            assert!(
                low >= -bound && high <= bound && high - low > 1.5 * bound,
                "{name}: {low} to {high}, {bound}"
            );
        };
        spread("conv_list.2.weight", 1.0 / 32.0);
        spread("conv_list.2.bias", 1.0 / 32.0);
        spread("mamba_list.1.0.mixer.in_proj.weight", 1.0 / 128.0_f32.sqrt());
        spread("mamba_list.1.0.mixer.conv1d.weight", 0.5);
        spread("mamba_list.1.0.mixer.conv1d.bias", 0.5);
        spread("mamba_list.1.0.mixer.dt_proj.weight", 1.0 / 8.0_f32.sqrt());
        spread("head_list.9.0.conv.weight", 1.0 / 1152.0_f32.sqrt());
        assert_eq!(range("mamba_list.0.1.norm.weight"), (1.0, 1.0));
        assert_eq!(range("norm_list.3.bias"), (0.0, 0.0));
        assert_eq!(range("mamba_list.0.1.mixer.A_log"), (0.0, 4.0_f32.ln()));
        let (low, high) = range("mamba_list.3.1.mixer.dt_proj.bias");
        let step = |bias: f32| f64::from(bias).exp().ln_1p();
        assert!(
            step(low) > 0.99e-3 && step(low) < 1.5e-3 && step(high) < 0.101 && step(high) > 0.07,
            "{low} {high}"
        );
        assert_eq!(buffers.values("head_list.15.0.norm.running_var").unwrap(), [1.0; 128]);
    }
}
