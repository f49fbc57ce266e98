//! A trained decoder in the detector: the published way from descriptors to the map, on the scale of its own calibration.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use safetensors::SafeTensors;
use snarm_core::bank::{Bank, BankBuilder, BankSettings, Calibration};
use snarm_core::detect::{Detection, Detector};
use snarm_core::encoder::{self, Encoder, PositionInterpolation, SEEDED_TINY};
use snarm_core::frame::Frame;
use snarm_core::models::Decoder;
use snarm_core::models::snarm::decoder::{
    self, About, Provenance, Residuals, Shape, SnarmDecoder, Workspace,
};
use snarm_core::models::snarm::{Matching, Navigation};
use snarm_core::registry;
use snarm_core::threads::install;
use snarm_core::view::{Crop, View};
use snarm_kernels::blur::Blur;
use snarm_kernels::nearest::Filter;
use snarm_kernels::pooled_max::pooled_max;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor, Rect as Fractions};

const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// A decoder small enough for tests.
const SHAPE: Shape = Shape { width: 512, channels: 24, branches: 2 };

fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER
        .get_or_init(|| Arc::new(Encoder::load(SEEDED_TINY, PositionInterpolation::Legacy).unwrap()))
        .clone()
}

fn seeded() -> Arc<SnarmDecoder> {
    static HEAD: OnceLock<Arc<SnarmDecoder>> = OnceLock::new();
    HEAD.get_or_init(|| Arc::new(SnarmDecoder::seeded(&SHAPE).unwrap())).clone()
}

fn decoder() -> Arc<Decoder> {
    Arc::new(Decoder::new(seeded()))
}

/// RGB pixels of part number `i`; from 100 on with a bright square.
fn picture(i: usize) -> Vec<u8> {
    let value = |at: usize| {
        let (x, y, c) = (at / 3 % WIDTH, at / 3 / WIDTH, at % 3);
        let square = i >= 100 && (20..34).contains(&x) && (16..30).contains(&y);
        let noise = (x * 31 + y * 17 + i * 101 + c * 13) % 11;
        (if square { 240 - 90 * c } else { 70 + (3 * x + 5 * y) % 40 } + noise) as u8
    };
    (0..WIDTH * HEIGHT * 3).map(value).collect()
}

