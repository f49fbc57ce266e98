use proptest::prelude::*;

use super::*;
use crate::testing::noise;

proptest! {
    #[test]
    fn agrees_with_the_reference(w in 1_usize..20, rows in prop::collection::vec(any::<u32>(), 1..20), dense in any::<bool>()) {
        let mask: Vec<bool> =
            rows.iter().flat_map(|bits| (0..w).map(move |c| (bits >> c) & 1 == 1 || (dense && c % 3 == 0))).collect();
        let x: Vec<f32> = mask.iter().map(|m| f32::from(*m)).collect();
        let mut components = Components::default();
        let n = components.run(&x, w, 0.5).unwrap();
        let (labels, expected) = reference::components(&mask, w);
        prop_assert_eq!(n, expected);
        prop_assert_eq!(components.labels(), labels);
    }
}

proptest! {
    #[test]
    fn measures_agree_with_the_reference(w in 1_usize..20, h in 1_usize..20, threshold in -0.5_f32..0.9) {
        let x = noise(w * h, 1);
        let mut components = Components::default();
        let parts = components.measure(&x, w, threshold).unwrap().to_vec();
        let (labels, n) = reference::components(&x.iter().map(|v| *v >= threshold).collect::<Vec<_>>(), w);
        let expected: Vec<Part> = (1..=n as u32).map(|label| reference::part(&x, w, &labels, label)).collect();
        prop_assert_eq!(parts, expected);
    }
}

#[test]
fn a_diagonal_contact_connects() {
    let mut components = Components::default();
    assert_eq!(components.run(&[1.0, 0.0, 0.0, 1.0], 2, 1.0).unwrap(), 1);
}

#[test]
fn a_used_workspace_starts_afresh() {
    let mut components = Components::default();
    components.run(&[1.0; 6], 3, 0.5).unwrap();
    assert_eq!(components.run(&[0.0; 6], 3, 0.5).unwrap(), 0);
    assert!(components.labels().iter().all(|l| *l == 0));
}
