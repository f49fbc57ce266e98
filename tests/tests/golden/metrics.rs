use std::collections::BTreeMap;

use snarm_core::metrics::{Binning, PixelScores, Ranking, Samples, auroc, average_precision, f1_max};

use crate::file::Golden;

/// Scores and labels ranked.
fn rank(scores: &[f32], labels: &[u8]) -> Ranking {
    let mut samples = Samples::new();
    samples.extend(scores.iter().zip(labels).map(|(score, label)| (*score, *label > 0)));
    samples.rank().unwrap()
}

/// The values of a case by their names.
fn values(golden: &Golden, case: &str) -> BTreeMap<String, f64> {
    let (names, values) = (golden.value_names(case), golden.f64s(&format!("{case}.values")));
    assert_eq!(names.len(), values.len(), "{case}: {names:?}");
    names.into_iter().zip(values).collect()
}

/// Compares AUROC, AP and F1-max of one ranking with the values of a golden case whose names start with `prefix`.
fn check(golden: &Golden, case: &str, prefix: &str, ranking: &Ranking) {
    let values = values(golden, case);
    let value = |name: &str| values[&format!("{prefix}{name}")];
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

/// The pixels of a golden case, within so many bytes.
fn pixels(golden: &Golden, case: &str, [height, width]: [usize; 2], memory: usize) -> PixelScores {
    let mut pixels = PixelScores::within(memory, &std::env::temp_dir());
    let (scores, masks) = (golden.f32s(&format!("{case}.scores")), golden.u8s(&format!("{case}.masks")));
    let labels: Vec<_> = masks.iter().map(|mask| Some(*mask > 0)).collect();
    let components = golden.u32s(&format!("{case}.components8"));
    let maps = scores.chunks_exact(height * width).zip(labels.chunks_exact(height * width));
    assert_eq!(maps.len(), components.len(), "{case}");
    for ((scores, labels), components) in maps.zip(components) {
        let before = pixels.regions();
        pixels.add(scores, labels, width).unwrap();
        assert_eq!(pixels.regions() - before, u64::from(components), "{case}");
    }
    pixels
}

/// Every figure of the maps, with the tolerances of the definitions: exact ones, and those of the published binning.
/// The smaller memory cannot hold one map, so that all pixels go through files.
#[test]
fn pixel_figures_are_those_of_the_definitions_and_of_the_published_tool() {
    let golden = Golden::open("losses_metrics");
    for (case, size) in [("m0", [32, 40]), ("m1", [32, 40]), ("m2", [49, 49]), ("m3", [17, 23])] {
        let values = values(&golden, case);
        for memory in [1 << 20, 2048] {
            let mut pixels = pixels(&golden, case, size, memory);
            let check = |name: &str, found: Option<f64>, tolerance: f64| {
                let (found, expected) = (found.unwrap(), values[name]);
                assert!(
                    (found - expected).abs() < tolerance,
                    "{case} {name}: expected {expected}, found {found}"
                );
            };
            for limit in ["0.05", "0.3", "1.0"] {
                let figures = pixels.figures(Binning::Exact, limit.parse().unwrap()).unwrap();
                check(&format!("aupro_{limit}"), figures.aupro, 1e-7);
                check("pixel_auroc", figures.auroc, 1e-9);
                check("pixel_ap", figures.average_precision, 1e-9);
                check("pixel_f1max", figures.f1_max.map(|best| best.f1), 1e-9);
                let threshold = figures.f1_max.map(|best| f64::from(best.threshold));
                check("pixel_f1max_threshold", threshold, 1e-6);
            }
            let mut binned = 0;
            for bins in [1000, 50] {
                let figures = pixels.figures(Binning::Adeval(bins), 0.3).unwrap();
                let named =
                    [("ap", figures.average_precision), ("auroc", figures.auroc), ("aupro", figures.aupro)];
                for (name, found) in named.map(|(name, found)| (format!("adeval{bins}_{name}"), found)) {
                    if values.contains_key(&name) {
                        check(&name, found, 1e-6);
                        binned += 1;
                    }
                }
            }
            assert_eq!(binned, if matches!(case, "m0" | "m2") { 6 } else { 3 }, "{case}");
        }
    }
}
