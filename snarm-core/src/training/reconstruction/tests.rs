use std::collections::BTreeSet;

use candle_core::{Device, Tensor};
use snarm_kernels::Grid;

use super::*;
use crate::encoder::{Geometry, IMAGENET, Level, PositionInterpolation, seeded};
use crate::models::reconstruction::{Stage, Workspace};
use crate::models::scan_order::Curve;
use crate::models::{mambaad, pyramid_mamba};
use crate::synthetic::product::Product;
use crate::training::decoder::Image;

/// Stages and what they made.
type Stages = Vec<(Stage, Vec<f32>)>;

/// Side of the finest level.
const SIDE: usize = 32;

fn narrow(directions: usize, curve: Curve) -> Shape {
    let stages = [vec![2], vec![1, 1], vec![1], vec![1]];
    Shape { levels: [8, 12, 16], fused: 20, planes: 8, bottlenecks: 2, stages, states: 3, directions, curve }
}

fn families() -> [(&'static Kind, Shape); 2] {
    [(&mambaad::KIND, narrow(8, Curve::Hilbert)), (&pyramid_mamba::KIND, narrow(4, Curve::Sweep))]
}

/// Features of two images, level by level.
fn levels(shape: &Shape) -> [Tensor; 3] {
    [0, 1, 2].map(|i| {
        let (rows, c) = (2 * (SIDE >> i).pow(2), shape.levels[i]);
        let values = seeded::values(&format!("level {i}"), rows * c, 0.0, 1.0);
        Tensor::from_vec(values, (rows, c), &Device::Cpu).unwrap()
    })
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Variables that are no longer those of the beginning, as norms would be 1 and steps small.
fn disturbed(kind: &'static Kind, shape: &Shape) -> (Variables, Variables) {
    let (variables, buffers) = init::variables(kind, shape, 3).unwrap();
    for (name, var) in variables.iter().chain(buffers.iter()) {
        let mut own = values(var.as_tensor());
        let noise = seeded::values(name, own.len(), 0.0, 0.2);
        own.iter_mut().zip(noise).for_each(|(own, noise)| *own += noise);
        let all = if name.contains(".running_") { &buffers } else { &variables };
        all.set(name, &own).unwrap();
    }
    (variables, buffers)
}

#[test]
fn every_stage_is_that_of_the_kernels() {
    for (kind, shape) in families() {
        let (variables, buffers) = disturbed(kind, &shape);
        let fetch = |name: &str, _: &[usize]| {
            if name.contains(".running_") { buffers.values(name) } else { variables.values(name) }
        };
        let kernels = Reconstruction::new(kind, &shape, &fetch).unwrap();
        let level = |i: usize| Level { grid: Grid::square(SIDE >> i), width: shape.levels[i] };
        let geometry = Geometry::new(Grid::square(128), level(0), IMAGENET).and(level(1)).and(level(2));
        let mut workspace = Workspace::new(kind, &shape, &geometry).unwrap();
        let all = levels(&shape);
        let (mut expected, mut found): (Stages, Stages) = Default::default();
        for image in 0..2 {
            let own = all.each_ref().map(|level| {
                let values = values(level);
                values[image * values.len() / 2..][..values.len() / 2].to_vec()
            });
            let mut number = 0;
            let mut observe = |stage: Stage, map: &[f32]| {
                if image == 0 {
                    expected.push((stage, map.to_vec()));
                } else {
                    assert_eq!(expected[number].0, stage);
                    expected[number].1.extend_from_slice(map);
                }
                number += 1;
            };
            kernels.run_observed(own.each_ref().map(Vec::as_slice), &mut workspace, &mut observe).unwrap();
        }
        let net = Net { kind, shape: &shape, variables: &variables, buffers: &buffers };
        let mut observe = |stage: Stage, map: &Tensor| {
            found.push((stage, values(map)));
            Ok(())
        };
        net.run(&all, SIDE, Mode::Evaluate, &mut observe).unwrap();
        assert_eq!(expected.len(), found.len());
        for ((stage, expected), (also, found)) in expected.iter().zip(&found) {
            assert_eq!((stage, expected.len()), (also, found.len()));
            let most = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
            let worst = expected.iter().zip(found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4 * most, "{} {stage:?}: {worst} of {most}", kind.family);
        }
    }
}

/// The loss of a pass of training.
fn loss(kind: &'static Kind, shape: &Shape, variables: &Variables, buffers: &Variables) -> Tensor {
    let all = levels(shape);
    let net = Net { kind, shape, variables, buffers };
    let (found, _) = net.run(&all, SIDE, Mode::Train(7), &mut |_, _| Ok(())).unwrap();
    let parts = found.iter().zip(&all).map(|(f, l)| (f - l).unwrap().sqr().unwrap().mean_all().unwrap());
    parts.reduce(|a, b| (a + b).unwrap()).unwrap()
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for (kind, shape) in families() {
        let (variables, buffers) = disturbed(kind, &shape);
        let grads = loss(kind, &shape, &variables, &buffers).backward().unwrap();
        let value = || f64::from(loss(kind, &shape, &variables, &buffers).to_scalar::<f32>().unwrap());
        // One of each kind of tensor, whatever its place.
        let mut checked = BTreeSet::new();
        for (name, var) in variables.iter() {
            let parts = name.split('.').filter(|part| part.parse::<usize>().is_err());
            let sort = parts.collect::<Vec<_>>().join(".");
            if checked.contains(&sort) {
                continue;
            }
            let grad = values(grads.get(var.as_tensor()).unwrap_or_else(|| panic!("no gradient of {name}")));
            let length = grad.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            // What a norm behind it takes back, and what f32 cannot tell from it.
            if length < 2e-2 {
                continue;
            }
            let own = values(var.as_tensor());
            let h = 5e-4 * own.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1.0);
            let at = |side: f64| {
                let moved =
                    own.iter().zip(&grad).map(|(v, g)| *v + (side * h * f64::from(*g) / length) as f32);
                variables.set(name, &moved.collect::<Vec<_>>()).unwrap();
                let found = value();
                variables.set(name, &own).unwrap();
                found
            };
            let slope = (at(1.0) - at(-1.0)) / (2.0 * h);
            assert!(
                (slope - length).abs() < 0.05 * length + 2e-3,
                "{} {name}: {slope}, {length}",
                kind.family
            );
            checked.insert(sort);
        }
        assert!(checked.len() > 40, "{} {checked:?}", kind.family);
    }
}

fn trainer(kind: &'static Kind, shape: &Shape, encoder: &Arc<Encoder>) -> Trainer {
    let product = Arc::new(Product::new(1));
    let good = (0..7).map(|number| Image::Drawn(Arc::clone(&product), number, 64)).collect();
    let settings = Settings { steps: 4, batch: 2, save: 2, rate: 1e-2, ..Settings::default() };
    let categories = vec![Category::new("drawn".to_owned(), good)];
    Trainer::new(kind, shape.clone(), settings, Arc::clone(encoder), categories).unwrap()
}

#[test]
fn a_run_that_goes_on_is_the_same_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let network = dir.path().join("resnet.safetensors");
    let encoder = crate::encoder::write_narrow_resnet(&network);
    let encoder = Arc::new(Encoder::load(encoder, PositionInterpolation::Legacy).unwrap());
    let claims = Claims { data: "drawn".to_owned(), licence: "none".to_owned() };
    let (kind, shape) = (&mambaad::KIND, Shape { levels: [4, 6, 10], ..narrow(2, Curve::Sweep) });
    let mut watch = |_: &Progress| {};
    let mut run = |name: &str, stops: &[u64]| {
        let out = dir.path().join(name);
        for (i, stop) in stops.iter().enumerate() {
            let files = Files::of(&out, i > 0).unwrap();
            let mut trainer = trainer(kind, &shape, &encoder);
            if i > 0 {
                trainer.resume(&files).unwrap();
            }
            trainer.run(&files, *stop, &mut watch).unwrap();
            assert_eq!(trainer.step(), *stop);
            if *stop == 4 {
                trainer.write(&out, &claims).unwrap();
            }
        }
        (std::fs::read(&out).unwrap(), std::fs::read_to_string(Files::of(&out, true).unwrap().log()).unwrap())
    };
    let (whole, log) = run("whole.safetensors", &[4]);
    let (again, same) = run("again.safetensors", &[2, 4]);
    assert!(whole == again && log == same, "{log}\n{same}");
    let losses: Vec<f64> =
        log.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().parse().unwrap()).collect();
    assert!(losses.len() == 4 && losses[3] < losses[0], "{losses:?}");
    let decoder = Decoder::open(&dir.path().join("whole.safetensors")).unwrap();
    decoder.check_encoder(&encoder).unwrap();
    assert_eq!(decoder.calibration().map(|calibration| calibration.frames), Some(1));
    assert_eq!(decoder.provenance().map(|from| (from.steps, from.data.as_str())), Some((4, "drawn")));
}
