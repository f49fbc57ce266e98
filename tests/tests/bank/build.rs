//! What a bank is made of: good frames, all or some of their descriptors, the same ones from the same seed.

use std::sync::Arc;

use snarm_core::bank::{Bank, BankBuilder, BankSettings, Origin, Reduction};
use snarm_core::detect::Detector;
use snarm_core::frame::Frame;
use snarm_core::view::{Crop, View};
use snarm_kernels::nearest::{Filter, Workspace, nearest};

use crate::common::{D, HEIGHT, TOKENS, WIDTH, add, bank_of, check_error, encoder, picture, settings};

#[test]
fn the_same_frames_and_seed_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        bank_of(0..4, settings(100, Reduction::Greedy)).save(&path).unwrap();
        std::fs::read(path).unwrap()
    };
    assert!(write("a") == write("b"));
}

#[test]
fn another_seed_changes_what_is_drawn_and_nothing_else() {
    let of =
        |seed, capacity, reduction| bank_of(0..5, BankSettings { seed, ..settings(capacity, reduction) });
    // Where everything is kept, nothing is drawn.
    let (a, b) = (of(0, 10_000, Reduction::None), of(1, 10_000, Reduction::None));
    assert_eq!((a.rows().data, a.images(), a.calibration()), (b.rows().data, b.images(), b.calibration()));
    for reduction in [Reduction::Random, Reduction::Greedy] {
        let (a, b) = (of(0, 100, reduction), of(1, 100, reduction));
        assert_eq!((a.vectors(), a.frames()), (b.vectors(), b.frames()));
        assert_ne!(a.rows().data, b.rows().data, "{reduction:?}");
        assert_ne!(a.digest(), b.digest());
        let seedless = |bank: &Bank| snarm_core::bank::Header { seed: 0, ..bank.header().clone() };
        assert_eq!(seedless(&a), seedless(&b));
    }
}

#[test]
fn appending_grows_the_frames_and_keeps_the_old_rows() {
    let crop = BankSettings {
        view: View { crop: Crop::Letterbox, ..View::default() },
        ..settings(10_000, Reduction::None)
    };
    let old = bank_of(0..3, crop);
    let mut builder = BankBuilder::append(encoder(), &old, settings(10_000, Reduction::None)).unwrap();
    assert_eq!((builder.frames(), builder.vectors()), (0, 3 * TOKENS));
    add(&mut builder, 10..12);
    let new = builder.finish(&mut |_, _, _| {}).unwrap();
    assert_eq!((new.frames(), new.vectors(), new.crop()), (5, 5 * TOKENS, Crop::Letterbox));
    let rows_of = |bank: &Bank, image: u32| -> Vec<f32> {
        let rows = bank.images().iter().zip(bank.rows().data.chunks_exact(D));
        rows.filter(|(of, _)| **of == image).flat_map(|(_, row)| row).copied().collect()
    };
    for image in 0..3 {
        assert!(rows_of(&old, image) == rows_of(&new, image), "rows of image {image}");
    }
    assert_eq!((rows_of(&new, 3).len(), rows_of(&new, 4).len()), (TOKENS * D, TOKENS * D));

    let builder = BankBuilder::append(encoder(), &old, BankSettings::default()).unwrap();
    check_error(builder.finish(&mut |_, _, _| {}), &["too few good frames: expected at least 1, found 0"]);
}

#[test]
fn a_bank_of_no_frame_is_refused() {
    let mut builder = BankBuilder::new(encoder(), BankSettings::default()).unwrap();
    let expected = "too few good frames: expected at least 1, found 0";
    check_error(builder.build(&mut |_, _, _| {}), &[expected]);
    add(&mut builder, 0..3);
    assert_eq!(builder.discard_last(3), 3);
    check_error(builder.finish(&mut |_, _, _| {}), &[expected]);
}

#[test]
fn settings_outside_their_range_are_refused() {
    let check = |settings, words: &[&str]| check_error(BankBuilder::new(encoder(), settings), words);
    check(settings(0, Reduction::Greedy), &["bank capacity: expected at least 1, found 0"]);
    for (fraction, found) in [(0.51, "0.51"), (-0.1, "-0.1"), (f64::NAN, "NaN")] {
        let settings = BankSettings { calibration_fraction: fraction, ..BankSettings::default() };
        check(settings, &["calibration fraction: expected 0 to 0.5", found]);
    }
}

