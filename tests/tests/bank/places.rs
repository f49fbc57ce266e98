//! Where descriptors count: an intact part in a wrong place, or none where one belongs, is found where good parts keep their place.

use std::sync::{Arc, OnceLock};

use snarm_core::bank::{Bank, BankBuilder, BankSettings, Placing, Reduction};
use snarm_core::detect::Detector;
use snarm_core::encoder::{Encoder, PositionInterpolation};
use snarm_core::frame::Frame;
use snarm_core::view::{OVERLAP, Rect, TileGrid, Tiles, View};

use crate::common::settings;

const WIDTH: usize = 160;
const HEIGHT: usize = 120;

/// A network that knows no places by itself.
fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER
        .get_or_init(|| Arc::new(Encoder::load("snarm-tiny@24", PositionInterpolation::Legacy).unwrap()))
        .clone()
}

/// A belt with a ring around that place, if there is one, a little different each time.
fn frame(number: usize, ring: Option<(f64, f64)>) -> Vec<u8> {
    let noise = |at: usize, color: usize| (at * 31 + number * 101 + color * 17 + at / WIDTH * 7) % 7;
    let value = |x: usize, y: usize, color: usize| {
        let belt = 70.0 + 8.0 * (0.35 * (x + 2 * y) as f64).sin();
        let of_ring = ring.and_then(|(cx, cy)| {
            let radius = (x as f64 - cx).hypot(y as f64 - cy);
            let spoke = (6.0 * (y as f64 - cy).atan2(x as f64 - cx)).sin();
            (9.0..19.0).contains(&radius).then_some(170.0 + 25.0 * spoke - 20.0 * color as f64)
        });
        (of_ring.unwrap_or(belt) + noise(y * WIDTH + x, color) as f64) as u8
    };
    (0..WIDTH * HEIGHT * 3).map(|at| value(at / 3 % WIDTH, at / 3 / WIDTH, at % 3)).collect()
}

/// Where a good ring lies: within two pixels of its place.
fn usual(number: usize) -> Option<(f64, f64)> {
    Some((45.0 + (number * 7 % 5) as f64 - 2.0, 60.0 + (number * 3 % 5) as f64 - 2.0))
}

/// As usual, but for two rings that lie far off, each in a place of its own.
fn strewn(number: usize) -> Option<(f64, f64)> {
    match number {
        3 => Some((130.0, 25.0)),
        8 => Some((130.0, 95.0)),
        _ => usual(number),
    }
}

type Ring = Option<(f64, f64)>;

fn with(placing: Placing) -> BankSettings {
    BankSettings { placing, ..settings(2000, Reduction::Greedy) }
}

fn builder(settings: BankSettings, frames: usize, ring: impl Fn(usize) -> Ring) -> BankBuilder {
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    add(&mut builder, 0..frames, ring);
    builder
}

fn add(builder: &mut BankBuilder, frames: std::ops::Range<usize>, ring: impl Fn(usize) -> Ring) {
    for number in frames {
        let pixels = frame(number, ring(number));
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
    }
}

fn learned(settings: BankSettings, frames: usize, ring: impl Fn(usize) -> Ring) -> Arc<Bank> {
    Arc::new(builder(settings, frames, ring).finish(&mut |_, _, _| {}).unwrap())
}

/// A bank of usual rings, whose rows count near their places.
fn placed() -> &'static Arc<Bank> {
    static BANK: OnceLock<Arc<Bank>> = OnceLock::new();
    BANK.get_or_init(|| learned(with(Placing::Auto), 14, usual))
}

/// The same, whose rows count everywhere.
fn everywhere() -> &'static Arc<Bank> {
    static BANK: OnceLock<Arc<Bank>> = OnceLock::new();
    BANK.get_or_init(|| learned(with(Placing::None), 14, usual))
}

/// The image scores of frames with those rings.
fn scores(bank: &Arc<Bank>, rings: &[Ring]) -> Vec<f64> {
    let mut detector = Detector::new(encoder(), Arc::clone(bank)).unwrap();
    scored(&mut detector, rings)
}

fn scored(detector: &mut Detector, rings: &[Ring]) -> Vec<f64> {
    let limits = detector.bank_limits();
    let score = |(at, ring): (usize, &Ring)| {
        let pixels = frame(1000 + at, *ring);
        detector.detect(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap(), &limits).unwrap().score
    };
    rings.iter().enumerate().map(score).collect()
}

/// Far to the right, below, and nowhere.
const WRONG: [Ring; 3] = [Some((115.0, 60.0)), Some((45.0, 95.0)), None];

