use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(hidden in prop::collection::vec(any::<bool>(), 0..300)) {
        let (mut expected, mut found) = (noise(hidden.len(), 1), noise(hidden.len(), 1));
        reference::hide(&mut expected, &hidden);
        hide(&mut found, &hidden).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn other_flags_are_refused() {
    assert!(hide(&mut [0.0; 3], &[true; 2]).is_err());
}
