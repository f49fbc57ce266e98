use std::panic::AssertUnwindSafe;

use snarm_kernels::Grid;

use super::*;
use crate::bank::{BankSettings, Reduction};
use crate::encoder::seeded::values;
use crate::encoder::{Encoder, PositionInterpolation};
use crate::models::snarm::decoder::{DEPTH, Residuals, SnarmDecoder, Workspace, seeded_tensor};
use crate::synthetic::product::Product;
use crate::synthetic::{Settings as Defects, Synthesizer};
use crate::training::testing::{kernels, on_cuda, on_every_device};
use crate::training::{AdamW, AdamWSettings, Files};
use crate::view::View;

on_every_device!(
    every_stage_is_that_of_the_kernels,
    images_of_a_batch_do_not_see_each_other,
    every_variable_of_the_active_branch_gets_a_gradient_and_nothing_else_moves,
    gradients_are_slopes_of_the_loss,
    a_short_training_takes_the_course_of_the_kernels,
);

const GRID: usize = 8;
const SIDE: usize = 40;
const SHAPE: Shape = Shape { width: 12, channels: 20, branches: 3 };

fn fresh(shape: &Shape, seed: u64, device: &Device) -> (Variables, Variables) {
    let (variables, buffers) = variables(shape, seed).unwrap();
    (variables.to_device(device).unwrap(), buffers.to_device(device).unwrap())
}

/// Variables from the formula of the golden numbers: steps of the scan that are heard.
fn seeded(shape: &Shape, device: &Device) -> (Variables, Variables) {
    let (variables, buffers) = fresh(shape, 1, device);
    for all in [&variables, &buffers] {
        all.iter().for_each(|(name, var)| all.set(name, &seeded_tensor(name, var.dims())).unwrap());
    }
    (variables, buffers)
}

fn batch(images: usize, device: &Device) -> Batch {
    let tokens = GRID * GRID;
    let of = |name: &str| -> Vec<f32> { values(name, images * tokens * SHAPE.width, 0.5, 0.5) };
    let hard: Vec<Vec<u32>> = (0..images as u32)
        .map(|i| (0..tokens as u32).filter(|token| (token + i) % 4 == 0).collect())
        .collect();
    let masks = values("mask", images * SIDE * SIDE, 0.0, 1.0).iter().map(|v| u8::from(*v > 0.4)).collect();
    Batch::new(of("inter"), of("intra"), &hard, masks, GRID, SIDE).unwrap().to_device(device).unwrap()
}

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn close(what: &str, expected: &[f32], found: &[f32], tolerance: f32) {
    assert_eq!(expected.len(), found.len(), "{what}");
    for (e, f) in expected.iter().zip(found) {
        assert!((e - f).abs() <= tolerance * (1.0 + e.abs()), "{what}: expected {e}, found {f}");
    }
}

