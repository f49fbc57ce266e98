//! The threshold of a bank: good parts stay below it, learned or new, and defects do not.

use std::sync::Arc;

use snarm_core::bank::{Bank, BankBuilder, BankSettings, OddFrame, Origin, Reduction};
use snarm_core::detect::Detector;
use snarm_core::frame::Frame;
use snarm_core::metrics::{Samples, auroc};

use crate::common::{HEIGHT, WIDTH, add, bank_of, encoder, picture, scratched, settings};

#[test]
fn every_good_frame_of_a_stream_is_scored_without_its_block_as_long_as_there_are_not_too_many() {
    for (frames, fraction, expected, in_blocks) in
        [(10, 0.2, 10, true), (6, 0.0, 6, false), (70, 0.1, 70, true)]
    {
        let bank = learned((0..frames).map(moving), fraction, 2000);
        let calibration = bank.calibration();
        assert_eq!((calibration.frames, calibration.held_out), (expected, in_blocks), "{frames} {fraction}");
        assert_eq!((calibration.scores.len(), bank.frames()), (expected, frames as usize));
        assert!((calibration.threshold - 0.5).abs() < 1e-9 && calibration.scores[0] > 0.0, "{calibration:?}");
    }
    // Pictures of parts are no stream.
    for (frames, fraction) in [(3, 0.5), (3, 0.2), (20, 0.2)] {
        let bank = learned((0..frames).map(|i| part(i, false)), fraction, 2000);
        let calibration = bank.calibration();
        assert_eq!(
            (calibration.frames, calibration.held_out),
            (frames as usize, false),
            "{frames} {fraction}"
        );
        assert!((calibration.threshold - 0.5).abs() < 1e-9 && calibration.scores[0] > 0.0, "{calibration:?}");
    }
}

#[test]
fn a_bank_of_hundreds_of_frames_is_calibrated_with_all_of_them() {
    let bank = learned((0..300).map(|i| part(i, false)), 0.2, 500);
    let copies = bank.header().copies;
    assert_eq!(bank.calibration().frames + copies, 300, "{copies} copies");
    assert!(copies < 40, "{copies} copies");
}

