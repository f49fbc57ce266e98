use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(cells in 2_usize..400, c in 1_usize..40, offset in -5.0_f32..5.0) {
        for then in [Then::Store, Then::Silu] {
            let mut expected: Vec<f32> = noise(cells * c, 1).iter().map(|v| v + offset).collect();
            let mut found = expected.clone();
            reference::instance_norm(&mut expected, c, 1e-5, then);
            instance_norm(&mut found, c, 1e-5, then, &mut Workspace::default()).unwrap();
            // Few cells may lie close together, which magnifies the rounding of their mean.
            assert_close(&expected, &found, if cells < 8 { 1e-3 } else { 2e-5 });
        }
    }
}

#[test]
fn a_constant_channel_becomes_zero_whatever_was_there_before() {
    let mut workspace = Workspace::default();
    instance_norm(&mut noise(30, 1), 3, 1e-5, Then::Store, &mut workspace).unwrap();
    let mut y = [7.0, 1.0, 7.0, 3.0];
    instance_norm(&mut y, 2, 1e-5, Then::Store, &mut workspace).unwrap();
    assert_eq!((y[0], y[2]), (0.0, 0.0));
    assert_close(&[-1.0, 1.0], &[y[1], y[3]], 1e-5);
}

#[test]
fn a_ragged_map_is_refused() {
    let mut workspace = Workspace::default();
    assert!(instance_norm(&mut [0.0; 5], 2, 1e-5, Then::Store, &mut workspace).is_err());
    assert!(instance_norm(&mut [0.0; 5], 0, 1e-5, Then::Store, &mut workspace).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (cells, c, then) in
        [(64, 8, Then::Store), (300, 33, Then::Silu), (9, 3, Then::Silu), (129, 17, Then::Store)]
    {
        let mut expected: Vec<f32> = noise(cells * c, 1).iter().map(|v| v - 2.0).collect();
        let mut found = Buffer::of(&place, &expected).unwrap();
        reference::instance_norm(&mut expected, c, 1e-5, then);
        instance_norm(&mut found, c, 1e-5, then, &mut Workspace::default()).unwrap();
        assert_close(&expected, &read(&found), 2e-5);
    }
}
