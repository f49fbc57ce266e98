//! Files that are no bank, no whole bank, or that of another encoder.

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use snarm_core::bank::{Bank, BankBuilder, BankSettings};
use snarm_core::detect::Detector;
use snarm_core::encoder::SEEDED_TINY;

use crate::common::{D, check_error, encoder, saved};

/// What a bank file consists of, to be written again with something changed.
struct Parts {
    about: Value,
    features: Vec<f32>,
    features_type: Dtype,
    width: usize,
    images: Vec<u32>,
    /// Frames that sketches are added for.
    sketched: Vec<u32>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let mut about: Value = serde_json::from_str(&metadata.metadata().as_ref().unwrap()["snarm"]).unwrap();
        // As files were before they had a digest.
        assert!(about.as_object_mut().unwrap().remove("sha256").is_some());
        about["version"] = json!(1);
        let bank = Bank::open(path).unwrap();
        let (features, images) = (bank.rows().data.to_vec(), bank.images().to_vec());
        let (features_type, width, sketched) = (Dtype::F32, bank.width(), Vec::new());
        Self { about, features, features_type, width, images, sketched }
    }

    fn bytes(&self) -> Vec<u8> {
        let rows = self.features.len() / self.width;
        let (features, images) = (bytemuck::cast_slice(&self.features), bytemuck::cast_slice(&self.images));
        let features = TensorView::new(self.features_type, vec![rows, self.width], features).unwrap();
        let images = TensorView::new(Dtype::U32, vec![self.images.len()], images).unwrap();
        let (numbers, sketches) =
            (bytemuck::cast_slice(&self.sketched), vec![0; 128 * 4 * self.sketched.len()]);
        let metadata = [("snarm".to_owned(), self.about.to_string())].into();
        let mut tensors = vec![("features", features), ("images", images)];
        if !self.sketched.is_empty() {
            let shape = vec![self.sketched.len(), 128];
            tensors.push(("sketches", TensorView::new(Dtype::F32, shape, &sketches).unwrap()));
            let shape = vec![self.sketched.len()];
            tensors.push(("sketch_images", TensorView::new(Dtype::U32, shape, numbers).unwrap()));
        }
        safetensors::serialize(tensors, Some(metadata)).unwrap()
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
    check(&|parts| parts.about["version"] = json!(2), &["a bank of version 1, or 2", "version 2 without"]);
    check(&|parts| parts.about["version"] = json!(3), &["a bank of version 1, or 2", "version 3"]);
    check(&|parts| parts.about = json!("nothing"), &["a snarm bank", "format null"]);
    check(&|parts| parts.about["bank"]["crop"] = json!("round"), &["a header", "`round`", "letterbox"]);
    check(&|parts| parts.about["bank"]["extra"] = json!(1), &["a header", "unknown field `extra`"]);
    check(&|parts| parts.about["calibration"] = json!({}), &["a calibration", "missing field"]);
    for (field, value) in [
        ("threshold", 1.5),
        ("pixel_threshold", -0.1),
        ("std", -0.1),
        ("reference", 0.0),
        ("reference", -2.0),
        ("reference", 1e308),
        ("reference", 1e-300),
    ] {
        let edit = |parts: &mut Parts| parts.about["calibration"][field] = json!(value);
        check(&edit, &["scores in 0..1", &format!("{field}: {value:?}")]);
    }
    check(&|parts| parts.about["calibration"]["scores"] = json!([0.1, 7.0]), &["scores in 0..1", "7.0"]);
    check(&|parts| parts.about["calibration"]["frames"] = json!(u64::MAX), &["scores in 0..1"]);
    check(&|parts| parts.about["bank"]["frames"] = json!(u64::MAX), &["at most 2^31 frames"]);
    check(&|parts| parts.about["bank"]["copies"] = json!(4), &["some of them copies", "3 frames, 4 of them"]);
    check(&|parts| parts.about["bank"]["grid"] = json!(1_u64 << 40), &["side and grid from 1 to 4096"]);
    check(&|parts| parts.about["bank"]["layers"][1]["end"] = json!(u64::MAX), &["at most 4096 layers"]);
    for aspect in [0.0, -1.5, 1e-300, 1e300] {
        check(
            &|parts| parts.about["bank"]["aspect"] = json!(aspect),
            &["an aspect from", &format!("{aspect:?}")],
        );
    }
    // More than an f32 holds is infinite.
    for (scale, found) in [(0.0, "0"), (-1.0, "-1"), (1e30, "1"), (1e-30, "0.0"), (1e300, "inf")] {
        let scales = json!([1.0, scale]);
        check(
            &|parts| parts.about["bank"]["group_scales"] = scales.clone(),
            &["scales of groups from", found],
        );
    }
    for roi in [json!({"x": 0, "y": 0, "w": 1e-300, "h": 1}), json!({"x": 1e308, "y": 0, "w": 1e308, "h": 1})]
    {
        check(&|parts| parts.about["bank"]["roi"] = roi.clone(), &["a region of interest inside the frame"]);
    }
    for tiles in [
        json!({"columns": 0, "rows": 1, "overlap": 0}),
        json!({"columns": 9, "rows": 8, "overlap": 0}),
        json!({"columns": 2, "rows": 1, "overlap": 0.75}),
    ] {
        check(
            &|parts| parts.about["bank"]["tiles"] = tiles.clone(),
            &["1 to 64 tiles that share at most a half"],
        );
    }
    check(&|parts| parts.about["bank"]["tiles"] = json!([2, 1]), &["a header"]);
    check(&|parts| parts.about["bank"]["ignore_mask"] = json!([u64::MAX, u64::MAX]), &["ignore_mask"]);
    check(&|parts| parts.images[3] = u32::MAX, &["numbers of images below 2^31"]);
    for (value, name) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (1.7e38, "1.7e38")] {
        check(&|parts| parts.features[3 * D + 5] = value, &["finite descriptors", name]);
    }
    check(&|parts| parts.images.truncate(59), &["features (n, width) and images (n)", "[60, 512] and [59]"]);
    check(&|parts| parts.features_type = Dtype::I32, &["features of type F32", "I32"]);
    let empty = |parts: &mut Parts| {
        parts.features.clear();
        parts.images.clear();
    };
    check(&empty, &["features (n, width) and images (n)", "[0, 512] and [0]"]);
    check(&|parts| parts.sketched = vec![0, 2, 1], &["a sketch for each of ascending frames"]);
    // The bank is of three frames; a fourth would be taken for one that is learned later.
    check(&|parts| parts.sketched = vec![0, 3], &["sketch_images of frames of the bank, below 3", "found 3"]);
    let origin = json!([{"image": 7, "source": "a.png"}]);
    check(
        &|parts| parts.about["origins"] = origin.clone(),
        &["origins of frames of the bank, below 3", "found 7"],
    );
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
