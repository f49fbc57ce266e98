//! Encoders that are several: their groups of channels are weighed against each other by what good frames say.

use std::sync::Arc;

use snarm_core::bank::{Bank, BankBuilder, Reduction};
use snarm_core::detect::Detector;
use snarm_core::encoder::{Encoder, PositionInterpolation};
use snarm_core::frame::Frame;

use crate::common::{HEIGHT, WIDTH, add, bank_of, check_error, encoder, picture, scratched, settings};

/// Two networks of different kinds, 512 and 96 channels.
fn pair() -> Arc<Encoder> {
    Arc::new(Encoder::load("seeded:tiny+seeded:lite@16", PositionInterpolation::Legacy).unwrap())
}

fn pair_bank(frames: usize) -> Bank {
    let mut builder = BankBuilder::new(pair(), settings(10_000, Reduction::None)).unwrap();
    add(&mut builder, 0..frames);
    builder.finish(&mut |_, _, _| {}).unwrap()
}

/// Mean distance of the rows of each image to the nearest three of other images, in some of the columns.
fn spread(bank: &Bank, columns: std::ops::Range<usize>) -> f64 {
    let rows: Vec<(u32, &[f32])> = bank
        .images()
        .iter()
        .zip(bank.rows().data.chunks_exact(bank.width()))
        .map(|(image, row)| (*image, &row[columns.clone()]))
        .collect();
    let distance =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    let nearest = |(image, row): &(u32, &[f32])| {
        let others = rows.iter().filter(|(other, _)| other != image);
        let mut all: Vec<f64> = others.map(|(_, other)| distance(row, other)).collect();
        all.sort_by(f64::total_cmp);
        all[..3].iter().sum::<f64>() / 3.0
    };
    let probes: Vec<_> = rows.iter().step_by(7).collect();
    probes.iter().map(|probe| nearest(probe)).sum::<f64>() / probes.len() as f64
}

#[test]
fn good_frames_lie_equally_far_apart_in_both_groups() {
    let bank = pair_bank(5);
    assert_eq!((bank.width(), bank.group_scales().len(), bank.group_scales()[0]), (608, 2, 1.0));
    let (first, second) = (spread(&bank, 0..512), spread(&bank, 512..608));
    assert!((0.9..1.1).contains(&(first / second)), "{first} {second}");
    // Without its scale the second group would lie elsewhere.
    let scale = f64::from(bank.group_scales()[1]);
    assert!(!(0.9..1.1).contains(&scale), "{scale}");
}

#[test]
fn a_pair_finds_a_defect_and_its_bank_goes_on_from_its_file() {
    let (dir, bank) = (tempfile::tempdir().unwrap(), pair_bank(6));
    let path = dir.path().join("pair.bank");
    bank.save(&path).unwrap();
    let opened = Bank::open(&path).unwrap();
    assert_eq!((opened.header(), opened.digest()), (bank.header(), bank.digest()));

    let mut detector = Detector::new(pair(), Arc::new(opened)).unwrap();
    let limits = detector.bank_limits();
    let mut score =
        |pixels: &[u8]| detector.detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().score;
    let (good, bad) = (score(&picture(1)), score(&scratched()));
    assert!(bad > 0.5 && bad > good, "{bad} {good}");

    let mut builder = BankBuilder::append(pair(), &bank, settings(10_000, Reduction::None)).unwrap();
    add(&mut builder, 20..22);
    let more = builder.finish(&mut |_, _, _| {}).unwrap();
    assert_eq!(more.group_scales(), bank.group_scales(), "old rows and new ones are of one length");
    assert!((0.7..1.4).contains(&(spread(&more, 0..512) / spread(&more, 512..608))));
}

#[test]
fn a_bank_that_is_made_twice_keeps_its_scales() {
    let mut builder = BankBuilder::new(pair(), settings(10_000, Reduction::None)).unwrap();
    add(&mut builder, 0..3);
    let first = builder.build(&mut |_, _, _| {}).unwrap();
    let again = builder.build(&mut |_, _, _| {}).unwrap();
    let (a, b) = (first.group_scales()[1], again.group_scales()[1]);
    assert!((a / b - 1.0).abs() < 1e-3, "{a} {b}");
    add(&mut builder, 3..5);
    let grown = builder.build(&mut |_, _, _| {}).unwrap();
    let whole = pair_bank(5);
    let (a, b) = (grown.group_scales()[1], whole.group_scales()[1]);
    assert!((a / b - 1.0).abs() < 1e-2, "frames learned before and after count alike: {a} {b}");
}

#[test]
fn one_encoder_has_no_scales_and_is_not_the_pair() {
    let alone = bank_of(0..3, settings(60, Reduction::Random));
    assert!(alone.group_scales().is_empty());
    check_error(
        alone.check_encoder(&pair()).map(|()| 0),
        &["encoder of the bank", "seeded:tiny+seeded:lite@16"],
    );
    check_error(pair_bank(2).check_encoder(&encoder()).map(|()| 0), &["encoder of the bank"]);
}
