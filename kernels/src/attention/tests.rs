use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, assert_near, device, noise, read};

fn check(n: usize, heads: usize, d: usize) {
    let qkv: Vec<f32> = noise(n * 3 * heads * d, 7).iter().map(|v| v * 4.0).collect();
    let mut expected = vec![0.0; n * heads * d];
    let mut found = expected.clone();
    reference::attention(&qkv, n, heads, &mut expected);
    let mut workspace = Workspace::default();
    // Twice: a used workspace must not shine through.
    for _ in 0..2 {
        attention(&qkv, n, heads, &mut workspace, &mut found).unwrap();
        assert_close(&expected, &found, 2e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn agrees_with_the_reference(n in 1_usize..60, heads in 1_usize..4, d in 1_usize..40) {
        check(n, heads, d);
    }
}

#[test]
fn agrees_with_the_reference_on_the_shape_of_a_vit() {
    check(201, 3, 64);
}

#[test]
fn a_width_that_no_head_divides_is_refused() {
    assert!(attention(&[0.0; 20], 2, 3, &mut Workspace::default(), &mut [0.0; 6]).is_err());
    assert!(attention(&[0.0; 18], 2, 0, &mut Workspace::default(), &mut [0.0; 6]).is_err(), "no heads");
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (n, heads) in [(1, 1), (7, 2), (64, 1), (65, 3), (150, 2)] {
        let d = 64;
        let mut qkv: Vec<f32> = noise(n * 3 * heads * d, 7).iter().map(|v| v * 3.0).collect();
        // One key that draws all, in the last tile: what was summed up before shrinks to nothing.
        for i in 0..d {
            let last = (n - 1) * 3 * heads * d;
            qkv[last + heads * d + i] = 4.0 * qkv[i];
        }
        let mut on_device = Buffer::of_products(&place, qkv.len()).unwrap();
        on_device.write(&qkv).unwrap();
        let rounded = read(&on_device);
        let mut expected = vec![0.0; n * heads * d];
        reference::attention(&rounded, n, heads, &mut expected);
        let mut found = Buffer::new(&place, expected.len()).unwrap();
        attention(&on_device, n, heads, &mut Workspace::default(), &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-2);
        let mut halves = Buffer::of_products(&place, expected.len()).unwrap();
        attention(&on_device, n, heads, &mut Workspace::default(), &mut halves).unwrap();
        assert_near(&read(&found), &read(&halves), 1.0 / 128.0);
    }
}

#[test]
fn cuda_refuses_what_it_cannot_attend_to() {
    let Some(place) = device() else { return };
    let refused = |qkv: &Buffer, heads: usize, y: &mut Buffer| {
        attention(qkv, 2, heads, &mut Workspace::default(), y).unwrap_err().to_string()
    };
    let y = || Buffer::new(&place, 128).unwrap();
    let floats = refused(&Buffer::new(&place, 384).unwrap(), 1, &mut y());
    assert!(floats.contains("expected qkv kept as bf16 on a device"), "{floats}");
    let halves = Buffer::of_products(&place, 384).unwrap();
    let narrow = refused(&halves, 2, &mut y());
    assert!(narrow.contains("expected heads of 64 channels on a device, found 32"), "{narrow}");
    let apart = refused(&halves, 1, &mut Buffer::from(vec![0.0; 128]));
    assert!(apart.contains("all operands in the memory of the host, or of one queue"), "{apart}");
}
