use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_near, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(n in 0_usize..20_000, scale in 0.1_f32..50.0) {
        let z: Vec<f32> = noise(n, 1).iter().map(|v| v * scale).collect();
        let (mut expected, mut found) = (noise(n, 2), noise(n, 2));
        reference::gate(&z, &mut expected);
        gate(&z, &mut found).unwrap();
        assert_near(&expected, &found, 1e-6);
        let (mut expected, mut found) = (vec![1.0; n], z.clone());
        reference::gate(&z, &mut expected);
        silu(&mut found).unwrap();
        assert_near(&expected, &found, 1e-6);
    }
}

#[test]
fn another_length_is_refused() {
    assert!(gate(&[0.0; 2], &mut [0.0; 3]).is_err());
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for n in [1, 300, 1024] {
        let z: Vec<f32> = noise(n, 1).iter().map(|v| 20.0 * v).collect();
        let y = noise(n, 2);
        let mut expected = y.clone();
        reference::gate(&z, &mut expected);
        let on_device = Buffer::of(&place, &z).unwrap();
        let (mut found, mut halves) =
            (Buffer::of(&place, &y).unwrap(), Buffer::of_products(&place, n).unwrap());
        halves.write(&y).unwrap();
        for found in [&mut found, &mut halves] {
            gate(&on_device, found).unwrap();
        }
        assert_near(&expected, &read(&found), 1e-6);
        assert_near(&expected, &read(&halves), 1.0 / 128.0);
        assert!(gate(&on_device, &mut vec![0.0; n]).is_err());

        let (mut expected, mut found) = (vec![1.0; n], on_device);
        reference::gate(&z, &mut expected);
        silu(&mut found).unwrap();
        assert_near(&expected, &read(&found), 1e-6);
    }
}
