//! The figures of pixels against their definitions, and against themselves in less memory.

use proptest::prelude::*;

use super::*;
use crate::metrics::{Binning, PixelFigures, Samples, auroc, average_precision, f1_max};

/// Maps of `width` x `height` from numbers: scores in steps, masks with single pixels and blocks.
fn maps(
    seed: u64,
    count: usize,
    width: usize,
    height: usize,
    steps: u64,
) -> Vec<(Vec<f32>, Vec<Option<bool>>)> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let map = |next: &mut dyn FnMut() -> u64| {
        let labels: Vec<_> = (0..width * height)
            .map(|_| match next() % 16 {
                0..4 => Some(true),
                4 => None,
                _ => Some(false),
            })
            .collect();
        let scores = labels.iter().map(|l| (next() % steps + u64::from(*l == Some(true)) * steps / 4) as f32);
        (scores.map(|s| s / steps as f32).collect(), labels)
    };
    (0..count).map(|_| map(&mut next)).collect()
}

fn collect(mut scores: PixelScores, maps: &[(Vec<f32>, Vec<Option<bool>>)], width: usize) -> PixelScores {
    for (map, labels) in maps {
        scores.add(map, labels, width).unwrap();
    }
    scores
}

/// AUPRO word for word: all thresholds, each region on its own.
fn plain_aupro(maps: &[(Vec<f32>, Vec<Option<bool>>)], width: usize, limit: f64) -> Option<f64> {
    let mut regions: Vec<Vec<f32>> = Vec::new();
    let mut normal = Vec::new();
    let mut thresholds = Vec::new();
    for (map, labels) in maps {
        let mut open = labels.clone();
        for start in 0..map.len() {
            match labels[start] {
                Some(false) => normal.push(map[start]),
                None => continue,
                Some(true) => {}
            }
            thresholds.push(map[start]);
            if open[start] != Some(true) {
                continue;
            }
            let (mut region, mut stack) = (Vec::new(), vec![start]);
            open[start] = None;
            while let Some(at) = stack.pop() {
                region.push(map[at]);
                let (x, y) = ((at % width) as isize, (at / width) as isize);
                for (dx, dy) in (0..9).map(|i| (i % 3 - 1, i / 3 - 1)) {
                    let (x, y) = (x + dx, y + dy);
                    if x < 0 || y < 0 || x >= width as isize || y >= (map.len() / width) as isize {
                        continue;
                    }
                    let to = y as usize * width + x as usize;
                    if open[to] == Some(true) {
                        open[to] = None;
                        stack.push(to);
                    }
                }
            }
            regions.push(region);
        }
    }
    if regions.is_empty() || normal.is_empty() {
        return None;
    }
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let part =
        |scores: &[f32], t: f32| scores.iter().filter(|s| **s >= t).count() as f64 / scores.len() as f64;
    let (mut last, mut area) = ((0.0, 0.0), 0.0);
    for t in thresholds {
        let x = part(&normal, t);
        let y = regions.iter().map(|region| part(region, t)).sum::<f64>() / regions.len() as f64;
        if last.0 < limit && x > last.0 {
            let end = x.min(limit);
            let at_end = last.1 + (y - last.1) * (end - last.0) / (x - last.0);
            area += (last.1 + at_end) / 2.0 * (end - last.0);
        }
        last = (x, y);
    }
    Some(area / limit)
}

fn assert_near(what: &str, found: Option<f64>, expected: Option<f64>) {
    let near = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
        (found, expected) => found == expected,
    };
    assert!(near, "{what}: expected {expected:?}, found {found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn figures_are_their_definitions(
        seed in any::<u64>(), count in 1usize..4, width in 1usize..9, height in 1usize..9, steps in 2u64..40,
        limit in 0.05f64..1.0,
    ) {
        let maps = maps(seed, count, width, height, steps);
        let figures = collect(PixelScores::new(), &maps, width).figures(Binning::Exact, limit).unwrap();
        assert_near("aupro", figures.aupro, plain_aupro(&maps, width, limit));
        let mut samples = Samples::new();
        for (map, labels) in &maps {
            samples.extend(map.iter().zip(labels).filter_map(|(score, label)| Some((*score, (*label)?))));
        }
        let ranking = samples.rank().unwrap();
        prop_assert_eq!(figures.auroc, auroc(&ranking));
        prop_assert_eq!(figures.average_precision, average_precision(&ranking));
        prop_assert_eq!(figures.f1_max, f1_max(&ranking));
    }
}

