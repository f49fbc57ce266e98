//! Banks: made from good frames, kept in files, refused when damaged, never lost.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use snarm_core::bank::{Bank, BankBuilder, BankSettings, Reduction};
use snarm_core::detector::Detector;
use snarm_core::encoder::{Encoder, PositionInterpolation, SEEDED_TINY};
use snarm_core::frame::Frame;
use snarm_core::geometry::{Crop, View};
use snarm_kernels::nearest::{Workspace, nearest};

/// Sides of the frames: small, since the network sees its own square anyway.
const WIDTH: usize = 64;
const HEIGHT: usize = 48;

/// Descriptors of one frame.
const TOKENS: usize = 784;

/// Width of a descriptor.
const D: usize = 512;

fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER
        .get_or_init(|| Arc::new(Encoder::load(SEEDED_TINY, PositionInterpolation::Legacy).unwrap()))
        .clone()
}

/// RGB pixels of good part number `i`: a shaded disc on stripes, a little different each time.
fn picture(i: usize) -> Vec<u8> {
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
fn scratched() -> Vec<u8> {
    let mut pixels = picture(0);
    for x in 10..20 {
        pixels[(12 * WIDTH + x) * 3..][..3].copy_from_slice(&[255, 0, 255]);
        pixels[(13 * WIDTH + x) * 3..][..3].copy_from_slice(&[0, 255, 0]);
    }
    pixels
}

fn add(builder: &mut BankBuilder, pictures: std::ops::Range<usize>) {
    for i in pictures {
        builder.add(&Frame::rgb(&picture(i), WIDTH, HEIGHT).unwrap()).unwrap();
    }
}

fn bank_of(pictures: std::ops::Range<usize>, settings: BankSettings) -> Bank {
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    add(&mut builder, pictures);
    builder.finish(&mut |_, _, _| {}).unwrap()
}

fn settings(capacity: usize, reduction: Reduction) -> BankSettings {
    BankSettings { capacity, reduction, ..BankSettings::default() }
}

/// A small bank in a file of a folder of its own.
fn saved() -> (tempfile::TempDir, PathBuf, Bank) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.bank");
    let bank = bank_of(0..3, settings(60, Reduction::Random));
    bank.save(&path).unwrap();
    (dir, path, bank)
}

fn assert_equal(a: &Bank, b: &Bank) {
    assert_eq!((a.digest(), a.vectors(), a.width()), (b.digest(), b.vectors(), b.width()));
    assert_eq!((a.header(), a.calibration(), a.images()), (b.header(), b.calibration(), b.images()));
    assert_eq!((a.rows().data, a.rows().norms), (b.rows().data, b.rows().norms));
}

/// What a bank file consists of, to be written again with something changed.
struct Parts {
    about: Value,
    features: Vec<f32>,
    features_type: Dtype,
    width: usize,
    images: Vec<u32>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let about = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["snarm"]).unwrap();
        let bank = Bank::open(path).unwrap();
        let (features, images) = (bank.rows().data.to_vec(), bank.images().to_vec());
        Self { about, features, features_type: Dtype::F32, width: bank.width(), images }
    }

    fn bytes(&self) -> Vec<u8> {
        let rows = self.features.len() / self.width;
        let (features, images) = (bytemuck::cast_slice(&self.features), bytemuck::cast_slice(&self.images));
        let features = TensorView::new(self.features_type, vec![rows, self.width], features).unwrap();
        let images = TensorView::new(Dtype::U32, vec![self.images.len()], images).unwrap();
        let metadata = [("snarm".to_owned(), self.about.to_string())].into();
        safetensors::serialize([("features", features), ("images", images)], Some(metadata)).unwrap()
    }
}

/// Writes bytes where a bank should be and checks that opening fails with an error that says all of `words`.
#[track_caller]
fn check_refused(bytes: &[u8], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.bank");
    std::fs::write(&path, bytes).unwrap();
    check_error(Bank::open(&path), &[words, &["bank: expected ", ", found ", "damaged.bank"]].concat());
}

