use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn picks_what_the_plain_search_picks(n in 1_usize..120, d in 1_usize..20, part in 0.0_f64..1.0, duplicates in any::<bool>()) {
        let mut points = noise(n * d, 4);
        if duplicates {
            let half = n / 2 * d;
            points.copy_within(..half, half);
        }
        let count = (n as f64 * part) as usize;
        let starts = [0, n / 2, n - 1];
        let found = greedy(&points, d, &starts, count, &mut |_| true).unwrap();
        prop_assert_eq!(found, reference::greedy(&points, d, &starts, count));
    }
}

#[test]
fn no_point_is_picked_twice() {
    let mut picks = greedy(&[1.0; 40], 2, &[0], 20, &mut |_| true).unwrap();
    picks.sort_unstable();
    assert_eq!(picks, (0..20).collect::<Vec<u32>>());
}

#[test]
fn a_caller_may_end_the_search() {
    let picks = greedy(&noise(2000, 1), 2, &[0], 900, &mut |done| done < 128).unwrap();
    assert_eq!(picks.len(), 128);
}

#[test]
fn a_start_outside_the_points_is_refused() {
    assert!(greedy(&[0.0; 4], 2, &[2], 1, &mut |_| true).is_err());
    assert!(greedy(&[0.0; 4], 2, &[], 1, &mut |_| true).is_err());
}
