use std::path::Path;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::encoder::{Encoder, PositionInterpolation, Workspace, seeded};

/// Channels of the stem, and channels and blocks of the stages, of a narrow network.
const NARROW: (usize, [(usize, usize); 3]) = (4, [(4, 2), (6, 1), (10, 2)]);

fn narrow() -> Vec<(String, Vec<usize>)> {
    tensors(NARROW.0, NARROW.1).unwrap()
}

fn value(name: &str, shape: &[usize]) -> Vec<f32> {
    let (offset, scale) = match name {
        name if name.ends_with("running_var") => (1.0, 0.3),
        name => seeded::common_rule(name, shape),
    };
    seeded::values(name, shape.iter().product(), offset, scale)
}

fn write(path: &Path, tensors: &[(String, Vec<usize>)], name: impl Fn(&str) -> String) {
    let all: Vec<(String, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(own, shape)| (name(own), &shape[..], bytemuck::cast_slice(&value(own, shape)).to_vec()))
        .collect();
    let views = all.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// Writes a narrow network to that file, whose name is returned.
pub(crate) fn write_narrow(path: &Path) -> &str {
    write(path, &narrow(), str::to_owned);
    path.to_str().unwrap()
}

fn load(path: &Path) -> Result<Encoder> {
    Encoder::load(&path.display().to_string(), PositionInterpolation::Legacy)
}

/// A convolution and its batch norm of a map (rows, columns, c), the plainest way, in f64.
fn plain(
    x: &[f64],
    grid: Grid,
    conv: &str,
    norm: &str,
    out: usize,
    side: usize,
    step: usize,
) -> (Vec<f64>, Grid) {
    let c = x.len() / grid.cells();
    let weight = value(&format!("{conv}.weight"), &[out, c, side, side]);
    let of = |part: &str| value(&format!("{norm}.{part}"), &[out]);
    let (gain, offset, mean, var) = (of("weight"), of("bias"), of("running_mean"), of("running_var"));
    let over = Window { side, step, border: side / 2 }.outputs(grid);
    let mut y = Vec::new();
    for (r, q, o) in
        (0..over.rows).flat_map(|r| (0..over.columns).flat_map(move |q| (0..out).map(move |o| (r, q, o))))
    {
        let mut sum = 0.0;
        for (i, j, channel) in
            (0..side).flat_map(|i| (0..side).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
        {
            let (row, column) =
                ((r * step + i).wrapping_sub(side / 2), (q * step + j).wrapping_sub(side / 2));
            if row < grid.rows && column < grid.columns {
                let w = f64::from(weight[((o * c + channel) * side + i) * side + j]);
                sum += w * x[(row * grid.columns + column) * c + channel];
            }
        }
        let scale = f64::from(gain[o]) / (f64::from(var[o]) + 1e-5).sqrt();
        y.push((sum - f64::from(mean[o])) * scale + f64::from(offset[o]));
    }
    (y, over)
}

fn rectified(x: Vec<f64>) -> Vec<f64> {
    x.into_iter().map(|v| v.max(0.0)).collect()
}

/// All levels, the plainest way.
fn reference(image: &[f32], size: Grid) -> Vec<f32> {
    let (n, side) = (size.cells(), size.columns);
    let pixels: Vec<f64> = (0..3 * n).map(|i| f64::from(image[i % 3 * n + i / 3])).collect();
    let (x, grid) = plain(&pixels, size, "conv1", "bn1", 4, 7, 2);
    let x = rectified(x);
    let pooled = POOL.outputs(grid);
    assert_eq!((grid.columns, pooled.columns), (side / 2, side / 4));
    let mut y = vec![f64::MIN; pooled.cells() * 4];
    for (i, y) in y.iter_mut().enumerate() {
        let (r, q, c) = (i / 4 / pooled.columns, i / 4 % pooled.columns, i % 4);
        for (row, column) in
            (0..9).map(|t| ((2 * r + t / 3).wrapping_sub(1), (2 * q + t % 3).wrapping_sub(1)))
        {
            if row < grid.rows && column < grid.columns {
                *y = y.max(x[(row * grid.columns + column) * 4 + c]);
            }
        }
    }
    let (mut x, mut grid, mut found, mut inputs) = (y, pooled, Vec::new(), 4);
    for (s, (channels, blocks)) in NARROW.1.into_iter().enumerate() {
        for b in 0..blocks {
            let (at, step) = (format!("layer{}.{b}", s + 1), if s > 0 && b == 0 { 2 } else { 1 });
            let name = |part: &str| format!("{at}.{part}");
            let (inner, over) = plain(&x, grid, &name("conv1"), &name("bn1"), channels, 3, step);
            let (outer, _) = plain(&rectified(inner), over, &name("conv2"), &name("bn2"), channels, 3, 1);
            if inputs != channels {
                x = plain(&x, grid, &name("downsample.0"), &name("downsample.1"), channels, 1, step).0;
            }
            x = rectified(x.iter().zip(outer).map(|(x, y)| x + y).collect());
            (grid, inputs) = (over, channels);
        }
        found.extend(x.iter().map(|v| *v as f32));
    }
    found
}

#[test]
fn three_levels_are_those_of_the_plainest_network_under_any_prefix_and_aspect() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    for prefix in ["", "net_t."] {
        write(&path, &narrow(), |name| format!("{prefix}{name}"));
        for aspect in [1.0, 2.0] {
            let encoder = load(&path).unwrap().of_aspect(aspect);
            let geometry = encoder.geometry();
            let of = |level: &Level| (level.grid.rows, level.grid.columns, level.width);
            let levels: Vec<_> = geometry.levels().iter().map(of).collect();
            let [rows, columns] = if aspect == 1.0 { [64, 64] } else { [44, 88] };
            let expected = [(rows, columns, 4), (rows / 2, columns / 2, 6), (rows / 4, columns / 4, 10)];
            assert_eq!(levels, expected);
            let image = seeded::values("image", geometry.input_len(), 0.0, 1.5);
            let (mut found, mut seen) = (Vec::new(), Vec::new());
            let mut observe = |number: usize, _: &[f32]| seen.push(number);
            encoder.encode_observed(&image, &mut Workspace::default(), &mut found, &mut observe).unwrap();
            assert_eq!(seen, [0, 1, 2, 3]);
            let expected = reference(&image, geometry.size);
            assert_eq!(found.len(), expected.len());
            let worst = found.iter().zip(&expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{prefix} {aspect}: {worst}");
        }
    }
}

#[test]
fn what_is_no_such_network_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.safetensors");
    let refused = |tensors: &[(String, Vec<usize>)], words: &str| {
        write(&path, tensors, str::to_owned);
        let error = load(&path).err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
    };
    let mut deeper = narrow();
    deeper.push(("layer1.0.conv3.weight".to_owned(), vec![16, 4, 1, 1]));
    refused(&deeper, "expected a ResNet of basic blocks (18 or 34 layers), found bottlenecks");
    let without =
        |part: &str| -> Vec<_> { narrow().into_iter().filter(|(name, _)| !name.contains(part)).collect() };
    refused(&without("layer3."), "stages of [(4, 2), (6, 1), (0, 0)]");
    refused(&without("layer2.0.bn2.running_var"), "expected a tensor layer2.0.bn2.running_var");
    write(&path, &narrow(), str::to_owned);
    let error = load(&path).unwrap().with_grid(20).err().unwrap().to_string();
    assert!(error.contains("a network with one level of features for another grid, found 3"), "{error}");
}
