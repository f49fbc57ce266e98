//! Checkpoints of decoders that reconstruct, as they are published, with weights by the formula of the golden numbers.

use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use snarm_core::encoder::{resnet_tensors, seeded};
use snarm_core::models::reconstruction::{Kind, Shape, tensors};
use snarm_core::models::scan_order::{Curve, scan_order};
use snarm_core::pickle::{Array, Kind as ArrayKind, state_dict};

/// Sizes of a narrow decoder.
pub fn narrow(directions: usize, curve: Curve) -> Shape {
    let stages = [vec![1], vec![1, 1], vec![1], vec![1]];
    Shape { levels: [8, 12, 16], fused: 20, planes: 8, bottlenecks: 1, stages, states: 4, directions, curve }
}

/// As many channels as a published decoder has, and one block wherever it has some.
pub fn shallow(directions: usize, curve: Curve) -> Shape {
    let stages = [vec![1], vec![1, 1], vec![1, 1], vec![1]];
    Shape { bottlenecks: 1, stages, ..Shape::published(directions, curve) }
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

/// Names and shapes of the ResNet in a checkpoint, with stages of these channels and numbers of blocks.
fn resnet(channels: [usize; 3], blocks: [usize; 3]) -> Vec<(String, Vec<usize>)> {
    let all = resnet_tensors(channels[0], [0, 1, 2].map(|stage| (channels[stage], blocks[stage]))).unwrap();
    all.into_iter().map(|(name, shape)| (format!("net_t.{name}"), shape)).collect()
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

/// Name, shape and numbers of a tensor.
pub type Entry = (String, Array);

/// The tensors of a checkpoint of a family, whose ResNet has stages of so many blocks.
pub fn entries(kind: &'static Kind, shape: &Shape, blocks: [usize; 3]) -> Vec<Entry> {
    let weights = resnet(shape.levels, blocks).into_iter().chain(tensors(kind, shape).unwrap());
    let float = |(name, shape): (String, Vec<usize>)| {
        let array = Array::of_f32(&shape, &value(&name, &shape));
        (name, array)
    };
    let whole = |(name, table): (String, Vec<i64>)| (name, Array::of_i64(&[1, table.len()], &table));
    weights.map(float).chain(tables(kind, shape).into_iter().map(whole)).collect()
}

/// The same by the names of the program that calls the layers around the 7 x 7 convolution as if it were one of 3 x 3 taps.
pub fn respelled(entries: &[Entry]) -> Vec<Entry> {
    let name = |name: &str| name.replace("conv1b7.", "conv1b3.").replace("conv1a7.", "conv1a3.");
    entries.iter().map(|(own, array)| (name(own), array.clone())).collect()
}

/// Writes tensors as safetensors.
pub fn save(path: &Path, entries: &[Entry]) {
    let views = entries.iter().map(|(name, array)| {
        let dtype = if array.kind == ArrayKind::I64 { Dtype::I64 } else { Dtype::F32 };
        (name.as_str(), TensorView::new(dtype, array.shape.clone(), &array.data).unwrap())
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// Writes tensors as `torch.save` does.
pub fn save_torch(path: &Path, entries: &[Entry]) {
    std::fs::write(path, state_dict(entries).unwrap()).unwrap();
}

/// Writes a checkpoint of a family as safetensors, whose ResNet has stages of so many blocks.
pub fn write(path: &Path, kind: &'static Kind, shape: &Shape, blocks: [usize; 3]) {
    save(path, &entries(kind, shape, blocks));
}
