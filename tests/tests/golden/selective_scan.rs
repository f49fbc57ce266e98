use snarm_core::encoder::seeded::values;
use snarm_core::models::snarm::head::{Mixer, MixerWorkspace, Shape, seeded_tensor};
use snarm_core::threads::install;
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
            let tokens = Tokens { u: &u, delta: &delta, bc: &bc, z };
            let (mut states, mut y) = (vec![0.0; n * d], vec![0.0; len * d]);
            let mut workspace = Workspace::default();
            selective_scan(&tokens, &parameters, len, &mut workspace, &mut states, &mut y).unwrap();
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