fn bank_of(frames: usize, decoders: &[Arc<Decoder>]) -> Arc<Bank> {
    let view = View { crop: Crop::Aspect, ..View::default() };
    let settings = BankSettings { capacity: 300, view, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    for decoder in decoders {
        builder.calibrate_with(Arc::clone(decoder)).unwrap();
    }
    for i in 0..frames {
        builder.add(&Frame::rgb(&picture(i), WIDTH, HEIGHT).unwrap()).unwrap();
    }
    Arc::new(builder.finish(&mut |_, _, _| {}).unwrap())
}

fn detect(detector: &mut Detector, i: usize) -> Detection {
    let limits = detector.bank_limits();
    detector.detect(&Frame::rgb(&picture(i), WIDTH, HEIGHT).unwrap(), &limits).unwrap().clone()
}

/// A decoder file of the seeded decoder, with what it says of itself.
fn save(path: &Path, encoder_digest: &str, calibration: Option<Calibration>) -> About {
    let about = About {
        encoder: SEEDED_TINY.to_owned(),
        encoder_digest: encoder_digest.to_owned(),
        side: encoder().input_side(),
        grid: encoder().grid_side(),
        shape: SHAPE,
        relative: false,
        provenance: Provenance { data: "a formula".to_owned(), ..Provenance::default() },
        licence: "MIT OR Apache-2.0".to_owned(),
        calibration,
    };
    decoder::save(path, &about, &|name, shape| Ok(decoder::seeded_tensor(name, shape)), None).unwrap();
    about
}

/// The way of the reference code, put together by hand.
#[test]
fn the_detector_runs_the_decoder_as_the_reference_does() {
    let (encoder, decoder, bank) = (encoder(), seeded(), bank_of(4, &[]));
    let mut detector = Detector::with_decoder(encoder.clone(), bank.clone(), Some(self::decoder())).unwrap();
    assert_eq!(detector.scorer(), format!("head:{}", decoder.digest()));
    let found = detect(&mut detector, 100);

    // The encoder in the aspect of the pictures.
    let encoder = Arc::clone(detector.encoder());
    let geometry = encoder.geometry();
    assert!(geometry.size.columns > geometry.size.rows, "{}", geometry.size);
    let spec = PreprocessSpec {
        size: geometry.size,
        fit: Fit::Full,
        region: Fractions::WHOLE,
        mean: geometry.mean,
        std: geometry.std,
    };
    let (mut input, mut descriptors) = (vec![0.0; spec.output_len()], Vec::new());
    let pixels = picture(100);
    let (raw, score) = install(|| {
        let mut preprocessor = Preprocessor::new(spec).unwrap();
        preprocessor.run(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap(), &mut input).unwrap();
        encoder.encode(&input, &mut encoder::Workspace::default(), &mut descriptors).unwrap();
        let (mut inter, mut q) = (Matching::new(geometry.width()), Vec::new());
        inter.with_bank(&descriptors, bank.rows(), None, Filter::default()).unwrap();
        decoder.navigate(inter.transformed(), &mut q).unwrap();
        let mut navigation = Navigation::default();
        navigation.run(inter.transformed(), geometry.width(), Some(&q), &[]).unwrap();
        let mut intra = Matching::new(geometry.width());
        intra.with_trusted(&descriptors, navigation.trusted()).unwrap();
        let residuals =
            Residuals { inter: inter.transformed(), intra: intra.transformed(), hard: navigation.hard() };
        let mut workspace = Workspace::new(&SHAPE, geometry.grid(), geometry.size).unwrap();
        let mut map = decoder.run(&residuals, &mut workspace).unwrap().to_vec();
        Blur::new(geometry.size.rows, geometry.size.columns, 4.0).run(&mut map).unwrap();
        let score = pooled_max(&map, geometry.size.columns, 16, 2, &mut Vec::new()).unwrap();
        (map, score)
    })
    .unwrap();
    assert_eq!(found.raw_score, f64::from(score));
    assert_eq!(found.map_size, geometry.size);
    // Without any calibration a probability of 0.5 is 0.5.
    let scaled = |p: f32| 1.0 - 1.0 / (1.0 + 4.0 * p * p);
    let worst = found.map.iter().zip(&raw).map(|(a, p)| (a - scaled(*p)).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-6, "{worst}");
    let spread = raw.iter().copied().fold(0.0, f32::max) - raw.iter().copied().fold(1.0, f32::min);
    assert!(spread > 0.01, "a map with something in it: {spread}");
    let stages: Vec<&str> = found.times.stages().iter().map(|(name, _)| *name).collect();
    let family = ["inter-match", "navigate", "intra-match", "decode"];
    assert_eq!(stages, [&["preprocess", "encode"][..], &family, &["postprocess"]].concat());
    assert!(found.times.stages().iter().all(|(_, time)| !time.is_zero()), "{:?}", found.times);
    assert_eq!(
        detector.parts().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" "),
        "embed convolve mix dilate average"
    );
}

#[test]
fn a_bank_has_one_calibration_for_each_scorer() {
    let decoder = self::decoder();
    let bank = bank_of(10, &[Arc::clone(&decoder), self::decoder()]);
    let scorers: Vec<_> = bank.calibrations().map(|c| c.scorer.clone()).collect();
    assert_eq!(scorers, ["training-free", decoder.scorer()]);
    let trained = bank.calibration_of(decoder.scorer()).unwrap();
    assert_eq!((trained.frames, trained.held_out), (10, bank.calibration().held_out));
    assert!((0.0..1.0).contains(&trained.reference) && trained.reference != bank.calibration().reference);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.bank");
    bank.save(&path).unwrap();
    let read = Bank::open(&path).unwrap();
    assert!(read.calibrations().eq(bank.calibrations()) && read.digest() == bank.digest());
    assert_ne!(read.digest(), bank_of(10, &[]).digest(), "another calibration scores otherwise");

    // The bank's own threshold is 0.5 with every scorer, and learned frames lie below.
    for with in [None, Some(Arc::clone(&decoder))] {
        let mut detector = Detector::with_decoder(encoder(), bank.clone(), with).unwrap();
        assert!((detector.bank_limits().threshold - 0.5).abs() < 1e-9);
        for i in [4, 9] {
            let found = detect(&mut detector, i);
            assert!(found.score < 0.5, "{} scores frame {i} {}", detector.scorer(), found.score);
        }
    }
}

