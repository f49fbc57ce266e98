//! Region of interest and ignore mask, by pixels: what is not looked at changes nothing, and what is, does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, OnceLock};

use snarm_core::Grid;
use snarm_core::bank::{Bank, BankBuilder, BankSettings, Reduction};
use snarm_core::detect::{Detection, Detector};
use snarm_core::encoder::{Encoder, PositionInterpolation, TINY};
use snarm_core::frame::Frame;
use snarm_core::view::{Crop, IgnoreMask, Rect, TileGrid, Tiles, View};

const WIDTH: usize = 128;
const HEIGHT: usize = 96;

fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER.get_or_init(|| Arc::new(Encoder::load(TINY, PositionInterpolation::Legacy).unwrap())).clone()
}

/// Good part number `i`: stripes with a little noise.
fn good(i: usize) -> Vec<u8> {
    let value = |x: usize, y: usize, c: usize| {
        let noise = (x * 31 + y * 17 + i * 101 + c * 13) % 11;
        (60 + (3 * x + 5 * y + c * 7) % 40 + noise) as u8
    };
    (0..WIDTH * HEIGHT * 3).map(|at| value(at / 3 % WIDTH, at / 3 / WIDTH, at % 3)).collect()
}

/// The same with a blotch of a colour over a rectangle in fractions of the frame.
fn spoiled(i: usize, rect: Rect, colour: [u8; 3]) -> Vec<u8> {
    let mut pixels = good(i);
    let span = |start: f64, length: f64, n: usize| {
        (start * n as f64).round() as usize..((start + length) * n as f64).round() as usize
    };
    for y in span(rect.y, rect.h, HEIGHT) {
        for x in span(rect.x, rect.w, WIDTH) {
            pixels[3 * (y * WIDTH + x)..][..3].copy_from_slice(&colour);
        }
    }
    pixels
}

