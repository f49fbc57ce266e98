use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::device;

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

#[test]
fn cuda_agrees_with_the_host() {
    let Some(place) = device() else { return };
    for (n, left_out, fraction) in
        [(1, 0, 0.5), (37, 0, 0.75), (300, 7, 0.75), (65, 2, 0.3), (40, 1, 0.5), (9, 3, 1.0)]
    {
        // Equal values, both zeros, and infinities among them.
        let value =
            |i: usize| [-0.0, 0.0, f32::INFINITY, -3.5, (i * 7919 % 101) as f32 - 50.0][(i * 31 % 7).min(4)];
        let values: Vec<f32> = (0..n).map(value).collect();
        let flags: Vec<bool> = (0..n).filter(|_| left_out > 0).map(|i| i % left_out == 0).collect();
        let mut expected = Split::default();
        expected.run(&values, &flags, fraction).unwrap();
        let (mut found, values) = (SplitThere::new(&place).unwrap(), Buffer::of(&place, &values).unwrap());
        let read = |buffer: &Buffer<u32>| {
            let mut values = vec![0; buffer.len()];
            buffer.read(&mut values).unwrap();
            values
        };
        // Others before: what they left must not shine through.
        found.run(&values, &[], 0.4).unwrap();
        found.run(&values, &flags, fraction).unwrap();
        assert_eq!((&read(found.low())[..], found.high()), (expected.low(), expected.high().len()));
        let high = (0..).zip(read(found.parts())).filter(|(_, part)| *part == HIGH).map(|(place, _)| place);
        assert_eq!(high.collect::<Vec<u32>>(), expected.high());
        let is_left_out = |i: usize| flags.get(i).copied().unwrap_or(false);
        assert!((0..).zip(read(found.parts())).all(|(i, part)| (part == LEFT_OUT) == is_left_out(i)));
        assert!(found.run(&Buffer::from(vec![0.0; n]), &[], 0.5).is_err(), "values of the host");
        assert!(found.run(&values, &vec![false; n + 1], 0.5).is_err());
    }
}