#[test]
fn an_intact_part_in_a_wrong_place_and_a_missing_one_are_found() {
    let (placed, everywhere) = (placed(), everywhere());
    assert_eq!(everywhere.header().placed, None);
    let grid = placed.header().placed.expect("good rings keep their place");
    assert_eq!((grid.rows, grid.columns, grid.radius), (12, 12, 1));
    assert!((grid.reach() - 1.0 / 12.0).abs() < 1e-9);
    let good: Vec<Ring> = (50..56).map(usual).collect();
    let (wrong, right) = (scores(placed, &WRONG), scores(placed, &good));
    assert!(wrong.iter().all(|score| *score > 0.5) && wrong[0].min(wrong[1]) > 0.8, "{wrong:?}");
    assert!(right.iter().filter(|score| **score > 0.5).count() <= 1, "{right:?}");
    let blind = scores(everywhere, &WRONG);
    assert!(wrong.iter().zip(&blind).all(|(placed, blind)| *placed > blind + 0.05), "{wrong:?} {blind:?}");
    assert!(placed.digest() != everywhere.digest() && placed.rows().data == everywhere.rows().data);
}

#[test]
fn places_do_not_count_where_good_parts_move_or_few_frames_say_so() {
    assert_eq!(learned(with(Placing::Auto), 14, strewn).header().placed, None);
    assert_eq!(learned(with(Placing::Auto), 11, usual).header().placed, None);
}

/// A frame that is unlike the rest lies wrong everywhere: it says nothing of where good rings lie.
#[test]
fn frames_that_are_odd_have_no_say_in_places() {
    let mut builder = builder(with(Placing::Auto), 14, usual);
    // Coloured squares of two sizes, whose like is nowhere.
    let squares = |side: usize| -> Vec<u8> {
        let cell = |at: usize| (at / 3 % WIDTH / side + at / 3 / WIDTH / side * 41) * 3 + at % 3;
        (0..WIDTH * HEIGHT * 3).map(|at| (cell(at).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    };
    for pixels in [5, 23].map(squares) {
        builder.add(&Frame::rgb(&pixels, WIDTH, HEIGHT).unwrap()).unwrap();
    }
    let bank = builder.finish(&mut |_, _, _| {}).unwrap();
    let odd: Vec<usize> = bank.odd_frames().iter().map(|odd| odd.frame).collect();
    assert!(odd.contains(&14) && odd.contains(&15), "{odd:?}");
    assert_eq!(bank.header().placed.map(|placed| placed.radius), Some(1));
}

#[test]
fn a_bank_keeps_its_places_in_its_file_and_when_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring.bank");
    let bank = placed();
    bank.save(&path).unwrap();
    let opened = Arc::new(Bank::open(&path).unwrap());
    assert_eq!((opened.header(), opened.digest()), (bank.header(), bank.digest()));
    assert_eq!(opened.memory().unwrap().places(), bank.memory().unwrap().places());
    assert_eq!(scores(&opened, &WRONG), scores(bank, &WRONG));

    // Rings to the right are good from now on, too; those below are not.
    let second = |number: usize| Some((115.0 + (number % 3) as f64, 60.0));
    let mut builder = BankBuilder::append(encoder(), &opened, with(Placing::Auto)).unwrap();
    add(&mut builder, 100..112, second);
    let both = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    assert!(both.header().placed.is_some(), "{:?}", both.header());
    let found = scores(&both, &[usual(3), second(1), WRONG[1]]);
    assert!(found[0] < 0.5 && found[1] < 0.5 && found[2] > 0.6, "{found:?}");

    // What a bank without places saw where is not known.
    let mut builder = BankBuilder::append(encoder(), everywhere(), with(Placing::Auto)).unwrap();
    add(&mut builder, 100..112, usual);
    assert_eq!(builder.finish(&mut |_, _, _| {}).unwrap().header().placed, None);
}

#[test]
fn places_are_those_of_what_the_bank_looked_at() {
    let bank = placed();
    let mut detector = Detector::new(encoder(), Arc::clone(bank)).unwrap();
    let before = scored(&mut detector, &WRONG);
    let view = View { roi: Some(Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 }), ..bank.view() };
    detector.set_view(view).unwrap();
    let without = scored(&mut detector, &WRONG);
    detector.set_view(bank.view()).unwrap();
    assert_eq!(scored(&mut detector, &WRONG), before);
    assert!(before.iter().zip(&without).all(|(placed, blind)| placed > blind), "{before:?} {without:?}");
}

#[test]
fn tiles_have_places_of_their_own() {
    let view =
        View { tiles: Tiles::Grid(TileGrid { columns: 2, rows: 1, overlap: OVERLAP }), ..View::default() };
    let settings = BankSettings { view, ..with(Placing::Auto) };
    let bank = learned(settings, 12, usual);
    let placed = bank.header().placed.expect("good rings keep their place");
    assert_eq!(bank.memory().unwrap().places().unwrap().words(), 2 * placed.rows);
    let (wrong, right) = (scores(&bank, &WRONG), scores(&bank, &[usual(60), usual(61)]));
    assert!(wrong.iter().all(|score| *score > right[0].max(right[1]) + 0.1), "{wrong:?} {right:?}");
}
