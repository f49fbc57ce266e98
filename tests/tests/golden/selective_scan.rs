use candle_core::{Device, Tensor, Var};
use snarm_core::encoder::seeded::values;
use snarm_core::models::snarm::decoder::{Mixer, MixerWorkspace, Shape, seeded_tensor};
use snarm_core::threads::install;
use snarm_core::training::Variables;
use snarm_core::training::decoder::{Net, Parts};
use snarm_kernels::selective_scan::backward::{Gradients, selective_scan_backward};
use snarm_kernels::selective_scan::{Parameters, Tokens, Workspace, selective_scan};

use crate::file::{Golden, assert_close};

/// Tokens, channels and states of the golden cases.
const CASES: [[usize; 3]; 8] =
    [[1, 1, 4], [7, 5, 4], [7, 5, 16], [600, 5, 4], [600, 256, 4], [37, 256, 16], [1, 256, 16], [600, 1, 16]];

/// (rows, columns) -> (columns, rows)
fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| x.iter().skip(column).step_by(columns).copied()).collect()
}

#[test]
fn the_scan_is_the_published_recurrence() {
    let golden = Golden::open("selective_scan");
    for (case, [len, d, n]) in CASES.into_iter().enumerate() {
        let name = |part: &str| format!("scan.c{case}.{part}");
        let input = |part: &str, rows: usize, scale: f32| {
            transposed(&values(&name(part), rows * len, 0.0, scale), len)
        };
        let (u, delta, z) = (input("u", d, 1.0), input("delta", d, 1.0), input("z", d, 2.0));
        let (b, c) = (input("B", n, 1.0), input("C", n, 1.0));
        let bc: Vec<f32> = b.chunks(n).zip(c.chunks(n)).flat_map(|(b, c)| [b, c].concat()).collect();
        let a: Vec<f32> =
            transposed(&seeded_tensor(&name("A_log"), &[d, n]), n).iter().map(|v| -v.exp()).collect();
        let skip = seeded_tensor(&name("D"), &[d]);
        let bias = values(&name("delta_bias"), d, -3.0, 2.0);
        let parameters = Parameters { a: &a, skip: &skip, bias: &bias };
        for (what, z) in [("y", None), ("y_gated", Some(&z[..]))] {
            let tokens = Tokens { u: &u[..], delta: &delta, bc: &bc, z };
            let (mut states, mut y) = (vec![0.0; n * d], vec![0.0; len * d]);
            let mut workspace = Workspace::default();
            selective_scan(tokens, parameters, len, &mut workspace, &mut states, &mut y).unwrap();
            let expected = golden.f32s(&format!("c{case}.{what}"));
            // The widest case stores every sixteenth channel.
            let found = transposed(&y, d);
            let found: Vec<f32> =
                found.chunks(len).step_by(d * len / expected.len()).flatten().copied().collect();
            assert_close(&format!("c{case}.{what}"), &expected, &found, 5e-6);
            let state = format!("c{case}.last_state");
            assert_close(&state, &golden.f32s(&state), &transposed(&states, d), 1e-6);
        }
    }
}

#[test]
fn the_mixer_is_the_published_one() {
    let golden = Golden::open("selective_scan");
    let mixer =
        Mixer::new("mixer", &Shape::published(512), &|name, shape| Ok(seeded_tensor(name, shape))).unwrap();
    let input = values("mixer.input", 37 * 128, 0.0, 1.0);
    let mut y = vec![0.0; input.len()];
    install(|| mixer.run(&input, 37, &mut MixerWorkspace::default(), &mut y)).unwrap().unwrap();
    assert_close("mixer.y", &golden.f32s("mixer.y"), &y, 5e-6);
}

/// Compares with a gradient of the golden file: 2e-6 and 5e-6 of its largest element.
fn assert_gradient(golden: &Golden, name: &str, found: &[f32]) {
    let expected = golden.f32s(name);
    let largest = expected.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
    assert_close(name, &expected, found, 2e-6 + 5e-6 * largest);
}

