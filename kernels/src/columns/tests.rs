use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 1_usize..600, c in 1_usize..20, first in 0_usize..9, more in 0_usize..9) {
        let place = Place { width: first + c + more, first };
        let (x, mut expected) = (noise(n * c, 1), noise(n * place.width, 2));
        let mut found = expected.clone();
        reference::columns(&x, c, 0.7, place, &mut expected);
        columns(&x, c, 0.7, place, &mut found).unwrap();
        assert_eq!(expected, found);
    }
}

#[test]
fn columns_beyond_the_last_are_refused() {
    let place = Place { width: 5, first: 3 };
    let refused = columns(&[0.0; 6], 3, 1.0, place, &mut [0.0; 10]).unwrap_err().to_string();
    assert_eq!(refused, "columns: expected columns among 5, found 3 from 3 on");
    assert!(columns(&[0.0; 5], 2, 1.0, place, &mut [0.0; 10]).is_err());
    assert!(columns(&[0.0; 4], 2, 1.0, place, &mut [0.0; 9]).is_err());
    columns(&[], 2, 1.0, place, &mut []).unwrap();
}
