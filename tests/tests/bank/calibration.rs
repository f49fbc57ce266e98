//! The threshold of a bank: good parts stay below it, learned or new, and defects do not.

use std::sync::Arc;

use snarm_core::bank::{Bank, BankBuilder, BankSettings, Reduction};
use snarm_core::detect::Detector;
use snarm_core::frame::Frame;

use crate::common::{HEIGHT, WIDTH, add, bank_of, encoder, picture, scratched, settings};

#[test]
fn every_good_frame_is_scored_without_its_block_as_long_as_there_are_not_too_many() {
    for (frames, fraction, expected, in_blocks) in
        [(10, 0.2, 10, true), (3, 0.5, 3, false), (3, 0.2, 3, false), (6, 0.0, 6, false), (70, 0.1, 64, true)]
    {
        let settings = BankSettings { calibration_fraction: fraction, ..settings(200, Reduction::Random) };
        let bank = bank_of(0..frames, settings);
        let calibration = bank.calibration();
        assert_eq!((calibration.frames, calibration.held_out), (expected, in_blocks), "{frames} {fraction}");
        assert_eq!((calibration.scores.len(), bank.frames()), (expected, frames));
        assert!((calibration.threshold - 0.5).abs() < 1e-9 && calibration.scores[0] > 0.0, "{calibration:?}");
    }
}

/// Pixels of a good part: stripes that lie elsewhere, in another light and with other noise in every part; or the
/// same with a scratch.
fn part(number: u64, scratched: bool) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let (light, shift) = (0.9 + 0.2 * random(), 6.0 * random());
    let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for at in 0..WIDTH * HEIGHT {
        let (x, y) = ((at % WIDTH) as f32, (at / WIDTH) as f32);
        let stripe = if ((x + shift + 0.5 * y) / 6.0) as i32 % 2 == 0 { 150.0 } else { 70.0 };
        let on_scratch = scratched && (20..23).contains(&(at / WIDTH)) && (20..34).contains(&(at % WIDTH));
        for bright in [1.0, 0.8, 0.6] {
            let level = if on_scratch { 250.0 * (1.6 - bright) } else { stripe * bright * light };
            pixels.push((level + 10.0 * random()).clamp(0.0, 255.0) as u8);
        }
    }
    pixels
}

fn learned(frames: impl Iterator<Item = Vec<u8>>, fraction: f64, capacity: usize) -> Arc<Bank> {
    let settings = BankSettings { calibration_fraction: fraction, ..settings(capacity, Reduction::Greedy) };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    for pixels in frames {
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
    }
    Arc::new(builder.finish(&mut |_, _, _| {}).unwrap())
}

/// How many of the frames are anomalous at the bank's own threshold.
fn alarms(bank: &Arc<Bank>, frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut detector = Detector::new(encoder(), bank.clone()).unwrap();
    let limits = detector.bank_limits();
    frames
        .filter(|pixels| {
            detector.detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().anomalous
        })
        .count()
}

#[test]
fn new_good_parts_stay_below_the_threshold_and_scratched_ones_do_not() {
    let bank = learned((0..24).map(|i| part(i, false)), 0.2, 2000);
    let (false_alarms, found) =
        (alarms(&bank, (100..160).map(|i| part(i, false))), alarms(&bank, (200..220).map(|i| part(i, true))));
    assert!(false_alarms <= 3, "{false_alarms} of 60 new good parts are anomalous");
    assert_eq!(found, 20, "of 20 scratched parts");
}

/// A camera shows each part three times. Against its own neighbours a frame scores next to nothing.
#[test]
fn neighbours_in_a_stream_do_not_lower_the_threshold() {
    let frame = |i: u64| {
        let mut pixels = part(i / 3, false);
        let some = pixels.iter_mut().skip(i as usize % 3).step_by(7);
        some.for_each(|level| *level = level.saturating_add(2));
        pixels
    };
    let [alone, in_blocks] = [0.0, 0.17].map(|fraction| learned((0..18).map(frame), fraction, 100_000));
    let references = [&alone, &in_blocks].map(|bank| bank.calibration().reference);
    assert!(references[1] > 1.5 * references[0], "{references:?}");
    let new = [&alone, &in_blocks].map(|bank| alarms(bank, (100..110).map(|i| part(i, false))));
    assert!(new[0] >= 7 && new[1] <= 2, "{new:?} of 10 new good parts are anomalous");
}

#[test]
fn a_defect_among_the_learned_parts_hides_no_other_kind() {
    let parts = (0..24).map(|i| part(i, false));
    let odd =
        (0..2).map(|i| [part(i, true)[..WIDTH * HEIGHT].to_vec(), vec![0; 2 * WIDTH * HEIGHT]].concat());
    let bank = learned(parts.chain(odd), 0.2, 2000);
    assert_eq!(alarms(&bank, (200..220).map(|i| part(i, true))), 20, "of 20 scratched parts");
}

#[test]
fn frames_that_were_learned_stay_under_the_threshold_and_a_defect_does_not() {
    let bank = Arc::new(bank_of(0..8, settings(500, Reduction::Greedy)));
    let mut detector = Detector::new(encoder(), bank).unwrap();
    let limits = detector.bank_limits();
    let mut detect = |pixels: &[u8]| {
        detector.detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().clone()
    };
    for i in 0..8 {
        let found = detect(&picture(i));
        assert!(!found.anomalous, "frame {i} scores {}", found.score);
    }
    let found = detect(&scratched());
    assert!(found.anomalous && found.area > 0.0, "{} {:?}", found.score, found.regions);
    let first = found.regions[0];
    let (cx, cy) = (15.0 / WIDTH as f64, 13.0 / HEIGHT as f64);
    assert!((first.cx - cx).abs() < 0.08 && (first.cy - cy).abs() < 0.08, "{first:?}");
}

/// Of equal frames the bank keeps descriptors of the first only. Scored without its own, that frame has nothing to be
/// compared with, and its score must not count.
#[test]
fn equal_good_frames_still_find_a_defect() {
    let mut builder = BankBuilder::new(encoder(), settings(300, Reduction::Greedy)).unwrap();
    for _ in 0..3 {
        add(&mut builder, 0..1);
    }
    let bank = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    let mut detector = Detector::new(encoder(), bank).unwrap();
    let limits = detector.bank_limits();
    for (pixels, anomalous) in [(picture(0), false), (scratched(), true)] {
        let found = detector.detect(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap();
        assert_eq!(found.anomalous, anomalous, "score {}", found.score);
        assert!(found.map.iter().all(|score| (0.0..=1.0).contains(score)));
    }
}
