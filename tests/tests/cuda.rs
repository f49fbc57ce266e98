//! The networks on a CUDA device, by a driver over host memory (`tests/fake-cuda`), against the same on the CPU.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests fail and speak as tests do")]

use std::process::Command;
use std::sync::Arc;

use snarm_core::bank::{BankBuilder, BankSettings};
use snarm_core::detect::{Choice, Detector};
use snarm_core::encoder::{
    Encoder, PositionInterpolation, SEEDED_LITE, SEEDED_TINY, TINY, TINY_1, Workspace, seeded,
};
use snarm_core::frame::Frame;
use snarm_core::view::{TileGrid, Tiles, View};
use snarm_kernels::cuda::Queue;
use snarm_kernels::device::{Buffer, Place};
use snarm_tests::fake_cuda::{self, FAKE_CUDA, Mode};

/// Runs one of the tests below, which are ignored otherwise, in a process that finds that driver.
fn on_a_device(test: &str) {
    let Some(drivers) = fake_cuda::folder(Mode::Plain) else { return };
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", "--nocapture", test]).env("FAKE_CUDA_THREADS", "2");
    // `real` is the machine's own.
    if std::env::var_os(FAKE_CUDA).is_none_or(|name| name != "real") {
        child.env("LD_LIBRARY_PATH", drivers);
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    println!("{text}");
}

fn load(name: &str) -> Encoder {
    Encoder::load(name, PositionInterpolation::Legacy).unwrap()
}

#[test]
fn descriptors_are_those_of_the_cpu() {
    on_a_device("descriptors_of_a_device");
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn descriptors_of_a_device() {
    let place = Place::Cuda(Queue::new(0).unwrap());
    for name in [TINY, TINY_1] {
        same_there(&load(name), &place);
    }
    for (name, found) in [(SEEDED_TINY, "a transformer"), (SEEDED_LITE, "an EfficientNet-Lite")] {
        let refused = load(name).at(&place).err().unwrap().to_string();
        let expected = format!("the only ones that run on a device yet, found {found}");
        assert!(refused.contains(&expected), "{refused}");
    }
}

/// The descriptors of an encoder on the host and at another place.
fn same_there(encoder: &Encoder, place: &Place) {
    let image = seeded::values("image", encoder.geometry().input_len(), 0.0, 1.0);
    let mut expected = Vec::new();
    let run = || encoder.encode(&image, &mut Workspace::default(), &mut expected);
    snarm_kernels::threads::install(run).unwrap().unwrap();

    let there = encoder.at(place).unwrap();
    let (image, mut descriptors) = (Buffer::of(place, &image).unwrap(), Buffer::new(place, 0).unwrap());
    // Twice: what the first frame left must not shine through.
    let mut workspace = Workspace::default();
    for _ in 0..2 {
        there.encode_there(&image, &mut workspace, &mut descriptors).unwrap();
    }
    let mut found = vec![0.0; descriptors.len()];
    descriptors.read(&mut found).unwrap();
    assert_eq!(found.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let apart = square(&mut expected.iter().zip(&found).map(|(e, f)| e - f));
    let error = (apart / square(&mut expected.iter().copied())).sqrt();
    println!("descriptors of {}: relative error {error:.2e}", encoder.name());
    assert!(error < 1e-2, "{}: {error}", encoder.name());

    // An image of another size, and one that lives elsewhere.
    let wrong = Buffer::new(place, 9).unwrap();
    assert!(there.encode_there(&wrong, &mut Workspace::default(), &mut descriptors).is_err());
    let host = Buffer::new(&Place::Host, encoder.geometry().input_len()).unwrap();
    assert!(there.encode_there(&host, &mut Workspace::default(), &mut descriptors).is_err());
}

#[test]
fn tiles_score_as_on_the_cpu() {
    on_a_device("tiles_of_a_device");
}

#[test]
#[ignore = "in a process of its own, which a test starts"]
fn tiles_of_a_device() {
    let encoder = Arc::new(load(TINY));
    let tiles = Tiles::Grid(TileGrid { columns: 2, rows: 1, overlap: 0.25 });
    let view = View { tiles, ..View::default() };
    let settings = BankSettings { capacity: 500, view, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder.clone(), settings).unwrap();
    let (width, height) = (280, 160);
    let picture = |i: usize| -> Vec<u8> {
        (0..3 * width * height).map(|at| (60 + (at / 3 % width * (5 + i) + at / 7) % 97) as u8).collect()
    };
    for i in 0..2 {
        builder.add(&Frame::rgb(&picture(i), width, height).unwrap()).unwrap();
    }
    let bank = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    let mut maps = [Choice::Cpu, Choice::Cuda(0)].map(|choice| {
        let mut detector = Detector::new(encoder.clone(), bank.clone()).unwrap().on(choice).unwrap();
        let limits = detector.bank_limits();
        // Twice: what the first frame left must not shine through.
        let mut found =
            || detector.detect(&Frame::rgb(&picture(7), width, height).unwrap(), &limits).unwrap().clone();
        found();
        found()
    });
    let [expected, found] = &mut maps;
    assert_eq!((found.map_size, found.map_rect), (expected.map_size, expected.map_rect));
    let error = (found.raw_score / expected.raw_score - 1.0).abs();
    println!("the image score of two tiles: relative error {error:.2e}");
    assert!(error < 0.02, "{} {}", found.raw_score, expected.raw_score);
    let apart = expected.map.iter().zip(&found.map).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
    assert!(apart < 0.05, "{apart}");
}
