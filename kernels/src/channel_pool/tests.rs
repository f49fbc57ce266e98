use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

#[test]
fn agrees_with_two_poolings_for_every_width() {
    for (d, out) in [(768, 512), (384, 512), (192, 512), (1024, 512), (5, 512), (100, 33), (2048, 512)] {
        let (a, b) = (noise(3 * d, 1), noise(3 * d, 2));
        let mut found = vec![0.0; 3 * out];
        ChannelPool::new(d, out).run(&a, &b, &mut found).unwrap();
        for i in 0..3 {
            let expected = reference::channel_pool(&a[i * d..][..d], &b[i * d..][..d], out);
            assert_close(&expected, &found[i * out..][..out], 1e-6);
        }
    }
}

/// Reference facts: f[j] = 0.375 A[3j] + 0.25 A[3j+1] + 0.375 A[3j+2] for 768 channels.
#[test]
fn vit_b_pools_by_three_fixed_taps() {
    let pool = ChannelPool::new(768, 512);
    for (j, (first, weights)) in pool.taps.iter().enumerate() {
        assert_eq!(*first, 3 * j);
        assert_close(&[0.375, 0.25, 0.375], &pool.weights[weights.clone()], 1e-7);
    }
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, d, out) in [(3, 768, 512), (2, 192, 512), (5, 5, 33), (1, 100, 33)] {
        let (a, b) = (noise(m * d, 1), noise(m * d, 2));
        let rows = a.chunks_exact(d).zip(b.chunks_exact(d));
        let expected: Vec<f32> = rows.flat_map(|(a, b)| reference::channel_pool(a, b, out)).collect();
        let pool = ChannelPool::new(d, out).at(&place).unwrap();
        let [a, b] = [&a, &b].map(|values| Buffer::of(&place, values).unwrap());
        let mut found = Buffer::new(&place, m * out).unwrap();
        pool.run(&a, &b, &mut found).unwrap();
        assert_close(&expected, &read(&found), 1e-6);
        // The matrix does not run on the host any more, nor that of the host on a device.
        assert!(pool.run(&vec![0.0; m * d], &vec![0.0; m * d], &mut vec![0.0; m * out]).is_err());
        assert!(ChannelPool::new(d, out).run(&a, &b, &mut found).is_err());
    }
}
