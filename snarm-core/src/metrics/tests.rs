//! Small cases with known answers, and the sorted metrics against their definitions.

use proptest::prelude::*;

use super::*;

fn ranking(scores: &[f32], labels: &[u8]) -> Ranking {
    let mut samples = Samples::new();
    samples.extend(scores.iter().copied().zip(labels.iter().map(|&label| label != 0)));
    samples.rank().unwrap()
}

/// Expected numbers: scikit-learn 1.9.1 (`roc_auc_score`, `average_precision_score`, best F1 of
/// `precision_recall_curve`) on scores in steps of 1/16.
#[test]
fn ties_are_counted_as_scikit_learn_counts_them() {
    let sixteenths = [
        7, 5, 3, 7, 8, 9, 14, 10, 9, 7, 12, 9, 7, 8, 11, 9, 10, 9, 6, 12, 6, 8, 8, 12, 7, 7, 9, 13, 5, 14,
        10, 11, 6, 8, 10, 8, 12, 3, 7, 6, 7, 9, 10, 11, 8, 5, 7, 7, 6, 10, 6, 4, 5, 10, 7, 11, 11, 7, 12, 3,
    ];
    let labels = [
        1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0,
        0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0,
    ];
    let scores = sixteenths.map(|s: u8| f32::from(s) / 16.0);
    let ranking = ranking(&scores, &labels);
    assert!((auroc(&ranking).unwrap() - 0.497_775_305_895_439_34).abs() < 1e-15);
    assert!((average_precision(&ranking).unwrap() - 0.540_248_707_794_346_7).abs() < 1e-14);
    let best = f1_max(&ranking).unwrap();
    assert!((best.f1 - 0.682_352_941_176_470_6).abs() < 1e-15);
    assert_eq!(best.threshold, 0.3125);
}

#[test]
fn perfect_and_reversed_orders_are_one_and_zero() {
    let labels = [0, 0, 1, 1];
    assert_eq!(auroc(&ranking(&[0.1, 0.2, 0.3, 0.4], &labels)), Some(1.0));
    assert_eq!(auroc(&ranking(&[0.4, 0.3, 0.2, 0.1], &labels)), Some(0.0));
    assert_eq!(auroc(&ranking(&[0.5; 4], &labels)), Some(0.5));
    assert_eq!(auroc(&ranking(&[0.0, -0.0, 0.0, -0.0], &labels)), Some(0.5));
}

#[test]
fn a_missing_kind_has_no_figure() {
    let normal = ranking(&[0.1, 0.2], &[0, 0]);
    assert_eq!((auroc(&normal), average_precision(&normal), f1_max(&normal)), (None, None, None));
    let anomalous = ranking(&[0.1, 0.2], &[1, 1]);
    assert_eq!((auroc(&anomalous), average_precision(&anomalous)), (None, Some(1.0)));
    assert_eq!(f1_max(&anomalous), Some(F1Max { f1: 1.0, threshold: 0.1 }));
    assert_eq!(auroc(&ranking(&[], &[])), None);
}

#[test]
fn a_score_that_is_no_number_is_refused() {
    let mut samples = Samples::new();
    samples.extend([(0.5, true), (f32::NAN, false)]);
    let message = samples.rank().unwrap_err().to_string();
    assert_eq!(message, "scores to rank: expected numbers, found 1 that are not a number");
}

proptest! {
    /// The oracle compares all pairs.
    #[test]
    fn auroc_is_the_chance_of_the_right_order(samples in prop::collection::vec((0u8..12, any::<bool>()), 2..80)) {
        let scores: Vec<f32> = samples.iter().map(|s| f32::from(s.0)).collect();
        let labels: Vec<u8> = samples.iter().map(|s| u8::from(s.1)).collect();
        let (mut pairs, mut won) = (0.0f64, 0.0f64);
        for (a, _) in samples.iter().filter(|s| s.1) {
            for (b, _) in samples.iter().filter(|s| !s.1) {
                pairs += 1.0;
                won += match a.cmp(b) { std::cmp::Ordering::Greater => 1.0, std::cmp::Ordering::Equal => 0.5, _ => 0.0 };
            }
        }
        match auroc(&ranking(&scores, &labels)) {
            Some(area) => prop_assert!((area - won / pairs).abs() < 1e-12),
            None => prop_assert_eq!(pairs, 0.0),
        }
    }

    #[test]
    fn the_last_step_finds_everything(samples in prop::collection::vec((0u8..12, any::<bool>()), 1..80)) {
        let scores: Vec<f32> = samples.iter().map(|s| f32::from(s.0)).collect();
        let labels: Vec<u8> = samples.iter().map(|s| u8::from(s.1)).collect();
        let ranking = ranking(&scores, &labels);
        let steps: Vec<Step> = ranking.steps().collect();
        let last = steps.last().unwrap();
        prop_assert_eq!((last.true_positives, last.false_positives), (ranking.positives(), ranking.negatives()));
        prop_assert!(steps.windows(2).all(|pair| pair[0].threshold > pair[1].threshold));
    }
}
