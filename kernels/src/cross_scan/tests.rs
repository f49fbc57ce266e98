use proptest::prelude::*;

use super::*;
use crate::selective_scan::{self, Parameters, Tokens, selective_scan};
use crate::testing::{assert_near, device, noise, read};

/// A permutation of the cells.
fn shuffled(cells: usize, seed: u64) -> Vec<u32> {
    let keys = noise(cells, seed);
    let mut order: Vec<u32> = (0..cells as u32).collect();
    order.sort_by(|a, b| keys[*a as usize].total_cmp(&keys[*b as usize]));
    order
}

fn sweep(directions: usize, cells: usize, len: usize, seed: u64) -> Sweep {
    let orders = (0..directions as u64).flat_map(|k| shuffled(cells, seed + k)).collect();
    Sweep::new(orders, cells, len).unwrap()
}

proptest! {
    #[test]
    fn agrees_with_the_reference(
        count in 1_usize..5, d in 1_usize..40, r in 0_usize..6, n in 1_usize..18, sequences in 1_usize..4,
        len in 1_usize..20, sweeps in 1_usize..3
    ) {
        let (cells, rows) = (sequences * len, count * d);
        let (u, x) = (noise(cells * d, 1), noise(cells * count * (r + 2 * n), 2));
        let (step, a_log, skip) = (noise(rows * r, 3), noise(rows * n, 4), noise(rows, 5));
        let bias: Vec<f32> = noise(rows, 6).iter().map(|v| 2.0 * v - 2.0).collect();
        let sweeps: Vec<Sweep> = (0..sweeps).map(|s| sweep(count, cells, [cells, len][s], 50 * s as u64)).collect();
        let learned = reference::Learned { count, step: &step, bias: &bias, a_log: &a_log, skip: &skip };
        let (mut expected, mut found) = (vec![0.0; cells * d], vec![f32::NAN; cells * d]);
        reference::cross_scan(&u, &x, &learned, &sweeps, &mut expected);
        let directions = Directions::new([count, d], &step, &bias, &a_log, &skip).unwrap();
        cross_scan(&u, &x, &directions, &sweeps, &mut Workspace::default(), &mut found).unwrap();
        assert_near(&expected, &found, 1e-5);
    }
}

#[test]
fn one_direction_forward_is_the_selective_scan() {
    let (cells, d, n) = (30, 20, 4);
    let (u, delta, bc) = (noise(cells * d, 1), noise(cells * d, 2), noise(cells * 2 * n, 3));
    let (a_log, skip, bias) = (noise(d * n, 4), noise(d, 5), noise(d, 6));
    let a: Vec<f32> = (0..n * d).map(|i| -a_log[i % d * n + i / d].exp()).collect();
    let (mut states, mut expected) = (vec![0.0; n * d], vec![0.0; cells * d]);
    let tokens = Tokens { u: &u, delta: &delta, bc: &bc, z: None };
    let parameters = Parameters { a: &a, skip: &skip, bias: &bias };
    let mut workspace = selective_scan::Workspace::default();
    selective_scan(tokens, parameters, cells, &mut workspace, &mut states, &mut expected).unwrap();
    // The step of each channel by a rank of its own.
    let identity: Vec<f32> = (0..d * d).map(|i| f32::from(u8::from(i / d == i % d))).collect();
    let rows: Vec<f32> =
        (0..cells).flat_map(|t| [&delta[t * d..][..d], &bc[t * 2 * n..][..2 * n]].concat()).collect();
    let directions = Directions::new([1, d], &identity, &bias, &a_log, &skip).unwrap();
    let forward = [Sweep::new((0..cells as u32).collect(), cells, cells).unwrap()];
    let mut found = vec![f32::NAN; cells * d];
    cross_scan(&u, &rows, &directions, &forward, &mut Workspace::default(), &mut found).unwrap();
    assert_near(&expected, &found, 1e-5);
}

#[test]
fn orders_that_miss_a_cell_are_refused() {
    let refused = Sweep::new(vec![0, 1, 1, 3], 4, 4).unwrap_err().to_string();
    assert_eq!(refused, "cross_scan: expected each of 4 cells once in an order, found none of cell 2");
    for (orders, cells, len) in [(vec![0, 1, 2], 4, 4), (vec![0, 1, 2, 3], 4, 3), (vec![], 0, 1)] {
        assert!(Sweep::new(orders, cells, len).is_err());
    }
}

#[test]
fn sweeps_of_another_map_are_refused() {
    let directions = Directions::new([2, 3], &[0.0; 6], &[0.0; 6], &[0.0; 6], &[0.0; 6]).unwrap();
    let run = |sweeps: &[Sweep]| {
        cross_scan(&[0.0; 12], &[0.0; 24], &directions, sweeps, &mut Workspace::default(), &mut [0.0; 12])
    };
    run(&[sweep(2, 4, 4, 1)]).unwrap();
    let refused = run(&[sweep(1, 4, 4, 1)]).unwrap_err().to_string();
    assert_eq!(refused, "cross_scan: expected sweeps of 4 cells in 2 directions, found 4 in 1");
    assert!(run(&[sweep(2, 5, 5, 1)]).is_err());
    assert!(run(&[]).is_err());
    assert!(Directions::new([2, 3], &[0.0; 6], &[0.0; 6], &[0.0; 7], &[0.0; 6]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (count, d, r, n, sequences, len) in
        [(2, 9, 3, 16, 1, 130), (8, 8, 1, 4, 4, 16), (1, 1, 0, 1, 1, 1), (4, 33, 5, 7, 2, 65)]
    {
        let (cells, rows) = (sequences * len, count * d);
        let (u, x) = (noise(cells * d, 1), noise(cells * count * (r + 2 * n), 2));
        let (step, a_log, skip) = (noise(rows * r, 3), noise(rows * n, 4), noise(rows, 5));
        let bias: Vec<f32> = noise(rows, 6).iter().map(|v| 2.0 * v - 2.0).collect();
        let sweeps = [sweep(count, cells, cells, 50), sweep(count, cells, len, 90)];
        let learned = reference::Learned { count, step: &step, bias: &bias, a_log: &a_log, skip: &skip };
        let directions = Directions::new([count, d], &step, &bias, &a_log, &skip).unwrap();
        let there = directions.at(&place).unwrap();
        let sweeps_there = sweeps.each_ref().map(|sweep| sweep.at(&place).unwrap());
        let mut workspace = Workspace::default();
        let [u_there, x_there] = [&u, &x].map(|values| Buffer::of(&place, values).unwrap());
        let mut found = Buffer::new(&place, cells * d).unwrap();
        for used in [1, 2] {
            let mut expected = vec![0.0; cells * d];
            reference::cross_scan(&u, &x, &learned, &sweeps[..used], &mut expected);
            cross_scan(&u_there, &x_there, &there, &sweeps_there[..used], &mut workspace, &mut found)
                .unwrap();
            assert_near(&expected, &read(&found), 2e-5);
        }
        // Parameters and orders have to be there, too.
        assert!(
            cross_scan(&u_there, &x_there, &directions, &sweeps_there, &mut workspace, &mut found).is_err()
        );
        assert!(cross_scan(&u_there, &x_there, &there, &sweeps, &mut workspace, &mut found).is_err());
    }
    let states = Directions::new([1, 1], &[0.0], &[0.0], &[0.0; 17], &[0.0]).unwrap().at(&place);
    let refused = states.unwrap_err().to_string();
    assert_eq!(refused, "cross_scan: expected at most 16 states on a device, found 17");
}
