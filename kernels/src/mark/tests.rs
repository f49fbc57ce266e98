use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::device;

/// Parts of `n` tokens, every `step`th of them marked, and orders of them.
fn tokens([n, turns, step]: [usize; 3]) -> [Vec<u32>; 2] {
    let parts = (0..n).map(|i| if i % step == step - 1 { HIGH } else { 2 * (i % 2) as u32 }).collect();
    // Forwards and backwards, from other tokens on.
    let token =
        move |turn: usize, i: usize| (if turn.is_multiple_of(2) { i } else { n - 1 - i } + 5 * turn) % n;
    let orders = (0..turns).flat_map(|turn| (0..n).map(move |i| token(turn, i) as u32));
    [parts, orders.collect()]
}

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..80, turns in 1_usize..5, each in 1_usize..4, step in 1_usize..9) {
        let [parts, orders] = tokens([n, turns, step]);
        let [rows, places] = reference::mark(&parts, &orders, each);
        let (mut found_rows, mut found) = (vec![9; rows.len()], vec![9; places.len()]);
        mark(&parts, &orders, each, &mut found_rows, &mut found).unwrap();
        prop_assert_eq!((&rows, &places), (&found_rows, &found));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let run = |parts: &[u32], orders: &[u32], marked: usize, maps: usize| {
        mark(parts, orders, 1, &mut vec![0; marked * maps], &mut vec![0; parts.len() * maps]).is_ok()
    };
    assert!(run(&[HIGH, 0], &[0, 1, 1, 0], 1, 2));
    assert!(!run(&[HIGH, 0], &[0, 1, 1, 2], 1, 2), "a token outside");
    assert!(!run(&[HIGH, 0], &[0, 1, 1, 1], 1, 2), "a token twice");
    assert!(!run(&[HIGH, HIGH], &[0, 1, 1, 0], 1, 2) && !run(&[HIGH, 0], &[0, 1, 1, 0], 1, 1));
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for ([n, turns, step], each) in [([1, 1, 1], 1), ([77, 4, 3], 3), ([300, 2, 7], 1), ([40, 4, 41], 4)] {
        let [parts, orders] = tokens([n, turns, step]);
        let [rows, places] = reference::mark(&parts, &orders, each);
        let there = |values: &[u32]| Buffer::of(&place, values).unwrap();
        let (parts, orders) = (there(&parts), there(&orders));
        let (mut found_rows, mut found) = (there(&vec![9; rows.len()]), there(&vec![9; places.len()]));
        mark(&parts, &orders, each, &mut found_rows, &mut found).unwrap();
        let read = |buffer: &Buffer<u32>| {
            let mut values = vec![0; buffer.len()];
            buffer.read(&mut values).unwrap();
            values
        };
        assert_eq!((read(&found_rows), read(&found)), (rows, places));
        let host = Buffer::from(vec![0; orders.len() * each]);
        assert_eq!(
            mark(&parts, &orders, each, &mut found_rows, &mut { host }).unwrap_err(),
            Error::Apart { op: OP }
        );
    }
}