#[track_caller]
fn check_error<T>(result: snarm_core::Result<T>, words: &[&str]) {
    let error = result.err().expect("an error").to_string();
    for word in words {
        assert!(error.contains(word), "expected {word:?} in: {error}");
    }
}

/// Names of all files in a folder, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_bank_that_is_saved_and_opened_is_the_same_bank() {
    let (dir, path, bank) = saved();
    assert_equal(&bank, &Bank::open(&path).unwrap());
    assert_eq!(files(dir.path()), ["part.bank"], "no temporary file stays");
    assert_eq!((bank.vectors(), bank.width(), bank.frames()), (60, D, 3));
    assert_eq!((bank.header().side, bank.header().grid, bank.crop()), (392, 28, Crop::Full));
    assert_eq!((bank.encoder_name(), &*bank.header().encoder_digest), (SEEDED_TINY, encoder().digest()));
}

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
fn a_file_cut_anywhere_is_refused_with_its_length() {
    let (_dir, path, _) = saved();
    let bytes = std::fs::read(&path).unwrap();
    let header_end = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let odd = [1, 7, 8, 9, header_end - 1, header_end, header_end + 1, bytes.len() - 4, bytes.len() - 1];
    for length in (0..bytes.len()).step_by(4096).chain(odd) {
        check_refused(&bytes[..length], &["a whole snarm bank", &format!("{length} bytes")]);
    }
    check_refused(&[&bytes[..], &[0]].concat(), &[&format!("{} bytes", bytes.len() + 1)]);
}

#[test]
fn foreign_files_are_refused_by_name() {
    check_refused(b"", &["a whole snarm bank (safetensors)", "0 bytes"]);
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(40, 30).write_to(&mut png, image::ImageFormat::Png).unwrap();
    check_refused(png.get_ref(), &["a whole snarm bank (safetensors)"]);
    let weights = TensorView::new(Dtype::F32, vec![2], &[0; 8]).unwrap();
    let weights = safetensors::serialize([("blocks.0.norm1.weight", weights)], None).unwrap();
    check_refused(&weights, &["a snarm bank", "1 tensors that is no bank"]);
    let dir = tempfile::tempdir().unwrap();
    check_error(Bank::open(dir.path()), &["bank: expected a file, found a folder"]);
    check_error(Bank::open(&dir.path().join("none")), &["bank not found: ", "none"]);
}

#[test]
fn a_bank_that_says_other_things_than_it_should_is_refused() {
    let (_dir, path, _) = saved();
    let check = |edit: &dyn Fn(&mut Parts), words: &[&str]| {
        let mut parts = Parts::of(&path);
        edit(&mut parts);
        check_refused(&parts.bytes(), words);
    };
    check(&|parts| parts.about["format"] = json!("snarm-model"), &["a snarm bank", "format \"snarm-model\""]);
    check(&|parts| parts.about["version"] = json!(2), &["a bank of version 1", "version 2"]);
    check(&|parts| parts.about = json!("nothing"), &["a snarm bank", "format null"]);
    check(&|parts| parts.about["bank"]["crop"] = json!("round"), &["a header", "`round`", "letterbox"]);
    check(&|parts| parts.about["bank"]["extra"] = json!(1), &["a header", "unknown field `extra`"]);
    check(&|parts| parts.about["calibration"] = json!({}), &["a calibration", "missing field"]);
    for (field, value) in
        [("threshold", 1.5), ("pixel_threshold", -0.1), ("reference", 0.0), ("reference", -2.0)]
    {
        let edit = |parts: &mut Parts| parts.about["calibration"][field] = json!(value);
        check(&edit, &["scores in 0..1", &format!("{field}: {value:?}")]);
    }
    check(&|parts| parts.about["calibration"]["scores"] = json!([0.1, 7.0]), &["scores in 0..1", "7.0"]);
    for (value, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        check(&|parts| parts.features[3 * D + 5] = value, &["finite descriptors", name]);
    }
    check(&|parts| parts.images.truncate(59), &["features (n, width) and images (n)", "[60, 512] and [59]"]);
    check(&|parts| parts.features_type = Dtype::I32, &["features of type F32", "I32"]);
    let empty = |parts: &mut Parts| {
        parts.features.clear();
        parts.images.clear();
    };
    check(&empty, &["features (n, width) and images (n)", "[0, 512] and [0]"]);
}

