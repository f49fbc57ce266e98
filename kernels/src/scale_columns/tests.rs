use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..600, d in 1_usize..20) {
        let (mut expected, factors) = (noise(n * d, 1), noise(d, 2));
        let mut found = expected.clone();
        reference::scale_columns(&mut expected, &factors);
        scale_columns(&mut found, &factors).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn parts_of_rows_are_refused() {
    let refused = scale_columns(&mut [1.0; 5], &[1.0; 2]).unwrap_err().to_string();
    assert_eq!(refused, "scale_columns: expected x of 4 elements, found 5");
    assert!(scale_columns(&mut [1.0], &[]).is_err() && scale_columns(&mut [], &[1.0]).is_ok());
}
