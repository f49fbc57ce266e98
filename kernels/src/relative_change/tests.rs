use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(flags in prop::collection::vec(any::<bool>(), 0..90), some in any::<bool>(), d in 1_usize..70) {
        let (a, b) = (noise(flags.len() * d, 1), noise(flags.len() * d, 2));
        let left_out = if some { &flags[..] } else { &[] };
        let found = relative_change(&a, &b, d, left_out).unwrap();
        let expected = reference::relative_change(&a, &b, d, left_out);
        prop_assert!((expected - found).abs() <= 1e-5 * expected.max(1.0), "{} {}", expected, found);
    }
}

#[test]
fn equal_rows_have_not_changed_and_other_lengths_are_refused() {
    let a = noise(12, 1);
    assert_eq!(relative_change(&a, &a, 4, &[]).unwrap(), 0.0);
    assert!(relative_change(&a, &a[..8], 4, &[]).is_err());
    assert!(relative_change(&a, &a, 4, &[true]).is_err() && relative_change(&a, &a, 5, &[]).is_err());
}