#[test]
fn a_bank_that_knows_no_trained_heads_is_read_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let (path, older) = (dir.path().join("part.bank"), dir.path().join("older.bank"));
    let bank = bank_of(3, &[]);
    bank.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut entries = metadata.metadata().clone().unwrap();
    let mut about: serde_json::Value = serde_json::from_str(&entries["snarm"]).unwrap();
    assert!(about.as_object_mut().unwrap().remove("trained").is_some());
    // Nor a digest of its content.
    assert!(about.as_object_mut().unwrap().remove("sha256").is_some());
    about["version"] = 1.into();
    entries.insert("snarm".to_owned(), about.to_string());
    let file = SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(&older, safetensors::serialize(file.tensors(), Some(entries)).unwrap()).unwrap();
    let read = Bank::open(&older).unwrap();
    assert!(read.calibrations().eq(bank.calibrations()));
}

#[test]
fn what_a_decoder_brings_holds_where_the_bank_lacks_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decoder.safetensors");
    let (encoder, decoder) = (encoder(), decoder());
    let own = Calibration::new(decoder.scorer(), true, &[0.2, 0.3], &[0.3, 0.4]).unwrap();
    save(&path, encoder.digest(), Some(own.clone()));
    let name = path.display().to_string();
    let brought = registry::decoder(Some(&name), &encoder).unwrap().unwrap();
    let of = |bank: Arc<Bank>, decoder: &Arc<Decoder>| {
        Detector::with_decoder(encoder.clone(), bank, Some(Arc::clone(decoder)))
            .unwrap()
            .calibration()
            .clone()
    };
    assert_eq!(of(bank_of(3, &[]), &brought), own);
    let bank = bank_of(3, &[Arc::clone(&decoder)]);
    assert_eq!(of(bank.clone(), &brought), *bank.calibration_of(decoder.scorer()).unwrap());
    let bare = of(bank_of(3, &[]), &decoder);
    assert_eq!((bare.reference, bare.threshold, bare.pixel_threshold, bare.frames), (0.5, 0.5, 0.5, 0));
}

#[test]
fn a_decoder_of_another_encoder_is_refused_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("decoder.safetensors");
    save(&path, "0123abc", None);
    let name = path.display().to_string();
    let decoder = Arc::new(Decoder::open(&path).unwrap());
    let refusals = [
        registry::decoder(Some(&name), &encoder()).err().map(|e| e.to_string()),
        Detector::with_decoder(encoder(), bank_of(2, &[]), Some(Arc::clone(&decoder)))
            .err()
            .map(|e| e.to_string()),
        BankBuilder::new(encoder(), BankSettings::default())
            .unwrap()
            .calibrate_with(decoder)
            .err()
            .map(|e| e.to_string()),
    ];
    for refusal in refusals {
        let refusal = refusal.unwrap();
        for word in ["expected the weights 0123abc (seeded:tiny), found ", encoder().digest()] {
            assert!(refusal.contains(word), "{refusal}");
        }
    }
}

#[test]
fn equal_decoder_files_share_one_decoder() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"].map(|name| dir.path().join(name));
    let encoder = encoder();
    let own = Calibration::new(seeded().scorer(), true, &[0.2], &[0.3]).unwrap();
    for (path, calibration) in names.iter().zip([None, None, Some(own)]) {
        save(path, encoder.digest(), calibration);
    }
    let [a, b, c] = names.map(|path| registry::decoder(path.to_str(), &encoder).unwrap().unwrap());
    assert!(Arc::ptr_eq(&a, &b));
    assert!(
        !Arc::ptr_eq(&a, &c) && a.digest() == c.digest(),
        "the same weights, but they say something else"
    );
    assert!(registry::decoder(Some("none"), &encoder).unwrap().is_none());
    let missing = registry::decoder(Some("/nowhere/decoder"), &encoder).err().unwrap().to_string();
    assert_eq!(missing, "weights not found: /nowhere/decoder");
}
