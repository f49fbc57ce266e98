//! The pixels of an evaluation stay within the memory they are allowed. Alone in its process, since it reads how much
//! the process ever had.

use snarm_core::metrics::{Binning, PixelScores};

const SIDE: usize = 392;
const MAPS: usize = 120;
const ALLOWED: usize = 8 << 20;

/// Most memory that the process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// 18 million pixels, 148 MB in memory, of hardly any equal ones.
#[test]
#[cfg(target_os = "linux")]
fn millions_of_pixels_fit_into_a_few_megabytes() {
    let before = peak();
    let mut pixels = PixelScores::within(ALLOWED, &std::env::temp_dir());
    let mut state = 1u64;
    let mut labels = vec![Some(false); SIDE * SIDE];
    for (i, label) in labels.iter_mut().enumerate() {
        // Two discs in a map.
        let (x, y) = ((i % SIDE) as f64, (i / SIDE) as f64);
        *label = Some((x - 90.0).hypot(y - 90.0) < 30.0 || (x - 300.0).hypot(y - 250.0) < 8.0);
    }
    let mut scores = vec![0.0f32; SIDE * SIDE];
    for _ in 0..MAPS {
        for (score, label) in scores.iter_mut().zip(&labels) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = (state >> 40) as f32 / (1 << 24) as f32;
            *score = if *label == Some(true) { 0.25 + 0.75 * random } else { 0.75 * random };
        }
        pixels.add(&scores, &labels, SIDE).unwrap();
    }
    let figures = pixels.figures(Binning::Exact, 0.3).unwrap();
    assert_eq!(
        (pixels.regions(), pixels.negatives() + pixels.positives()),
        (2 * MAPS as u64, (MAPS * SIDE * SIDE) as u64)
    );
    // Normal uniform in 0..0.75, anomalous in 0.25..1: the loser's share is (2/3)^2 / 2, the false-positive rate at
    // threshold t is (0.75 - t) / 0.75 and the overlap there (1 - t) / 0.75, 1 from t = 0.25 on.
    assert!((figures.auroc.unwrap() - 7.0 / 9.0).abs() < 1e-3, "{figures:?}");
    assert!((figures.aupro.unwrap() - (1.0 / 3.0 + 0.15)).abs() < 3e-3, "{figures:?}");
    let grown = peak() - before;
    assert!(grown < ALLOWED + (8 << 20), "{grown} bytes");
}
