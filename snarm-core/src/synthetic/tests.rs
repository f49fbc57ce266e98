//! Properties of whole synthetic defects.

use proptest::prelude::*;

use super::accept::components;
use super::defects::DefectKind;
use super::product::{Product, ProductKind};
use super::*;
use crate::dataset::Picture;

fn good(seed: u64, side: usize) -> Picture {
    Product::of_kind(ProductKind::ALL[(seed % 6) as usize], seed).image(0, side)
}

/// A setting that always draws this one kind.
fn only(kind: DefectKind) -> Settings {
    Settings { extra_share: 1.0, extra: vec![kind], foreground: true, ..Settings::snarm() }
}

fn check(settings: &Settings, picture: &Picture, draw: Draw) -> Result<Synthetic, TestCaseError> {
    let made = Synthesizer::new(settings.clone()).unwrap().make(picture, draw).unwrap();
    prop_assert_eq!(made.picture.data.len(), picture.data.len());
    for (i, &marked) in made.mask.data.iter().enumerate() {
        let same = made.picture.data[3 * i..3 * i + 3] == picture.data[3 * i..3 * i + 3];
        prop_assert!(marked || same, "pixel {} changed outside the mask", i);
    }
    let again = Synthesizer::new(settings.clone()).unwrap().make(picture, draw).unwrap();
    prop_assert!(made == again, "another result of the same draw");
    Ok(made)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn perlin_defects_change_their_mask_alone_and_obey_the_sizes(
        seed in 0u64..1000, variant in 0u32..1000, recipe in 0usize..5,
    ) {
        let settings = [
            Settings::snarm(), Settings::snarm_any_size(), Settings::adclick(), Settings::draem(), Settings::cpr(),
        ][recipe].clone();
        let picture = good(seed, 98);
        let made = check(&settings, &picture, Draw { seed, image: 1, variant })?;
        if made.filling == Filling::Normal {
            prop_assert!(settings.normal_share > 0.0 && made.picture == picture);
            prop_assert!(made.mask.data.iter().all(|v| !v));
            return Ok(());
        }
        let (_, areas) = components(&made.mask).unwrap();
        let smallest = (settings.min_area * 98.0 * 98.0 + 1e-6) as usize;
        let of_defects = &areas[usize::from(settings.small == Small::Remove)..];
        prop_assert!(areas.len() > 1 && of_defects.iter().all(|&n| n > smallest), "{:?}", areas);
        prop_assert!(recipe != 3 || made.filling == Filling::Texture);
    }

    #[test]
    fn other_defects_are_seen_and_change_their_mask_alone(seed in 0u64..1000, variant in 0u32..1000, kind in 0usize..5) {
        let settings = only(DefectKind::ALL[kind]);
        let picture = good(seed, 98);
        let made = check(&settings, &picture, Draw { seed, image: 1, variant })?;
        let marked: Vec<usize> = (0..98 * 98).filter(|&i| made.mask.data[i]).collect();
        let change = |i: usize| f64::from(made.picture.data[i].abs_diff(picture.data[i]));
        let sum: f64 = marked.iter().flat_map(|i| 3 * i..3 * i + 3).map(change).sum();
        prop_assert!(sum / (3 * marked.len()) as f64 >= settings.min_contrast);
    }
}

#[test]
fn opacity_bounds_what_is_left_of_the_image() {
    // A black image under textures: what shows is opacity times texture, so a fixed opacity scales it exactly.
    let black = Picture { data: vec![0; 3 * 98 * 98], width: 98, height: 98 };
    let with = |opacity: std::ops::RangeInclusive<f32>, variant| {
        let settings = Settings { opacity, texture_share: 1.0, ..Settings::snarm_any_size() };
        Synthesizer::new(settings).unwrap().make(&black, Draw { seed: 8, image: 0, variant }).unwrap()
    };
    for variant in 0..12 {
        let (full, part, drawn) =
            (with(1.0..=1.0, variant), with(0.5..=0.5, variant), with(0.3..=1.0, variant));
        assert_eq!(full.mask, part.mask);
        let levels = full.picture.data.iter().zip(&part.picture.data).zip(&drawn.picture.data);
        for ((&full, &half), &drawn) in levels {
            assert_eq!(half, full / 2);
            let low = (0.3 * f32::from(full)) as u8;
            assert!((low..=full).contains(&drawn), "{drawn} of {full}");
        }
    }
    // And opacity 0 is no defect to see: the image stays to the last bit.
    let unchanged = with(0.0..=0.0, 3);
    assert!(unchanged.picture == black && unchanged.mask.data.contains(&true));
}