#[test]
fn gradients_of_the_scan_are_the_published_ones() {
    let golden = Golden::open("selective_scan");
    for case in [2, 3] {
        let [len, d, n] = CASES[case];
        let name = |part: &str| format!("scan.c{case}.{part}");
        let input = |part: &str, rows: usize, scale: f32| {
            transposed(&values(&name(part), rows * len, 0.0, scale), len)
        };
        let (u, delta, z, dy) =
            (input("u", d, 1.0), input("delta", d, 1.0), input("z", d, 2.0), input("dy", d, 1.0));
        let (b, c) = (input("B", n, 1.0), input("C", n, 1.0));
        let bc: Vec<f32> = b.chunks(n).zip(c.chunks(n)).flat_map(|(b, c)| [b, c].concat()).collect();
        let a: Vec<f32> =
            transposed(&seeded_tensor(&name("A_log"), &[d, n]), n).iter().map(|v| -v.exp()).collect();
        let skip = seeded_tensor(&name("D"), &[d]);
        let bias = values(&name("delta_bias"), d, -3.0, 2.0);
        let of = |x: &[f32]| vec![f32::NAN; x.len()];
        let (mut du, mut ddelta, mut dz, mut dbc) = (of(&u), of(&u), of(&u), of(&bc));
        let (mut da, mut dskip, mut dbias) = (of(&a), of(&skip), of(&bias));
        let gradients = Gradients {
            u: &mut du,
            delta: &mut ddelta,
            bc: &mut dbc,
            z: &mut dz,
            a: &mut da,
            skip: &mut dskip,
            bias: &mut dbias,
        };
        let tokens = Tokens { u: &u, delta: &delta, bc: &bc, z: Some(&z) };
        let parameters = Parameters { a: &a, skip: &skip, bias: &bias };
        selective_scan_backward(tokens, parameters, len, &dy, gradients).unwrap();
        // A = -exp(A_log), so that dA / dA_log = A.
        let da_log: Vec<f32> =
            transposed(&da, d).iter().zip(transposed(&a, d)).map(|(da, a)| da * a).collect();
        let half = |first: usize| -> Vec<f32> {
            dbc.chunks(2 * n).flat_map(|row| &row[first..first + n]).copied().collect()
        };
        for (what, found) in [
            ("u", transposed(&du, d)),
            ("delta", transposed(&ddelta, d)),
            ("z", transposed(&dz, d)),
            ("B", transposed(&half(0), n)),
            ("C", transposed(&half(n), n)),
            ("A_log", da_log),
            ("D", dskip),
            ("delta_bias", dbias),
        ] {
            assert_gradient(&golden, &format!("c{case}.grad.{what}"), &found);
        }
    }
}

#[test]
fn gradients_of_the_mixer_are_the_published_ones() {
    let golden = Golden::open("selective_scan");
    let mut variables = Variables::default();
    for (name, shape) in [
        ("A_log", vec![256, 4]),
        ("D", vec![256]),
        ("in_proj.weight", vec![512, 128]),
        ("conv1d.weight", vec![256, 1, 4]),
        ("conv1d.bias", vec![256]),
        ("x_proj.weight", vec![16, 256]),
        ("dt_proj.weight", vec![256, 8]),
        ("dt_proj.bias", vec![256]),
        ("out_proj.weight", vec![128, 256]),
    ] {
        let name = format!("mixer.{name}");
        variables.insert(&name, seeded_tensor(&name, &shape), &shape).unwrap();
    }
    let (shape, buffers) = (Shape::published(512), Variables::default());
    let net = Net { shape, variables: &variables, buffers: &buffers, parts: Parts::default() };
    let rows = |name: &str| values(name, 37 * 128, 0.0, 1.0);
    let x = Var::from_vec(rows("mixer.input"), (37, 128), &Device::Cpu).unwrap();
    let dy = Tensor::from_vec(rows("mixer.dy"), (37, 128), &Device::Cpu).unwrap();
    let y = net.mixer("mixer", &x, 37).unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_close("mixer.y", &golden.f32s("mixer.y"), &flat(&y), 5e-6);
    let grads = (y * dy).unwrap().sum_all().unwrap().backward().unwrap();
    assert_gradient(&golden, "mixer.dx", &flat(grads.get(x.as_tensor()).unwrap()));
    for (name, var) in variables.iter() {
        let golden_name = name.replace("mixer.", "mixer.grad.");
        assert_gradient(&golden, &golden_name, &flat(grads.get(var.as_tensor()).unwrap()));
    }
}