#[test]
fn less_memory_gives_the_same_figures_to_the_last_bit() {
    let (width, height) = (40, 30);
    for steps in [7, 1 << 22] {
        let maps = maps(steps, 40, width, height, steps);
        let all = collect(PixelScores::new(), &maps, width);
        let mut expected = all;
        assert!(expected.runs.is_empty());
        let folder = tempfile::tempdir().unwrap();
        // 90 pixels at once: 500 runs, which are merged twice.
        for bytes in [90 * 8, 5_000 * 8, 44_000 * 8] {
            let mut small = collect(PixelScores::within(bytes, folder.path()), &maps, width);
            assert!(!small.runs.is_empty() && small.buffer.capacity() * 8 <= bytes);
            let levels: Vec<u32> = small.runs.iter().map(|run| run.level).collect();
            assert!(levels.is_sorted_by(|a, b| a >= b) && levels.len() < 3 * FAN_IN, "{levels:?}");
            for binning in [Binning::Exact, Binning::Adeval(50)] {
                let figures =
                    |scores: &mut PixelScores| -> PixelFigures { scores.figures(binning, 0.3).unwrap() };
                assert_eq!(figures(&mut small), figures(&mut expected), "{bytes} bytes, {steps} steps");
            }
            assert_eq!(small.curve().unwrap(), expected.curve().unwrap());
        }
    }
}

#[test]
fn more_pixels_may_follow_after_the_figures_were_read() {
    let maps = maps(5, 6, 20, 20, 1000);
    let mut scores = PixelScores::within(300 * 8, &std::env::temp_dir());
    scores = collect(scores, &maps[..3], 20);
    let half = scores.figures(Binning::Exact, 0.3).unwrap();
    scores = collect(scores, &maps[3..], 20);
    let whole = scores.figures(Binning::Exact, 0.3).unwrap();
    assert_ne!(half, whole);
    assert_eq!(whole, collect(PixelScores::new(), &maps, 20).figures(Binning::Exact, 0.3).unwrap());
}

#[test]
fn missing_kinds_have_no_figures() {
    let mut none = PixelScores::new();
    assert_eq!(none.figures(Binning::Exact, 0.3).unwrap(), PixelFigures::default());
    assert_eq!(none.figures(Binning::Adeval(10), 0.3).unwrap(), PixelFigures::default());
    none.add(&[0.1, 0.2], &[Some(false), None], 2).unwrap();
    assert_eq!((none.negatives(), none.positives(), none.regions()), (1, 0, 0));
    assert_eq!(none.figures(Binning::Exact, 0.3).unwrap(), PixelFigures::default());
    none.add(&[0.1, 0.3], &[Some(true); 2], 2).unwrap();
    assert_eq!(none.figures(Binning::Adeval(10), 0.3).unwrap().auroc, Some(0.75));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut scores = PixelScores::new();
    let message = scores.add(&[0.1; 6], &[Some(true); 5], 3).unwrap_err().to_string();
    assert_eq!(message, "labels of a score map: expected 6 of rows of 3, found 5");
    let message = scores.add(&[0.1, f32::NAN], &[Some(true); 2], 2).unwrap_err().to_string();
    assert_eq!(message, "pixel scores: expected numbers, found 1 that are not a number");
    let mut nowhere = PixelScores::within(8, Path::new("/nowhere/at-all"));
    let message = nowhere.add(&[0.1; 4], &[Some(true); 4], 2).unwrap_err().to_string();
    assert!(message.starts_with("cannot write pixel scores: "), "{message}");
}

#[test]
fn thinned_curves_stay_near_all_points() {
    let maps = maps(9, 30, 40, 40, 1 << 20);
    let mut scores = collect(PixelScores::new(), &maps, 40);
    let curve = scores.curve().unwrap();
    assert!((50..3000).contains(&curve.points.len()), "{}", curve.points.len());
    let last = curve.points.last().unwrap();
    assert_eq!((last.recall, last.false_positive_rate, last.overlap), (1.0, 1.0, Some(1.0)));
    let (p, n) = (scores.positives() as f64, scores.negatives() as f64);
    let mut at = 0;
    scores
        .visit_steps(|found| {
            while curve.points[at].threshold > found.step.threshold {
                at += 1;
            }
            let (tp, fp) = (found.step.true_positives as f64 / p, found.step.false_positives as f64 / n);
            let near = [at, at.saturating_sub(1)].map(|i| curve.points[i]).into_iter().any(|point| {
                (point.recall - tp).abs() < 0.01 && (point.false_positive_rate - fp).abs() < 0.01
            });
            assert!(near, "{found:?}");
        })
        .unwrap();
}
