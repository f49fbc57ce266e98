//! Checkpoints of decoders that reconstruct, as they are published, with weights by the formula of the golden numbers.

use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use snarm_core::encoder::seeded;
use snarm_core::models::reconstruction::{Kind, Shape, tensors};
use snarm_core::models::scan_order::{Curve, scan_order};

/// Sizes of a narrow decoder.
pub fn narrow(directions: usize, curve: Curve) -> Shape {
    let stages = [vec![1], vec![1, 1], vec![1], vec![1]];
    Shape { levels: [8, 12, 16], fused: 20, planes: 8, bottlenecks: 1, stages, states: 4, directions, curve }
}

/// A tensor of the formula of the golden numbers.
fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let ends = |ending: &str| name.ends_with(ending);
    let len = shape.iter().product();
    if ends("A_logs") {
        let mut values = seeded::values(name, len, 0.0, 0.05);
        for row in values.chunks_exact_mut(shape[1]) {
            row.iter_mut().enumerate().for_each(|(column, v)| *v += (1.0 + column as f64).ln() as f32);
        }
        return values;
    }
    let root = |n: usize| (3.0 / n as f64).sqrt() as f32;
    let (offset, scale) = if ends("running_mean") {
        (0.0, 0.1)
    } else if ends("running_var") {
        (1.0, 0.2)
    } else if ends(".Ds") {
        (1.0, 0.1)
    } else if ends("dt_projs_bias") {
        (-3.0, 2.0)
    } else if ends("x_proj_weight") || ends("dt_projs_weight") {
        (0.0, root(shape[2]))
    } else if ends("weight") && shape.len() > 1 {
        (0.0, root(shape[1..].iter().product()))
    } else if ends("weight") {
        (1.0, 0.1)
    } else {
        (0.0, 0.05)
    };
    seeded::values(name, len, offset, scale)
}

/// Names and shapes of a ResNet of these channels and blocks, whose features are reconstructed.
fn resnet(channels: [usize; 3], blocks: [usize; 3]) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let mut convolution = |conv: String, norm: String, shape: &[usize]| {
        all.push((format!("net_t.{conv}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("net_t.{norm}.{part}"), vec![shape[0]]));
        }
    };
    let mut inputs = channels[0];
    convolution("conv1".into(), "bn1".into(), &[inputs, 3, 7, 7]);
    for (s, (channels, blocks)) in channels.into_iter().zip(blocks).enumerate() {
        for b in 0..blocks {
            let at = format!("layer{}.{b}", s + 1);
            convolution(format!("{at}.conv1"), format!("{at}.bn1"), &[channels, inputs, 3, 3]);
            convolution(format!("{at}.conv2"), format!("{at}.bn2"), &[channels, channels, 3, 3]);
            if inputs != channels {
                convolution(
                    format!("{at}.downsample.0"),
                    format!("{at}.downsample.1"),
                    &[channels, inputs, 1, 1],
                );
            }
            inputs = channels;
        }
    }
    all
}

/// The tables of a published checkpoint.
fn tables(kind: &Kind, shape: &Shape) -> Vec<(String, Vec<i64>)> {
    let mut all = Vec::new();
    for (s, modules) in shape.stages.iter().enumerate() {
        for (i, b) in modules.iter().enumerate().flat_map(|(i, n)| (0..*n).map(move |b| (i, b))) {
            let at = format!("net_s.layers_up.{s}.blocks.{i}.smm_blocks.{b}.self_attention.scans.index_flat");
            for (level, ending) in
                ["", "1", "2"].into_iter().enumerate().take(if kind.quarters { 3 } else { 1 })
            {
                let order = scan_order(shape.curve, 8 << s >> level, 0);
                let mut inverse = vec![0; order.len()];
                order.iter().enumerate().for_each(|(place, cell)| inverse[*cell as usize] = place as i64);
                all.push((format!("{at}{ending}"), order.into_iter().map(i64::from).collect()));
                all.push((format!("{at}_inv{ending}"), inverse));
            }
        }
    }
    all
}

/// Writes a checkpoint of a family, whose ResNet has stages of so many blocks.
pub fn write(path: &Path, kind: &'static Kind, shape: &Shape, blocks: [usize; 3]) {
    let mut all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, shape) in resnet(shape.levels, blocks).into_iter().chain(tensors(kind, shape).unwrap()) {
        let bytes = bytemuck::cast_slice(&value(&name, &shape)).to_vec();
        all.push((name, Dtype::F32, shape, bytes));
    }
    for (name, table) in tables(kind, shape) {
        all.push((name, Dtype::I64, vec![table.len()], bytemuck::cast_slice(&table).to_vec()));
    }
    let views = all.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}