/// Pixels of a good part, or the same with a scratch.
pub(crate) fn part(number: u64, scratched: bool) -> Vec<u8> {
    snarm_tests::stripes::part(WIDTH, HEIGHT, number, scratched)
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
pub(crate) fn alarms(bank: &Arc<Bank>, frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut detector = Detector::new(encoder(), bank.clone()).unwrap();
    let limits = detector.bank_limits();
    frames
        .filter(|pixels| {
            detector
                .detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits)
                .unwrap()
                .verdict
                .is_anomalous()
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

#[test]
fn frames_unlike_the_rest_are_named_and_left_out_on_request() {
    let is_bad = |i: u64| i % 20 == 7;
    let learn = |leave_out_odd: bool| {
        let settings = BankSettings { leave_out_odd, ..settings(2000, Reduction::Greedy) };
        let mut builder = BankBuilder::new(encoder(), settings).unwrap();
        for i in 0..60 {
            let pixels = part(i, is_bad(i));
            let origin = Origin { number: Some(1000 + i), ..Origin::default() };
            builder.add_from(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap(), Some(origin)).unwrap();
        }
        Arc::new(builder.finish(&mut |_, _, _| {}).unwrap())
    };
    let (kept, left_out) = (learn(false), learn(true));
    for bank in [&kept, &left_out] {
        let mut named: Vec<usize> = bank.odd_frames().iter().map(|odd| odd.frame).collect();
        named.sort_unstable();
        assert!(!named.is_empty() && named.iter().all(|frame| is_bad(*frame as u64)), "{named:?}");
        let number = |odd: &OddFrame| odd.origin.as_ref().and_then(|origin| origin.number);
        assert!(bank.odd_frames().iter().all(|odd| number(odd) == Some(1000 + odd.frame as u64)));
        assert!(bank.odd_frames().is_sorted_by(|a, b| a.sigmas >= b.sigmas));
        assert_eq!(bank.frames(), 60, "all were seen");
    }
    let odd: Vec<u32> = kept.odd_frames().iter().map(|odd| odd.frame as u32).collect();
    assert!(kept.images().iter().any(|image| odd.contains(image)));
    assert!(left_out.images().iter().all(|image| !odd.contains(image)), "rows of odd frames are left");
    assert_eq!(left_out.calibration().frames + odd.len(), kept.calibration().frames);
    let found = |bank: &Arc<Bank>| alarms(bank, (200..240).map(|i| part(i, true)));
    let (with, without) = (found(&kept), found(&left_out));
    assert!(without >= with && without >= 38, "of 40 scratched parts {without} are found, with them {with}");
}

/// A good part with a spot that has another place and another colour on each.
fn spotted(number: u64) -> Vec<u8> {
    let mut pixels = part(number, false);
    let mixed = |salt: u64| (number + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let (left, top) = (mixed(1) as usize % (WIDTH - 12), mixed(2) as usize % (HEIGHT - 8));
    let colour = [mixed(3), mixed(4), mixed(5)].map(|level| if level % 2 == 0 { 250 } else { 5 });
    for (y, x) in (top..top + 8).flat_map(|y| (left..left + 12).map(move |x| (y, x))) {
        pixels[3 * (y * WIDTH + x)..][..3].copy_from_slice(&colour);
    }
    pixels
}

/// The area under the curve of good parts and spotted ones.
fn auroc_of(bank: &Arc<Bank>) -> f64 {
    let mut detector = Detector::new(encoder(), bank.clone()).unwrap();
    let limits = detector.bank_limits();
    let mut score = |pixels: &[u8]| {
        detector.detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().raw_score as f32
    };
    let mut samples = Samples::new();
    (100..140).for_each(|i| samples.push(score(&part(i, false)), false));
    (200..240).for_each(|i| samples.push(score(&spotted(i)), true));
    auroc(&samples.rank().unwrap()).unwrap()
}

#[test]
fn five_bad_frames_of_sixty_cost_next_to_nothing_where_odd_ones_are_left_out() {
    let learn = |bad: bool, leave_out_odd: bool| {
        let settings = BankSettings { leave_out_odd, ..settings(2000, Reduction::Greedy) };
        let mut builder = BankBuilder::new(encoder(), settings).unwrap();
        for i in (0..60).filter(|i| bad || i % 12 != 7) {
            let pixels = if i % 12 == 7 { spotted(i) } else { part(i, false) };
            builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
        }
        Arc::new(builder.finish(&mut |_, _, _| {}).unwrap())
    };
    let (clean, left_out) = (learn(false, false), learn(true, true));
    assert_eq!((clean.frames(), left_out.frames()), (55, 60));
    assert!(left_out.odd_frames().iter().all(|odd| odd.frame % 12 == 7), "{:?}", left_out.odd_frames());
    let (clean, left_out) = (auroc_of(&clean), auroc_of(&left_out));
    assert!(clean > 0.9 && left_out > clean - 0.01, "{clean} without bad frames, {left_out} with");
}

/// A frame of stripes that move by a part of a pixel each time, with a little noise.
fn moving(number: u64) -> Vec<u8> {
    let (mut pixels, noise) = (Vec::with_capacity(WIDTH * HEIGHT * 3), part(number, false));
    for at in 0..WIDTH * HEIGHT {
        let (x, y) = ((at % WIDTH) as f32, (at / WIDTH) as f32);
        let wave = (0.11 * (x + 0.9 * number as f32)).sin() + (0.23 * y + 0.02 * number as f32).cos();
        for color in 0..3 {
            pixels.push((120.0 + 50.0 * wave) as u8 + noise[3 * at + color] % 3);
        }
    }
    pixels
}

/// Each good part is there twice: under other names, one after the other, and as pictures that were compressed anew.
#[test]
fn copies_blind_no_bank() {
    let bank = |frames: Vec<Vec<u8>>| learned(frames.into_iter(), 0.2, 2000);
    let single: Vec<_> = (0..16).map(|i| part(i, false)).collect();
    let named = [&single[..], &single].concat();
    let beside = single.iter().flat_map(|pixels| [pixels.clone(), pixels.clone()]).collect();
    let plain = bank(single);
    assert_eq!(plain.header().copies, 0);
    for double in [named, beside].map(bank) {
        assert_eq!((double.header().copies, double.frames(), double.calibration().frames), (16, 32, 16));
        // What is the same says nothing new at all.
        assert_eq!(double.calibration(), plain.calibration());
        assert_eq!((double.images(), double.rows().data), (plain.images(), plain.rows().data));
    }
    // Compressed anew, with other noise: no two are the same.
    let again = |mut pixels: Vec<u8>| {
        pixels.iter_mut().step_by(5).for_each(|level| *level = level.saturating_add(2));
        pixels
    };
    let single = || (0..16).map(|i| part(i, false));
    let behind = single().chain(single().map(again)).collect();
    let beside = single().flat_map(|pixels| [again(pixels.clone()), pixels]).collect();
    for double in [behind, beside].map(bank) {
        assert_eq!((double.header().copies, double.frames(), double.calibration().frames), (16, 32, 16));
        let ratio = double.calibration().reference / plain.calibration().reference;
        assert!((0.85..1.15).contains(&ratio), "{ratio}");
        assert_eq!(alarms(&double, (200..220).map(|i| part(i, true))), 20, "of 20 scratched parts");
        assert!(alarms(&double, (100..140).map(|i| part(i, false))) <= 4, "of 40 good parts");
    }
}

#[test]
fn a_folder_that_is_appended_twice_changes_no_threshold() {
    let frames = || (0..16).map(|i| part(i, false));
    let settings = || settings(2000, Reduction::Greedy);
    let once = learned(frames(), 0.2, 2000);
    let mut builder = BankBuilder::append(encoder(), &once, settings()).unwrap();
    for pixels in frames() {
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
    }
    let twice = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    assert_eq!((twice.header().copies, twice.frames()), (16, 32));
    let ratio = twice.calibration().reference / once.calibration().reference;
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
}

/// Of a clip that loops every frame is there again, far from its neighbours.
#[test]
fn a_clip_that_loops_has_the_threshold_of_one_round() {
    let [once, twice] = [1, 2].map(|rounds| learned((0..40 * rounds).map(|i| moving(i % 40)), 0.2, 3000));
    assert_eq!((once.header().copies, twice.header().copies), (0, 40));
    assert!(once.calibration().held_out && twice.calibration().held_out);
    let ratio = twice.calibration().reference / once.calibration().reference;
    assert!((0.7..2.0).contains(&ratio), "{ratio}");
}

/// Six variants, four pictures of each, one after the other: a fifth of them holds a whole variant.
#[test]
fn a_folder_that_is_sorted_by_variant_has_the_threshold_of_one_that_is_mixed() {
    let variant = |i: u64| {
        let mut pixels = part(i, false);
        let shade = (i / 4 * 30) as u8;
        pixels
            .iter_mut()
            .skip(i as usize / 4 % 3)
            .step_by(3)
            .for_each(|level| *level = shade.saturating_add(*level / 3));
        pixels
    };
    let sorted = learned((0..24).map(variant), 0.2, 3000);
    let mixed = learned((0..24).map(|i| variant(i * 7 % 24)), 0.2, 3000);
    assert!(!sorted.calibration().held_out && !mixed.calibration().held_out);
    let ratio = sorted.calibration().reference / mixed.calibration().reference;
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    // A few lie alike by chance; no variant is taken for copies of one picture.
    for bank in [sorted, mixed] {
        assert!(bank.header().copies <= 4, "{} of 24", bank.header().copies);
    }
}

#[test]
fn a_threshold_that_is_a_guess_says_so_and_what_would_mend_it() {
    let doubt = |frames: u64, capacity: usize| {
        let bank = learned((0..frames).map(|i| part(i, false)), 0.2, capacity);
        bank.doubt(bank.calibration()).unwrap_or_default()
    };
    let few = "the threshold of the bank is a guess: expected at least 4 good frames that are no copies, found 2; learn more";
    assert!(doubt(2, 2000).starts_with(few), "{}", doubt(2, 2000));
    let small = doubt(8, 1);
    assert!(small.contains("expected at least 24 vectors, found 1; raise the capacity"), "{small}");
    assert_eq!(doubt(8, 200), "");
    let copies = learned((0..8).map(|_| part(0, false)), 0.2, 2000);
    assert!(copies.doubt(copies.calibration()).is_some());
}

/// A camera shows each part three times. Against the other two a frame scores next to nothing.
#[test]
fn bursts_do_not_lower_the_threshold() {
    let frame = |i: u64| {
        let mut pixels = part(i / 3, false);
        let some = pixels.iter_mut().skip(i as usize % 3).step_by(7);
        some.for_each(|level| *level = level.saturating_add(2));
        pixels
    };
    let [alone, in_blocks] = [0.0, 0.17].map(|fraction| learned((0..18).map(frame), fraction, 100_000));
    let new = [&alone, &in_blocks].map(|bank| alarms(bank, (100..110).map(|i| part(i, false))));
    assert!(new[0] <= 2 && new[1] <= 2, "{new:?} of 10 new good parts are anomalous");
    assert_eq!(alone.header().copies, 12);
}

/// In a slow stream a frame scores next to nothing against its neighbours, which are no copies.
#[test]
fn neighbours_in_a_stream_do_not_lower_the_threshold() {
    let [alone, in_blocks] = [0.0, 0.2].map(|fraction| learned((0..40).map(moving), fraction, 100_000));
    let references = [&alone, &in_blocks].map(|bank| bank.calibration().reference);
    assert!(references[1] > 1.3 * references[0], "{references:?}");
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
        assert!(!found.verdict.is_anomalous(), "frame {i} scores {}", found.score);
    }
    let found = detect(&scratched());
    assert!(found.verdict.is_anomalous() && found.area > 0.0, "{} {:?}", found.score, found.regions);
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
        assert_eq!(found.verdict.is_anomalous(), anomalous, "score {}", found.score);
        assert!(found.map.iter().all(|score| (0.0..=1.0).contains(score)));
    }
}