/// Largest distance of a descriptor to the nearest row of a bank.
fn worst_gap(descriptors: &[f32], bank: &Bank) -> f32 {
    let n = descriptors.len() / D;
    let (mut indices, mut squares) = (vec![0; n], vec![0.0; n]);
    let mut workspace = Workspace::default();
    nearest(descriptors, D, bank.rows(), Filter::default(), 1, &mut workspace, &mut indices, &mut squares)
        .unwrap();
    squares.into_iter().fold(0.0, f32::max).sqrt()
}

#[test]
fn every_reduction_keeps_its_capacity_and_the_greedy_one_leaves_the_smallest_gap() {
    let all = bank_of(0..5, settings(usize::MAX, Reduction::None));
    assert_eq!(all.vectors(), 5 * TOKENS);
    let of = |reduction| bank_of(0..5, settings(150, reduction));
    let (none, random, greedy) = (of(Reduction::None), of(Reduction::Random), of(Reduction::Greedy));
    for bank in [&none, &random, &greedy] {
        assert_eq!(bank.vectors(), 150, "{:?}", bank.header().reduction);
        let mut rows: Vec<&[f32]> = bank.rows().data.chunks_exact(D).collect();
        assert!(rows.iter().all(|row| all.rows().data.chunks_exact(D).any(|other| other == *row)));
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows.dedup();
        assert_eq!(rows.len(), 150, "no descriptor is kept twice");
    }
    let gap = |bank| worst_gap(all.rows().data, bank);
    assert!(gap(&greedy) < 0.8 * gap(&random), "greedy {}, random {}", gap(&greedy), gap(&random));
    assert_eq!(worst_gap(all.rows().data, &all), 0.0);
}

#[test]
fn a_bank_names_the_frame_and_the_patch_that_a_place_is_nearest_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.bank");
    let mut builder = BankBuilder::new(encoder(), settings(10_000, Reduction::None)).unwrap();
    let frame = |i: usize| Frame::rgb(&*picture(i).leak(), WIDTH, HEIGHT).unwrap();
    for i in 0..3 {
        builder.add_from(&frame(i), Some(Origin::file(format!("good/{i}.png")))).unwrap();
    }
    builder.finish(&mut |_, _, _| {}).unwrap().save(&path).unwrap();
    // An appended bank knows the frames of both.
    let mut builder =
        BankBuilder::append(encoder(), &Bank::open(&path).unwrap(), settings(10_000, Reduction::None))
            .unwrap();
    builder.add_from(&frame(4), Some(Origin { number: Some(4), ..Origin::default() })).unwrap();
    builder.add_from(&frame(5), Some(Origin { number: Some(5), ..Origin::default() })).unwrap();
    assert_eq!(builder.discard_last(1), 1);
    builder.finish(&mut |_, _, _| {}).unwrap().save(&path).unwrap();
    let bank = Arc::new(Bank::open(&path).unwrap());
    let names: Vec<String> = (0..5).filter_map(|i| Some(bank.origin(i)?.to_string())).collect();
    assert_eq!(names, ["good/0.png", "good/1.png", "good/2.png", "frame 4"]);

    // A learned frame is nearest to itself, there where it was asked for, and to each other frame once.
    let mut detector = Detector::new(encoder(), Arc::clone(&bank)).unwrap();
    assert!(detector.patch_at(0.5, 0.5).is_err(), "there was no frame yet");
    let limits = detector.bank_limits();
    detector.detect(&frame(1), &limits).unwrap();
    let patch = detector.patch_at(0.3, 0.71).unwrap();
    let rect = patch.rect;
    assert!(rect.x <= 0.3 && rect.x + rect.w >= 0.3 && rect.y <= 0.71 && rect.y + rect.h >= 0.71, "{rect}");
    let known = detector.nearest(&patch, 9).unwrap();
    assert_eq!((known[0].image, known.len()), (1, 4));
    assert!(known[0].distance < 0.01 && known.is_sorted_by(|a, b| a.distance <= b.distance), "{known:?}");
    assert_eq!(detector.patch_like(&known[0]).unwrap(), patch);
    // In another frame it is found again.
    detector.detect(&frame(0), &limits).unwrap();
    let other = *known.iter().find(|known| known.image == 0).unwrap();
    let there = detector.patch_like(&other).unwrap();
    assert!(detector.nearest(&there, 1).unwrap()[0].distance < 0.01, "{there:?}");
}
