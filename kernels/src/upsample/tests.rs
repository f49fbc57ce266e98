use proptest::prelude::*;

use super::*;
use crate::device::Buffer;
use crate::testing::{assert_close, device, noise, read};

proptest! {
    #[test]
    fn agrees_with_the_reference(
        h in 1_usize..9, w in 1_usize..9, oh in 1_usize..30, ow in 1_usize..30, c in 1_usize..20, edges in any::<bool>()
    ) {
        let corners = if edges { Corners::Edges } else { Corners::Centres };
        let x = noise(h * w * c, 5);
        let mut found = vec![0.0; oh * ow * c];
        Upsample::new((h, w), (oh, ow), c, corners).run(&x, &mut found).unwrap();
        assert_close(&reference::upsample(&x, (h, w), (oh, ow), c, corners), &found, 2e-6);
    }
}

#[test]
fn the_same_size_changes_nothing() {
    let x = noise(5 * 7 * 3, 1);
    for corners in [Corners::Edges, Corners::Centres] {
        let mut y = vec![0.0; x.len()];
        Upsample::new((5, 7), (5, 7), 3, corners).run(&x, &mut y).unwrap();
        assert_close(&x, &y, 1e-6);
    }
}

#[test]
fn aligned_centres_keep_the_corner_values() {
    let mut y = [0.0; 49];
    Upsample::new((2, 2), (7, 7), 1, Corners::Centres).run(&[1.0, 2.0, 3.0, 4.0], &mut y).unwrap();
    assert_eq!([y[0], y[6], y[42], y[48]], [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_map_without_cells_is_refused() {
    for corners in [Corners::Edges, Corners::Centres] {
        assert!(Upsample::new((0, 2), (4, 4), 1, corners).run(&[], &mut [0.0; 16]).is_err());
        Upsample::new((2, 2), (0, 4), 1, corners).run(&[0.0; 4], &mut []).unwrap();
    }
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (from, to, c) in
        [((3, 5), (7, 11), 5), ((1, 1), (4, 3), 33), ((24, 24), (40, 40), 3), ((6, 4), (6, 4), 2)]
    {
        for corners in [Corners::Edges, Corners::Centres] {
            let x = noise(from.0 * from.1 * c, 5);
            let expected = reference::upsample(&x, from, to, c, corners);
            let mut y = Buffer::new(&place, expected.len()).unwrap();
            let x = Buffer::of(&place, &x).unwrap();
            Upsample::new(from, to, c, corners).run(&x, &mut y).unwrap();
            assert_close(&expected, &read(&y), 4e-6);
        }
    }
}