fn every_stage_is_that_of_the_kernels(device: &Device) {
    let (variables, buffers) = seeded(&SHAPE, device);
    let net = Net { shape: SHAPE, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let decoder = SnarmDecoder::seeded(&SHAPE).unwrap();
    let batch = batch(1, device);
    let hard: Vec<u32> = (0..64).step_by(4).collect();
    let (inter, intra) = (flat(&batch.inter), flat(&batch.intra));
    let residuals = Residuals { inter: &inter, intra: &intra, hard: &hard };
    let mut workspace = Workspace::new(&SHAPE, Grid::square(GRID), Grid::square(SIDE)).unwrap();
    let mut stages = Vec::new();
    decoder
        .run_observed(&residuals, &mut workspace, &mut |b, stage, values| {
            stages.push((b, stage, values.to_vec()))
        })
        .unwrap();
    let mut seen = 0;
    for b in 0..SHAPE.branches {
        let outcome = net.run_observed(b, &batch, Mode::Validate, &mut |stage, found| {
            let (_, _, expected) = stages.iter().find(|(of, at, _)| (*of, *at) == (b, stage)).unwrap();
            close(&format!("branch {b} {stage:?}"), expected, &flat(found), 1e-4);
            seen += 1;
        });
        let logits = flat(&outcome.unwrap().logits);
        for (order, found) in logits.chunks_exact(GRID * GRID).enumerate() {
            let view = b * ORDERS + order;
            let expected: Vec<f32> =
                workspace.logits().iter().skip(view).step_by(SHAPE.views()).copied().collect();
            close(&format!("view {view}"), &expected, found, 1e-4);
        }
    }
    assert_eq!(seen, stages.len());
    assert_eq!(seen, SHAPE.branches * (2 + 4 * DEPTH));
}

fn images_of_a_batch_do_not_see_each_other(device: &Device) {
    let (variables, buffers) = seeded(&SHAPE, device);
    let net = Net { shape: SHAPE, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let all = flat(&net.run(1, &batch(3, device), Mode::Validate).unwrap().logits);
    let first = flat(&net.run(1, &batch(1, device), Mode::Validate).unwrap().logits);
    let tokens = GRID * GRID;
    for order in 0..ORDERS {
        close("first image", &first[order * tokens..][..tokens], &all[order * 3 * tokens..][..tokens], 1e-5);
    }
}

/// Variables of a branch and the navigator.
fn belongs(name: &str, branch: usize) -> bool {
    let number = |prefix: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
    name.starts_with("simple_predictor")
        || ["conv_list.", "mamba_list.", "norm_list."].iter().any(|list| number(list) == Some(branch))
        || number("head_list.").is_some_and(|view| view / ORDERS == branch)
}

fn every_variable_of_the_active_branch_gets_a_gradient_and_nothing_else_moves(device: &Device) {
    let (variables, buffers) = fresh(&SHAPE, 3, device);
    let net = Net { shape: SHAPE, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let mut optimiser = AdamW::new(AdamWSettings::default());
    for (step, branch) in [0, 2, 1, 1].into_iter().enumerate() {
        let read = |all: &Variables| -> Vec<(String, Vec<f32>)> {
            all.iter().map(|(name, _)| (name.to_owned(), all.values(name).unwrap())).collect()
        };
        let before = [read(&variables), read(&buffers)].concat();
        let batch = batch(2, device);
        let outcome = net.run(branch, &batch, Mode::Train { key: step as u64, dropout: DROPOUT }).unwrap();
        let grads = outcome.loss().unwrap().backward().unwrap();
        for (name, var) in variables.iter() {
            let size = grads.get(var.as_tensor()).map(|g| flat(g).iter().map(|v| v.abs()).sum::<f32>());
            assert_eq!(
                size.is_some_and(|size| size > 0.0),
                belongs(name, branch),
                "gradient of {name}: {size:?}"
            );
        }
        optimiser.step(&variables, &grads, 1e-3).unwrap();
        net.gather(branch, &batch, &outcome).unwrap();
        for ((name, before), (_, after)) in before.iter().zip([read(&variables), read(&buffers)].concat()) {
            assert_eq!(*before != after, belongs(name, branch), "{name} in a step of branch {branch}");
        }
    }
}

fn gradients_are_slopes_of_the_loss(device: &Device) {
    let (variables, buffers) = seeded(&SHAPE, device);
    let net = Net { shape: SHAPE, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let (batch, branch) = (batch(2, device), 1);
    let mode = Mode::Train { key: 5, dropout: DROPOUT };
    let loss = || net.run(branch, &batch, mode).unwrap().loss().unwrap();
    let grads = loss().backward().unwrap();
    for (name, var) in variables.iter().filter(|(name, _)| belongs(name, branch)) {
        let (values, grad) = (variables.values(name).unwrap(), flat(grads.get(var.as_tensor()).unwrap()));
        let norm = grad.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        // Along the gradient itself, where the loss changes most: rounding must not drown it.
        let h = 2e-3 / norm;
        let at = |sign: f64| {
            let moved: Vec<f32> = values
                .iter()
                .zip(&grad)
                .map(|(v, g)| (f64::from(*v) + sign * h * f64::from(*g)) as f32)
                .collect();
            variables.set(name, &moved).unwrap();
            f64::from(loss().to_scalar::<f32>().unwrap())
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * h * norm);
        variables.set(name, &values).unwrap();
        // The loss is an f32 near 0.05.
        let rounding = 1.5e-8 / 2e-3;
        assert!((slope - norm).abs() < 0.03 * norm + rounding, "{name}: slope {slope:e}, gradient {norm:e}");
    }
}

/// Losses of views and navigator over some steps of all branches, and what the batch norms gathered.
fn course(device: &Device) -> (Vec<f32>, Vec<f32>) {
    let (variables, buffers) = fresh(&SHAPE, 3, device);
    let net = Net { shape: SHAPE, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let mut optimiser = AdamW::new(AdamWSettings::default());
    let batch = batch(2, device);
    let losses = (0..9).flat_map(|step| {
        let mode = Mode::Train { key: step, dropout: DROPOUT };
        let outcome = net.run(step as usize % 3, &batch, mode).unwrap();
        optimiser.step(&variables, &outcome.loss().unwrap().backward().unwrap(), 2e-3).unwrap();
        net.gather(step as usize % 3, &batch, &outcome).unwrap();
        [&outcome.views, &outcome.navigator].map(|loss| loss.to_scalar::<f32>().unwrap())
    });
    let losses = losses.collect();
    (losses, buffers.iter().flat_map(|(name, _)| buffers.values(name).unwrap()).collect())
}

fn a_short_training_takes_the_course_of_the_kernels(device: &Device) {
    let ((expected, statistics), (found, gathered)) = (kernels(|| course(&Device::Cpu)), course(device));
    println!("losses expected {expected:?}, found {found:?}");
    for (e, f) in expected.iter().zip(&found) {
        assert!((e - f).abs() < 1e-4 * e, "expected {expected:?}, found {found:?}");
    }
    assert!(
        expected[16] < 0.9 * expected[0] || expected[17] < 0.9 * expected[1],
        "nothing was learned: {expected:?}"
    );
    close("statistics", &statistics, &gathered, 1e-4);
}

/// Losses in the log of a run whose network lies on a device, killed half way and gone on with.
fn logged(device: &Device) -> Vec<f64> {
    let product = Arc::new(Product::new(3));
    let images = (0..4).map(|i| Image::Drawn(Arc::clone(&product), i, 96)).collect();
    let encoder = Arc::new(Encoder::load("seeded:tiny@8", PositionInterpolation::Legacy).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a.safetensors");
    let files = |resume| Files::of(&out, resume).unwrap();
    let settings = Settings {
        bank: BankSettings { reduction: Reduction::None, view: View::squeezed(), ..BankSettings::default() },
        channels: 8,
        branches: 2,
        steps: 6,
        batch: 2,
        cycle: 1,
        warm_up: 2,
        hold_out: 4,
        look: 3,
        save: 2,
        ..Settings::default()
    };
    let categories = vec![Category::new("drawn".to_owned(), images)];
    let trainer = || {
        let synthesizer = Synthesizer::new(Defects::general()).unwrap();
        let (encoder, categories) = (Arc::clone(&encoder), categories.clone());
        Trainer::new(settings.clone(), encoder, categories, false, synthesizer, &mut |_| {}).unwrap()
    };
    let killed = std::panic::catch_unwind(AssertUnwindSafe(|| {
        trainer().on(device).unwrap().run(&files(false), &mut |event| {
            assert!(!matches!(event, Event::Step(at) if at.step == 5), "killed");
        })
    }));
    assert!(killed.is_err());
    let mut resumed = trainer().on(device).unwrap();
    resumed.resume(&files(true)).unwrap();
    assert_eq!(resumed.step(), 4);
    resumed.run(&files(true), &mut |_| {}).unwrap();
    let text = std::fs::read_to_string(files(true).log()).unwrap();
    text.lines().skip(1).map(|row| row.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

#[test]
fn a_run_with_cuda_takes_the_course_of_one_on_the_cpu() {
    let expected = logged(&Device::Cpu);
    assert!(expected.len() == 6 && expected.iter().all(|loss| *loss > 0.0), "{expected:?}");
    on_cuda(|device| {
        let found = logged(device);
        for (e, f) in expected.iter().zip(&found) {
            assert!((e - f).abs() < 1e-3 * e, "expected {expected:?}, found {found:?}");
        }
    });
}

#[test]
fn batches_of_torn_parts_are_refused() {
    let tokens = GRID * GRID;
    let make = |residuals: usize, hard: &[Vec<u32>], pixels: usize| {
        Batch::new(vec![0.0; residuals], vec![0.0; residuals], hard, vec![0; pixels], GRID, SIDE).err()
    };
    let hard = [vec![1, 2], vec![3, 4]];
    assert!(make(2 * tokens * 4, &hard, 2 * SIDE * SIDE).is_none());
    assert!(make(2 * tokens * 4, &hard, SIDE * SIDE).is_some());
    assert!(make(2 * tokens * 4 + 1, &hard, 2 * SIDE * SIDE).is_some());
    assert!(make(2 * tokens * 4, &[vec![1, 2], vec![3]], 2 * SIDE * SIDE).is_some());
    assert!(make(2 * tokens * 4, &[vec![1, 2], vec![3, 64]], 2 * SIDE * SIDE).is_some());
}
