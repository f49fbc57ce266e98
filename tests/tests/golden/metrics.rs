use snarm_core::metrics::{Ranking, Samples, auroc, average_precision, f1_max};

use crate::file::Golden;

/// Scores and labels ranked.
fn rank(scores: &[f32], labels: &[u8]) -> Ranking {
    let mut samples = Samples::new();
    samples.extend(scores.iter().zip(labels).map(|(score, label)| (*score, *label > 0)));
    samples.rank().unwrap()
}

/// Compares AUROC, AP and F1-max of one ranking with the values of a golden case whose names start with `prefix`.
fn check(golden: &Golden, case: &str, prefix: &str, ranking: &Ranking) {
    let (names, values) = (golden.value_names(case), golden.f64s(&format!("{case}.values")));
    assert_eq!(names.len(), values.len(), "{case}: {names:?}");
    let value = |name: &str| {
        let full = format!("{prefix}{name}");
        values[names
            .iter()
            .position(|n| *n == full)
            .unwrap_or_else(|| panic!("{case}: no {full} in {names:?}"))]
    };
    let best = f1_max(ranking).unwrap();
    for (name, found, tolerance) in [
        ("auroc", auroc(ranking).unwrap(), 1e-9),
        ("ap", average_precision(ranking).unwrap(), 1e-9),
        ("f1max", best.f1, 1e-9),
        ("f1max_threshold", f64::from(best.threshold), 1e-6),
    ] {
        assert!(
            (found - value(name)).abs() < tolerance,
            "{case} {name}: expected {}, found {found}",
            value(name)
        );
    }
}

#[test]
fn image_scores_rank_as_in_scikit_learn() {
    let golden = Golden::open("losses_metrics");
    for case in ["img0", "img1"] {
        let scores = golden.f32s(&format!("{case}.image_scores"));
        check(&golden, case, "", &rank(&scores, &golden.u8s(&format!("{case}.labels"))));
    }
}

#[test]
fn pixel_and_image_scores_of_maps_rank_as_in_scikit_learn() {
    let golden = Golden::open("losses_metrics");
    for case in ["m0", "m1", "m2", "m3"] {
        let of = |what: &str| golden.f32s(&format!("{case}.{what}"));
        check(&golden, case, "pixel_", &rank(&of("scores"), &golden.u8s(&format!("{case}.masks"))));
        check(&golden, case, "image_", &rank(&of("image_scores"), &golden.u8s(&format!("{case}.labels"))));
    }
}