#[test]
fn sources_and_shares_follow_the_settings() {
    let picture = good(3, 64);
    let settings = Settings { normal_share: 0.25, extra_share: 0.5, ..Settings::snarm_any_size() };
    let maker = Synthesizer::new(settings).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for variant in 0..400 {
        let made = maker.make(&picture, Draw { seed: 1, image: 0, variant }).unwrap();
        *seen.entry(made.filling.name()).or_insert(0) += 1;
    }
    // Normal: 100 +- 9. Perlin masks are often empty and drawn anew, so extra defects are more than half of the rest.
    assert!((70..=130).contains(&seen["normal"]), "{seen:?}");
    let (texture, tiles) = (seen["texture"], seen["tiles"]);
    assert!(texture > 20 && tiles > 20 && i32::abs(texture - tiles) < 60, "{seen:?}");
    assert!(DefectKind::ALL.iter().all(|kind| seen.contains_key(kind.name())), "{seen:?}");
}

#[test]
fn draws_are_independent_of_order_and_threads() {
    let picture = good(4, 64);
    let maker = Synthesizer::new(Settings::general()).unwrap();
    let make = |variant| maker.make(&picture, Draw { seed: 6, image: 2, variant }).unwrap();
    let here: Vec<_> = (0..8).map(make).collect();
    let there: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..8).rev().map(|v| scope.spawn(move || make(v))).collect();
        handles.into_iter().rev().map(|h| h.join().unwrap()).collect()
    });
    assert!(here == there);
    assert!(here.windows(2).all(|pair| pair[0] != pair[1]));
    let other = maker.make(&picture, Draw { seed: 6, image: 3, variant: 0 }).unwrap();
    assert!(other != here[0]);
}

#[test]
fn defects_stay_on_the_object() {
    // A disc of 60 pixels on an even background.
    let inside = |i: usize| ((i % 98) as f64 - 49.0).hypot((i / 98) as f64 - 49.0) < 30.0;
    let data = (0..98 * 98).flat_map(|i| if inside(i) { [180, 90, 60] } else { [20, 22, 25] }).collect();
    let picture = Picture { data, width: 98, height: 98 };
    let settings = Settings { min_area: 0.0, ..Settings::general() };
    let maker = Synthesizer::new(settings).unwrap();
    for variant in 0..30 {
        let made = maker.make(&picture, Draw { seed: 9, image: 0, variant }).unwrap();
        assert!(made.mask.data.iter().enumerate().all(|(i, &v)| !v || inside(i)), "{variant}");
    }
}

#[test]
fn textures_come_from_a_folder_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let red = Picture { data: [200u8, 10, 30].repeat(50), width: 10, height: 5 };
    red.save_png(&dir.path().join("red.png")).unwrap();
    let settings = Settings { opacity: 1.0..=1.0, texture_share: 1.0, ..Settings::snarm_any_size() };
    let maker = Synthesizer::with_textures(settings, dir.path(), Reading::default()).unwrap();
    let made = maker.make(&good(1, 64), Draw { seed: 0, image: 0, variant: 0 }).unwrap();
    for (i, _) in made.mask.data.iter().enumerate().filter(|(_, v)| **v) {
        assert_eq!(made.picture.data[3 * i..3 * i + 3], [200, 10, 30]);
    }
    let empty = tempfile::tempdir().unwrap();
    let refused = Synthesizer::with_textures(Settings::snarm(), empty.path(), Reading::default());
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("expected images, found none"), "{message}");
}

#[test]
fn settings_outside_their_range_are_refused_by_name() {
    for (settings, name) in [
        (Settings { opacity: 0.8..=0.2, ..Settings::snarm() }, "opacity"),
        (Settings { texture_share: 1.5, ..Settings::snarm() }, "texture share"),
        (Settings { min_area: f64::NAN, ..Settings::snarm() }, "smallest component"),
        (Settings { tile_grid: 0, ..Settings::snarm() }, "tile grid"),
        (Settings { octaves: 20, ..Settings::snarm() }, "Perlin octaves"),
        (Settings { extra_share: 0.5, extra: Vec::new(), ..Settings::snarm() }, "extra defects"),
    ] {
        let message = Synthesizer::new(settings).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn an_image_that_takes_no_defect_is_an_error_and_not_a_loop() {
    let settings = Settings { min_area: 0.49, ..Settings::snarm() };
    let picture = good(2, 32);
    let made = Synthesizer::new(settings).unwrap().make(&picture, Draw { seed: 0, image: 0, variant: 0 });
    let message = made.unwrap_err().to_string();
    assert!(message.contains("expected a defect that the settings accept"), "{message}");
}