/// A mask over a rectangle, of a size that has nothing to do with the frame's.
fn mask(rect: Rect) -> Arc<IgnoreMask> {
    let (width, height) = (50, 70);
    let inside = |i: usize| {
        let (x, y) = ((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
        let (x, y) = (x / width as f64, y / height as f64);
        (rect.x..rect.x + rect.w).contains(&x) && (rect.y..rect.y + rect.h).contains(&y)
    };
    Arc::new(IgnoreMask::new((0..width * height).map(inside).collect(), width, height).unwrap())
}

fn learn(view: View, pictures: impl Iterator<Item = Vec<u8>>) -> Bank {
    let settings =
        BankSettings { capacity: 10_000, reduction: Reduction::None, view, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    for pixels in pictures {
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
    }
    builder.finish(&mut |_, _, _| {}).unwrap()
}

fn detect(detector: &mut Detector, pixels: &[u8]) -> Detection {
    let limits = detector.bank_limits();
    detector.detect(&Frame::rgb(pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().clone()
}

/// Where the map is highest, in fractions of the frame.
fn peak(found: &Detection) -> (f64, f64) {
    let (at, _) = found.map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let place = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
    let (Grid { rows, columns }, rect) = (found.map_size, found.map_rect);
    let (x, y) = (place(at % columns, columns), place(at / columns, rows));
    (rect.x + x * rect.w, rect.y + y * rect.h)
}

const LEFT: Rect = Rect { x: 0.0, y: 0.0, w: 0.5, h: 1.0 };
const IN_RIGHT: Rect = Rect { x: 0.7, y: 0.4, w: 0.15, h: 0.2 };
const IN_LEFT: Rect = Rect { x: 0.15, y: 0.4, w: 0.15, h: 0.2 };
const PINK: [u8; 3] = [250, 20, 240];

#[test]
fn nothing_outside_the_region_of_interest_is_read() {
    let view = View { roi: Some(LEFT), ..View::default() };
    let bank = learn(view.clone(), (0..4).map(good));
    let elsewhere = learn(view, (0..4).map(|i| spoiled(i, IN_RIGHT, [i as u8 * 60, 0, 90])));
    assert_eq!(bank.rows().data, elsewhere.rows().data, "what lies outside was learned");

    let mut detector = Detector::new(encoder(), Arc::new(bank)).unwrap();
    let plain = detect(&mut detector, &good(9));
    let outside = detect(&mut detector, &spoiled(9, IN_RIGHT, PINK));
    assert_eq!((outside.score, &outside.map), (plain.score, &plain.map));
    assert_eq!((plain.map_rect, plain.seen), (LEFT, LEFT));

    let inside = detect(&mut detector, &spoiled(9, IN_LEFT, PINK));
    assert!(
        inside.verdict.is_anomalous() && inside.score > plain.score + 0.3,
        "{} {}",
        inside.score,
        plain.score
    );
    let (x, y) = peak(&inside);
    assert!((x - 0.225).abs() < 0.08 && (y - 0.5).abs() < 0.12, "{x} {y}");
    // A map over half of the frame counts half as much.
    assert!(inside.area <= 0.5, "{}", inside.area);
}

#[test]
fn the_view_of_a_detector_may_change_between_frames() {
    let bank = Arc::new(learn(View::default(), (0..4).map(good)));
    let mut detector = Detector::new(encoder(), bank).unwrap();
    let bad = spoiled(9, IN_RIGHT, PINK);
    let whole = detect(&mut detector, &bad);
    assert!(whole.verdict.is_anomalous() && whole.map_rect == Rect::WHOLE);
    detector.set_view(View { roi: Some(LEFT), ..View::default() }).unwrap();
    let left = detect(&mut detector, &bad);
    assert!(left.map_rect == LEFT && left.score < whole.score, "{} {}", left.score, whole.score);
    let outside = View { roi: Some(Rect { x: 0.8, ..LEFT }), ..View::default() };
    let error = detector.set_view(outside).unwrap_err().to_string();
    assert!(
        error.starts_with("roi: expected a part of the frame") && error.contains("0.8,0,0.5,1"),
        "{error}"
    );
    assert_eq!(detector.view().roi, Some(LEFT), "a refused view changes nothing");
    detector.set_view(View::default()).unwrap();
    assert_eq!(detect(&mut detector, &bad).map, whole.map);
}

/// A bank keeps the aspect of its first frame, also in its file and where it goes on; frames of another are squeezed to it.
#[test]
fn the_input_has_the_aspect_of_the_frames_that_were_learned() {
    let follows = View { crop: Crop::Aspect, ..View::default() };
    let bank = learn(follows.clone(), (0..3).map(good));
    let aspect = WIDTH as f64 / HEIGHT as f64;
    assert_eq!((bank.crop(), bank.aspect()), (Crop::Aspect, aspect));
    let path = tempfile::NamedTempFile::new().unwrap();
    bank.save(path.path()).unwrap();
    let bank = Arc::new(Bank::open(path.path()).unwrap());
    assert_eq!(bank.aspect(), aspect);
    let wide = encoder().of_aspect(aspect);
    let geometry = wide.geometry();
    assert!(geometry.size.columns > geometry.size.rows && bank.vectors() == 3 * geometry.tokens());
    let mut detector = Detector::new(encoder(), bank.clone()).unwrap();
    let limits = detector.bank_limits();
    let tall = vec![120; 3 * 64 * 96];
    let found = detector.detect(&Frame::rgb(&tall, 64, 96).unwrap(), &limits).unwrap();
    assert_eq!((found.map_size, found.map_rect), (geometry.size, Rect::WHOLE));
    let found = detect(&mut detector, &spoiled(9, IN_RIGHT, PINK));
    let (x, y) = peak(&found);
    assert!(found.verdict.is_anomalous() && (x - 0.775).abs() < 0.08 && (y - 0.5).abs() < 0.12, "{x} {y}");
    // The published crop is that of a square.
    let paper = View { crop: Crop::Paper, ..View::default() };
    let error = detector.set_view(paper).unwrap_err().to_string();
    assert!(error.starts_with("crop: expected paper only with a bank that was made of squares"), "{error}");
    // The region of interest has an aspect of its own.
    let part = learn(View { roi: Some(LEFT), ..follows }, (0..2).map(good));
    assert_eq!(part.aspect(), aspect * LEFT.w / LEFT.h);
    let mut more = BankBuilder::append(encoder(), &bank, BankSettings::default()).unwrap();
    more.add(&Frame::rgb(&tall, 64, 96).unwrap()).unwrap();
    assert_eq!(more.finish(&mut |_, _, _| {}).unwrap().aspect(), aspect);
    // By itself a frame of 4:3 is squeezed, and a part that is three times as high as wide keeps its aspect.
    let third = Rect { x: 0.25, y: 0.0, w: 0.25, h: 1.0 };
    for (roi, aspect) in [(None, 1.0), (Some(third), aspect / 4.0)] {
        let bank = learn(View { roi, ..View::default() }, (0..2).map(good));
        assert_eq!((bank.crop(), bank.aspect()), (Crop::Auto, aspect));
    }
    // Banks of before say nothing of it, and are of squares.
    assert_eq!(learn(View::squeezed(), (0..2).map(good)).aspect(), 1.0);
}

#[test]
fn an_ignored_part_scores_nothing_in_map_score_and_regions() {
    let around = Rect { x: 0.6, y: 0.3, w: 0.35, h: 0.4 };
    let view = View { ignore: Some(mask(around)), ..View::default() };
    let bank = Arc::new(learn(view.clone(), (0..4).map(good)));
    let mut masked = Detector::new(encoder(), bank).unwrap();
    let found = detect(&mut masked, &spoiled(9, IN_RIGHT, PINK));
    let hidden: Vec<bool> = mask(around).on_map(found.map_size, found.map_rect).collect();
    assert!(hidden.iter().filter(|h| **h).count() > hidden.len() / 8);
    for (at, (score, hidden)) in found.map.iter().zip(&hidden).enumerate() {
        assert!(!hidden || *score == 0.0, "pixel {at} scores {score}");
    }
    let seen = hidden.iter().filter(|hidden| !**hidden).count() as f64 / hidden.len() as f64;
    assert!(found.area <= seen, "regions cover {} of the frame, of which {seen} is seen", found.area);
    // Without the mask the blotch is by far what scores highest.
    masked.set_view(View::default()).unwrap();
    let bare = detect(&mut masked, &spoiled(9, IN_RIGHT, PINK));
    assert!(
        bare.verdict.is_anomalous() && bare.score_max > found.score_max,
        "{} {}",
        bare.score_max,
        found.score_max
    );
    // What is not ignored is found as before.
    masked.set_view(view).unwrap();
    let other = detect(&mut masked, &spoiled(9, IN_LEFT, PINK));
    let (x, y) = peak(&other);
    assert!(other.verdict.is_anomalous() && (x - 0.225).abs() < 0.08 && (y - 0.5).abs() < 0.12, "{x} {y}");
}

#[test]
fn ignored_tokens_are_not_learned() {
    let half = Rect { x: 0.5, y: 0.0, w: 0.5, h: 1.0 };
    let tokens = encoder().geometry().tokens();
    let bank = learn(View { ignore: Some(mask(half)), ..View::squeezed() }, (0..3).map(good));
    // The middle is a boundary of tokens, so none is shared.
    assert_eq!(bank.vectors(), 3 * tokens / 2);
}

#[test]
fn a_mask_that_leaves_nothing_is_an_error_on_every_frame_and_not_a_panic() {
    let all = Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
    let settings =
        BankSettings { view: View { ignore: Some(mask(all)), ..View::default() }, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    let pixels = good(0);
    let patches = encoder().geometry().tokens();
    for _ in 0..2 {
        let error = builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("ignore mask: expected at least 4 of {patches}"))
                && error.ends_with("found 0"),
            "{error}"
        );
    }
}

#[test]
fn a_bank_file_keeps_the_view_and_a_damaged_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.bank");
    let view = View {
        crop: Crop::Letterbox,
        roi: Some(Rect { x: 0.1, y: 0.2, w: 0.7, h: 0.6 }),
        ignore: Some(mask(IN_LEFT)),
        tiles: Tiles::Grid(TileGrid { columns: 2, rows: 1, overlap: 0.25 }),
    };
    let bank = learn(view.clone(), (0..2).map(good));
    bank.save(&path).unwrap();
    let read = Bank::open(&path).unwrap();
    assert_eq!((read.view(), read.digest()), (view.clone(), bank.digest()));
    let plain = learn(View { ignore: None, ..view.clone() }, (0..2).map(good));
    assert_ne!(plain.digest(), bank.digest(), "the mask belongs to the identity");

    let text = std::fs::read(&path).unwrap();
    let change = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = text.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut changed = text.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, changed).unwrap();
        Bank::open(&path).unwrap_err().to_string()
    };
    let error = change(r#"\"x\":0.1"#, r#"\"x\":9.1"#);
    assert!(error.contains("the file is damaged"), "{error}");
    let error = change(r#"\"ignore_mask\":[50,70]"#, r#"\"ignore_mask\":[90,70]"#);
    assert!(error.contains("the file is damaged"), "{error}");
}

#[test]
fn append_keeps_the_view_and_refuses_another() {
    let view = View { roi: Some(LEFT), ..View::default() };
    let bank = learn(view.clone(), (0..3).map(good));
    let with = |view| BankSettings { view, ..BankSettings::default() };
    assert!(BankBuilder::append(encoder(), &bank, with(View::default())).is_ok());
    assert!(BankBuilder::append(encoder(), &bank, with(view.clone())).is_ok());
    let other = with(View { roi: Some(IN_LEFT), ..View::default() });
    let error = BankBuilder::append(encoder(), &bank, other).err().unwrap().to_string();
    assert_eq!(error, "roi of the bank: expected 0,0,0.5,1, found 0.15,0.4,0.15,0.2");
    let other = with(View { ignore: Some(mask(IN_LEFT)), ..View::default() });
    let error = BankBuilder::append(encoder(), &bank, other).err().unwrap().to_string();
    assert_eq!(error, "ignore mask of the bank: expected none, found another: a mask of 50x70");
}
