//! Frames, banks and what else these tests share.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use snarm_core::bank::{Bank, BankBuilder, BankSettings, Placing, Reduction};
use snarm_core::encoder::{Encoder, PositionInterpolation, SEEDED_TINY};
use snarm_core::frame::Frame;

/// Sides of the frames: small, since the network sees its own square anyway.
pub(crate) const WIDTH: usize = 64;
/// See [`WIDTH`].
pub(crate) const HEIGHT: usize = 48;

/// Descriptors of one frame.
pub(crate) const TOKENS: usize = 784;

/// Width of a descriptor.
pub(crate) const D: usize = 512;

pub(crate) fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER
        .get_or_init(|| Arc::new(Encoder::load(SEEDED_TINY, PositionInterpolation::Legacy).unwrap()))
        .clone()
}

/// RGB pixels of good part number `i`: a shaded disc on stripes, a little different each time.
pub(crate) fn picture(i: usize) -> Vec<u8> {
    let value = |x: usize, y: usize, c: usize| {
        let (dx, dy) = (x as i32 - 30 - (i % 3) as i32, y as i32 - 24);
        let disc = if dx * dx + dy * dy < 200 { 90 - dx } else { 0 };
        let stripes = (3 * x + 5 * y + c * 7) as i32 % 40;
        let noise = ((x * 31 + y * 17 + i * 101 + c * 13) % 11) as i32;
        (60 + disc + stripes + noise) as u8
    };
    (0..WIDTH * HEIGHT * 3).map(|at| value(at / 3 % WIDTH, at / 3 / WIDTH, at % 3)).collect()
}

/// Good part number 0 with a scratch around (15, 13).
pub(crate) fn scratched() -> Vec<u8> {
    let mut pixels = picture(0);
    for x in 10..20 {
        pixels[(12 * WIDTH + x) * 3..][..3].copy_from_slice(&[255, 0, 255]);
        pixels[(13 * WIDTH + x) * 3..][..3].copy_from_slice(&[0, 255, 0]);
    }
    pixels
}

pub(crate) fn add(builder: &mut BankBuilder, pictures: Range<usize>) {
    for i in pictures {
        builder.add(&Frame::rgb(&picture(i), WIDTH, HEIGHT).unwrap()).unwrap();
    }
}

pub(crate) fn bank_of(pictures: Range<usize>, settings: BankSettings) -> Bank {
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    add(&mut builder, pictures);
    builder.finish(&mut |_, _, _| {}).unwrap()
}

pub(crate) fn settings(capacity: usize, reduction: Reduction) -> BankSettings {
    // What places do has tests of its own, and takes its time.
    BankSettings { capacity, reduction, placing: Placing::None, ..BankSettings::default() }
}

/// A small bank in a file of a folder of its own.
pub(crate) fn saved() -> (tempfile::TempDir, PathBuf, Bank) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.bank");
    let bank = bank_of(0..3, settings(60, Reduction::Random));
    bank.save(&path).unwrap();
    (dir, path, bank)
}

#[track_caller]
pub(crate) fn check_error<T>(result: snarm_core::Result<T>, words: &[&str]) {
    let error = result.err().expect("an error").to_string();
    for word in words {
        assert!(error.contains(word), "expected {word:?} in: {error}");
    }
}
