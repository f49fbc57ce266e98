use super::*;
use crate::testing::{assert_close, noise};

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
