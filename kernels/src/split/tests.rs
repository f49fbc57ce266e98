use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn agrees_with_the_reference(
        values in prop::collection::vec(-4_i8..4, 0..60),
        flags in prop::collection::vec(any::<bool>(), 60),
        some in any::<bool>(),
        fraction in 0.0_f64..1.0,
    ) {
        let values: Vec<f32> = values.into_iter().map(f32::from).collect();
        let left_out = if some { &flags[..values.len()] } else { &[] };
        let mut split = Split::default();
        split.run(&values, left_out, fraction).unwrap();
        let expected = reference::is_low(&values, left_out, fraction);
        let of = |part: bool| -> Vec<u32> {
            (0..).zip(&expected).filter(|(_, low)| **low == Some(part)).map(|(place, _)| place).collect()
        };
        prop_assert_eq!((split.low(), split.high()), (&of(true)[..], &of(false)[..]));
    }
}

#[test]
fn other_flags_are_refused() {
    assert!(Split::default().run(&[0.0; 3], &[true; 2], 0.5).is_err());
}