#[test]
fn a_bank_of_another_encoder_is_refused_with_both_digests() {
    let (dir, path, _) = saved();
    let other = dir.path().join("other.bank");
    let check = |edit: &dyn Fn(&mut Value), words: &[&str]| {
        let mut parts = Parts::of(&path);
        edit(&mut parts.about["bank"]);
        std::fs::write(&other, parts.bytes()).unwrap();
        let bank = Arc::new(Bank::open(&other).unwrap());
        check_error(bank.check_encoder(&encoder()), words);
        check_error(Detector::new(encoder(), bank.clone()), words);
        check_error(BankBuilder::append(encoder(), &bank, BankSettings::default()), words);
        check_error(snarm_core::registry::encoder_of(&bank, Some(SEEDED_TINY)), words);
    };
    check(
        &|header| header["encoder_digest"] = json!("0123abc"),
        &["encoder of the bank: expected ", "0123abc (seeded:tiny)", ", found ", encoder().digest()],
    );
    let geometry = "geometry of the bank: expected side, grid, width and layers (448, 28, 512";
    check(&|header| header["side"] = json!(448), &[geometry, "found (392, 28, 512"]);
}

#[test]
fn a_failed_save_leaves_the_old_bank_as_it_was() {
    let (dir, path, bank) = saved();
    let old = std::fs::read(&path).unwrap();
    let check = |path: &Path| {
        check_error(bank.save(path), &["cannot write bank: ", &path.display().to_string()]);
    };
    check(&dir.path().join("missing/part.bank"));
    check(&path.join("part.bank"));
    std::fs::create_dir_all(dir.path().join("folder.bank/inside")).unwrap();
    check(&dir.path().join("folder.bank"));

    // Folders of the names that the temporary file may have stand in its way.
    let name = |n: usize| dir.path().join(format!("part.bank.{}-{n}.tmp", std::process::id()));
    (0..1000).for_each(|n| std::fs::create_dir(name(n)).unwrap());
    check(&path);
    assert!(std::fs::read(&path).unwrap() == old, "byte for byte");
    (0..1000).for_each(|n| std::fs::remove_dir(name(n)).unwrap());
    assert_eq!(files(dir.path()), ["folder.bank", "part.bank"], "no temporary file stays");

    bank.save(&path).unwrap();
    assert!(std::fs::read(&path).unwrap() == old, "the same bank is the same bytes");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_keeps_its_bank() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, path, bank) = saved();
    let old = std::fs::read(&path).unwrap();
    let permit = |mode| {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    if std::fs::write(dir.path().join("probe"), b"").is_ok() {
        println!("skipped: this user may write everywhere");
    } else {
        check_error(bank.save(&path), &["cannot write bank: ", "part.bank"]);
        assert!(std::fs::read(&path).unwrap() == old);
    }
    permit(0o755);
}

#[test]
fn appending_grows_the_frames_and_keeps_the_old_rows() {
    let crop = BankSettings {
        view: View { crop: Crop::Letterbox, ..View::default() },
        ..settings(10_000, Reduction::None)
    };
    let old = bank_of(0..3, crop);
    let mut builder = BankBuilder::append(encoder(), &old, settings(10_000, Reduction::None)).unwrap();
    assert_eq!((builder.frames(), builder.frames_needed(), builder.vectors()), (0, 1, 3 * TOKENS));
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
fn too_few_frames_are_refused_with_their_number() {
    for frames in 0..2 {
        let mut builder = BankBuilder::new(encoder(), BankSettings::default()).unwrap();
        add(&mut builder, 0..frames);
        let expected = format!("too few good frames: expected at least 2, found {frames}");
        check_error(builder.finish(&mut |_, _, _| {}), &[&expected]);
    }
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
    nearest(descriptors, D, bank.rows(), None, 1, &mut workspace, &mut indices, &mut squares).unwrap();
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
