//! One training step of the published shape, against the f64 reference.

use candle_core::Tensor;
use snarm_core::models::snarm::decoder::{ORDERS, Shape, SnarmDecoder, seeded_tensor};
use snarm_core::threads::install;
use snarm_core::training::Variables;
use snarm_core::training::decoder::{Batch, Mode, Net, Parts, VIEWS_LOSS, variables};
use snarm_kernels::focal::{Of, Sides, focal};

use crate::decoder::{GRID, SIDE, WIDTH, match_and_navigate};
use crate::file::{Golden, assert_close};

fn flat(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// A disc of defective pixels.
fn mask() -> Vec<u8> {
    let inside = |i: usize| {
        let (y, x) = ((i / SIDE) as i32 - 244, (i % SIDE) as i32 - 148);
        u8::from(y * y + x * x < 64 * 64)
    };
    (0..SIDE * SIDE).map(inside).collect()
}

fn seeded(shape: &Shape) -> (Variables, Variables) {
    let (variables, buffers) = variables(shape, 0).unwrap();
    for all in [&variables, &buffers] {
        all.iter().for_each(|(name, var)| all.set(name, &seeded_tensor(name, var.dims())).unwrap());
    }
    (variables, buffers)
}

/// Norm, sum and largest absolute value.
fn stats(grad: &[f32]) -> [f64; 3] {
    grad.iter()
        .map(|v| f64::from(*v))
        .fold([0.0; 3], |[square, sum, largest], v| [square + v * v, sum + v, largest.max(v.abs())])
}

#[test]
fn one_step_has_the_published_losses_gradients_and_statistics() {
    install(check).unwrap();
}

fn check() {
    let (golden, shape) = (Golden::open("snarm_train_step"), Shape::published(WIDTH));
    let (inter, navigation, intra) =
        match_and_navigate(&Golden::open("snarm_head"), &SnarmDecoder::seeded(&shape).unwrap());
    let (variables, buffers) = seeded(&shape);
    let net = Net { shape, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let hard = [navigation.hard().to_vec()];
    let (inter, intra) = (inter.transformed().to_vec(), intra.transformed().to_vec());
    let batch = Batch::new(inter, intra, &hard, mask(), GRID, SIDE).unwrap();
    let outcome = net.run(0, &batch, Mode::Train { key: 0, dropout: 0.0 }).unwrap();

    let expected = golden.f64s("loss");
    for (found, expected) in [&outcome.views, &outcome.navigator].into_iter().zip(expected) {
        let found = f64::from(found.to_scalar::<f32>().unwrap());
        assert!((found - expected).abs() < 1e-6, "expected {expected}, found {found}");
    }
    let logits = golden.f32s("logits");
    assert_close("logits", &logits, &flat(&outcome.logits), 1e-4);
    let mut slopes = vec![0.0; logits.len()];
    let sides = Sides { from: GRID, to: SIDE };
    focal(&logits, Of::Logits, sides, &mask(), VIEWS_LOSS, &mut slopes).unwrap();
    let largest = golden.f32s("grad_logits").iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
    assert_close("grad_logits", &golden.f32s("grad_logits"), &slopes, 1e-4 * largest);

    let grads = outcome.loss().unwrap().backward().unwrap();
    let rows = golden.entry("grad_stats_rows");
    let table = golden.f64s("grad_stats");
    assert_eq!(rows.split(',').count(), 50);
    for (name, row) in rows.split(',').zip(table.chunks_exact(3)) {
        let grad =
            flat(grads.get(variables.get(name).unwrap()).unwrap_or_else(|| panic!("no gradient of {name}")));
        let [square, sum, largest] = stats(&grad);
        assert!((square.sqrt() / row[0] - 1.0).abs() < 2e-3, "{name}: norm {} of {}", square.sqrt(), row[0]);
        assert!((largest / row[2] - 1.0).abs() < 1e-2, "{name}: largest {largest} of {}", row[2]);
        let tolerance = 1e-2 * row[0] * (grad.len() as f64).sqrt();
        assert!((sum - row[1]).abs() < tolerance, "{name}: sum {sum} of {}", row[1]);
        let stored = golden.f32s(&format!("grad.{name}"));
        let found = &grad[..stored.len()];
        assert_close(name, &stored, found, 1e-2 * row[2] as f32);
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let cosine = dot(&stored, found) / (dot(&stored, &stored) * dot(found, found)).sqrt();
        assert!(cosine > 0.9999, "{name}: cosine {cosine}");
    }

    net.gather(0, &batch, &outcome).unwrap();
    for view in 0..ORDERS {
        for part in ["running_mean", "running_var"] {
            let name = format!("head_list.{view}.0.norm.{part}");
            assert_close(
                &name,
                &golden.f32s(&format!("after.{name}")),
                &buffers.values(&name).unwrap(),
                1e-5,
            );
        }
    }
    assert!(grads.get(variables.get("conv_list.1.weight").unwrap()).is_none());
}
