//! Frames in tiles: one bank for all of them, one map without seams, limits that hold for whole frames.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, OnceLock};

use snarm_core::Grid;
use snarm_core::bank::{Bank, BankBuilder, BankSettings, Reduction};
use snarm_core::detect::{Detection, Detector};
use snarm_core::encoder::{Encoder, PositionInterpolation, TINY};
use snarm_core::frame::{Frame, Orientation};
use snarm_core::models::Decoder;
use snarm_core::models::snarm::decoder::{Shape, SnarmDecoder};
use snarm_core::view::{Crop, IgnoreMask, Rect, TileGrid, Tiles, TilesAsked, View};

/// Pixels in RGB, and their width and height.
struct Picture(Vec<u8>, usize, usize);

impl Picture {
    /// A rough surface, number `i`: every number has another light and other noise.
    fn good(i: usize, width: usize, height: usize) -> Self {
        Self::scrolled(i, width, height, 0)
    }

    /// The same, of which so many columns on the left are out of sight.
    fn scrolled(i: usize, width: usize, height: usize, columns: usize) -> Self {
        let value = |x: usize, y: usize, c: usize| {
            let x = x + columns;
            let noise = (x * 31 + y * 17 + i * 101 + c * 13 + (x * y + i) % 7 * 5) % 23;
            let wave = 12.0 * ((x as f64 / 9.0 + i as f64).sin() + (y as f64 / 7.0).cos());
            (96.0 + wave + noise as f64 + (3 * i % 11) as f64) as u8
        };
        let pixels =
            (0..width * height * 3).map(|at| value(at / 3 % width, at / 3 / width, at % 3)).collect();
        Self(pixels, width, height)
    }

    /// The same with a dark, round blotch of that radius.
    fn with(mut self, (x, y): (f64, f64), radius: f64) -> Self {
        for (at, pixel) in self.0.chunks_exact_mut(3).enumerate() {
            let (dx, dy) = ((at % self.1) as f64 + 0.5 - x, (at / self.1) as f64 + 0.5 - y);
            let inside = (radius + 0.5 - dx.hypot(dy)).clamp(0.0, 1.0);
            pixel.iter_mut().for_each(|v| *v = (f64::from(*v) * (1.0 - 0.8 * inside)) as u8);
        }
        self
    }

    /// The same with rows and columns exchanged.
    fn transposed(self) -> Self {
        let Self(pixels, width, height) = self;
        let of = |at: usize| 3 * (at % height * width + at / height);
        Self((0..width * height).flat_map(|at| pixels[of(at)..][..3].to_vec()).collect(), height, width)
    }

    fn frame(&self) -> Frame<'_> {
        Frame::rgb(&self.0, self.1, self.2).unwrap()
    }
}

fn encoder() -> Arc<Encoder> {
    static ENCODER: OnceLock<Arc<Encoder>> = OnceLock::new();
    ENCODER.get_or_init(|| Arc::new(Encoder::load(TINY, PositionInterpolation::Legacy).unwrap())).clone()
}

fn tiles(columns: usize, rows: usize, overlap: f64) -> Tiles {
    Tiles::Grid(TileGrid { columns, rows, overlap })
}

fn view(tiles: Tiles) -> View {
    View { tiles, ..View::default() }
}

fn learn(view: View, pictures: impl IntoIterator<Item = Picture>) -> Bank {
    let settings =
        BankSettings { capacity: 100_000, reduction: Reduction::None, view, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    for picture in pictures {
        builder.add(&picture.frame()).unwrap();
    }
    builder.finish(&mut |_, _, _| {}).unwrap()
}

fn detector(bank: Bank) -> Detector {
    Detector::new(encoder(), Arc::new(bank)).unwrap()
}

fn detect(detector: &mut Detector, picture: &Picture) -> Detection {
    let limits = detector.bank_limits();
    detector.detect(&picture.frame(), &limits).unwrap().clone()
}

/// Where the map is highest, in pixels of the frame.
fn peak(found: &Detection, picture: &Picture) -> (f64, f64) {
    let (at, _) = found.map.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let (Grid { rows, columns }, rect) = (found.map_size, found.map_rect);
    let place = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
    let (x, y) = (place(at % columns, columns), place(at / columns, rows));
    ((rect.x + x * rect.w) * picture.1 as f64, (rect.y + y * rect.h) * picture.2 as f64)
}

#[track_caller]
fn check_peak(found: &Detection, picture: &Picture, at: (f64, f64), within: f64) {
    let (x, y) = peak(found, picture);
    assert!((x - at.0).abs() < within && (y - at.1).abs() < within, "{x} {y}, not {at:?}");
}

#[test]
fn a_pattern_scores_the_same_wherever_tiles_meet_beside_each_other() {
    check_seam(tiles(2, 1, 0.125), false);
}

#[test]
fn a_pattern_scores_the_same_wherever_tiles_meet_above_each_other() {
    check_seam(tiles(1, 2, 0.125), true);
}

/// A pattern moves over the seam of two tiles, along x or, in transposed frames, along y.
#[track_caller]
fn check_seam(cut: Tiles, is_transposed: bool) {
    // Two tiles of 320 pixels share 40: what is seen is what the network gets.
    let (width, height) = (600, 320);
    let laid = |picture: Picture| if is_transposed { picture.transposed() } else { picture };
    let bank = learn(view(cut), (0..3).map(|i| laid(Picture::good(i, width, height))));
    let mut detector = detector(bank);
    // The surface moves with the pattern, so that its place among the tiles is all that changes; a cell is 8 pixels.
    let mut score = |cells: usize| {
        let x = 404.0 - 8.0 * cells as f64;
        let picture = laid(Picture::scrolled(7, width, height, 8 * cells).with((x, 160.0), 9.0));
        let found = detect(&mut detector, &picture);
        assert_eq!(found.map_size, Grid { rows: picture.2, columns: picture.1 });
        check_peak(&found, &picture, if is_transposed { (160.0, x) } else { (x, 160.0) }, 8.0);
        (x, found.raw_score)
    };
    let all: Vec<(f64, f64)> = (0..28).map(&mut score).collect();
    let mean = |part: std::ops::Range<f64>| {
        let scores: Vec<f64> =
            all.iter().filter(|(x, _)| part.contains(x)).map(|(_, score)| *score).collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    // Both tiles show what lies from 280 to 320.
    let middle = mean(184.0..240.0);
    assert!((mean(270.0..330.0) / middle - 1.0).abs() < 0.05, "{all:?}");
    for (x, score) in &all {
        assert!((score / middle - 1.0).abs() < 0.1, "{} at {x}: {all:?}", score / middle);
    }
}

#[test]
fn a_bank_learns_rows_of_all_tiles_and_keeps_how_frames_are_cut() {
    let cut = tiles(2, 2, 0.25);
    let bank = learn(view(cut), (0..2).map(|i| Picture::good(i, 400, 300)));
    let tokens = encoder().geometry().tokens();
    assert_eq!((bank.vectors(), bank.frames(), bank.tiles()), (2 * 4 * tokens, 2, cut));
    let path = tempfile::NamedTempFile::new().unwrap();
    bank.save(path.path()).unwrap();
    let read = Bank::open(path.path()).unwrap();
    assert_eq!((read.view(), read.digest()), (view(cut), bank.digest()));
    // Whole frames say nothing of tiles, as banks of before.
    let whole = learn(view(Tiles::None), (0..2).map(|i| Picture::good(i, 400, 300)));
    assert!(
        whole.header().tiles.is_none() && !serde_json::to_string(whole.header()).unwrap().contains("tiles")
    );

    let with = |tiles| BankSettings { view: view(tiles), ..BankSettings::default() };
    for open in [Tiles::None, Tiles::Auto { min_defect: 2.0, overlap: 0.0 }, cut] {
        assert!(BankBuilder::append(encoder(), &read, with(open)).is_ok(), "{open}");
    }
    let error = BankBuilder::append(encoder(), &read, with(tiles(3, 2, 0.25))).err().unwrap().to_string();
    assert_eq!(
        error,
        "tiles of the bank: expected 2x2 with an overlap of 0.25, found 3x2 with an overlap of 0.25"
    );
    let doubt = read.doubt_of_tiles(Tiles::None).unwrap();
    assert!(
        doubt.contains("expected 2x2 with an overlap of 0.25") && doubt.contains("found none"),
        "{doubt}"
    );
    assert!(read.doubt_of_tiles(cut).is_none());
}

#[test]
fn the_first_frame_decides_how_many_tiles_small_defects_need() {
    let auto = TilesAsked::new(None, Some(0.125), Some(4.0)).unwrap().over(Tiles::None);
    let bank = learn(view(auto), (0..2).map(|i| Picture::good(i, 900, 420)));
    let Tiles::Grid(TileGrid { columns, rows, overlap }) = bank.tiles() else { panic!("no tiles") };
    assert!(columns > rows && overlap == 0.125, "{}", bank.tiles());
    // Frames of another size are cut in as many.
    let mut detector = detector(bank);
    assert_eq!(detector.view().tiles, tiles(columns, rows, overlap));
    let small = detect(&mut detector, &Picture::good(5, 300, 200));
    let large = detect(&mut detector, &Picture::good(5, 900, 420));
    let side = encoder().geometry().size.rows;
    let size = |n: usize| side as f64 * (n as f64 - (n as f64 - 1.0) * overlap);
    for found in [small, large] {
        let Grid { rows: high, columns: wide } = found.map_size;
        assert!(
            (high as f64 - size(rows)).abs() < 4.0 && (wide as f64 - size(columns)).abs() < 4.0,
            "{wide}"
        );
        assert_eq!(found.map_rect, Rect::WHOLE);
    }
    let small =
        BankSettings { view: view(Tiles::Auto { min_defect: 0.1, overlap: 0.0 }), ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), small).unwrap();
    let error = builder.add(&Picture::good(0, 900, 420).frame()).unwrap_err().to_string();
    assert!(error.starts_with("min-defect: expected at least 1 pixels for frames of 900x420"), "{error}");
}

/// The score of a learned frame that the limits are made of is what a bank without it gives the whole of it.
#[test]
fn limits_are_those_of_whole_frames_that_are_not_in_the_bank() {
    let cut = view(tiles(2, 1, 0.25));
    let picture = |i: usize| {
        let at = (40.0 + 90.0 * i as f64, 30.0 + 25.0 * i as f64);
        Picture::good(i, 400, 200).with(at, 30.0).with((380.0 - 60.0 * i as f64, 150.0), 14.0)
    };
    let bank = learn(cut.clone(), (0..4).map(picture));
    assert_eq!(bank.header().copies, 0);
    let mut alone: Vec<f64> = (0..4)
        .map(|i| {
            let others = learn(cut.clone(), (0..4).filter(|other| *other != i).map(picture));
            detect(&mut detector(others), &picture(i)).raw_score
        })
        .collect();
    alone.sort_by(f64::total_cmp);
    let calibration = bank.calibration();
    let raw = |score: &f64| calibration.reference * (score / (1.0 - score)).sqrt();
    let known: Vec<f64> = calibration.scores.iter().map(raw).collect();
    for (known, alone) in known.iter().zip(&alone) {
        // Frames are kept in half precision.
        assert!((known / alone - 1.0).abs() < 0.01, "{known} {alone}");
    }
    assert_eq!((known.len(), calibration.frames), (4, 4));
}

/// The surface is the same, seen at the same scale, in one tile and in twelve; so many rows for each tile.
#[test]
fn limits_do_not_grow_with_the_number_of_tiles() {
    let limit = |columns: usize, rows: usize| {
        let cut = if columns * rows == 1 { Tiles::None } else { tiles(columns, rows, 0.0) };
        let capacity = 800 * columns * rows;
        let settings = BankSettings {
            capacity,
            reduction: Reduction::Random,
            view: view(cut),
            ..BankSettings::default()
        };
        let mut builder = BankBuilder::new(encoder(), settings).unwrap();
        for i in 0..6 {
            builder.add(&Picture::good(i, 320 * columns, 320 * rows).frame()).unwrap();
        }
        let bank = builder.finish(&mut |_, _, _| {}).unwrap();
        assert_eq!((bank.calibration().frames, bank.header().copies), (6, 0));
        bank.calibration().reference
    };
    let (one, twelve) = (limit(1, 1), limit(4, 3));
    assert!((0.75..1.15).contains(&(twelve / one)), "{twelve} with twelve tiles, {one} with one");
}

#[test]
fn tiles_cover_the_region_of_interest_alone() {
    let roi = Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.5 };
    let cut = View { roi: Some(roi), ..view(tiles(2, 1, 0.25)) };
    let bank = learn(cut, (0..3).map(|i| Picture::good(i, 800, 400)));
    let mut detector = detector(bank);
    let plain = detect(&mut detector, &Picture::good(9, 800, 400));
    let outside = detect(&mut detector, &Picture::good(9, 800, 400).with((150.0, 300.0), 40.0));
    assert_eq!((outside.score, &outside.map), (plain.score, &plain.map));
    assert_eq!((plain.map_rect, plain.seen), (roi, roi));
    for x in [230.0, 400.0, 560.0] {
        let picture = Picture::good(9, 800, 400).with((x, 300.0), 12.0);
        let found = detect(&mut detector, &picture);
        check_peak(&found, &picture, (x, 300.0), 10.0);
        assert!(found.score > plain.score + 0.1 && found.area <= 0.25, "{} {}", found.score, plain.score);
    }
}

#[test]
fn what_is_ignored_is_neither_learned_nor_scored_in_any_tile() {
    // The middle one of three tiles, and a part of its neighbours.
    let mask = IgnoreMask::new((0..100).map(|x| (30..70).contains(&x)).collect(), 100, 1).unwrap();
    let cut = View { ignore: Some(Arc::new(mask.clone())), ..view(tiles(3, 1, 0.0)) };
    let bank = learn(cut, (0..3).map(|i| Picture::good(i, 900, 300)));
    let tokens = encoder().geometry().tokens();
    assert!(bank.vectors() < 3 * 2 * tokens && bank.vectors() > 3 * 2 * tokens * 3 / 4, "{}", bank.vectors());
    let mut detector = detector(bank);
    let inside = Picture::good(9, 900, 300).with((450.0, 150.0), 40.0);
    let (plain, found) = (detect(&mut detector, &Picture::good(9, 900, 300)), detect(&mut detector, &inside));
    assert_eq!((found.score, &found.map), (plain.score, &plain.map));
    let hidden: Vec<bool> = mask.on_map(found.map_size, found.map_rect).collect();
    assert!(found.map.iter().zip(&hidden).all(|(score, hidden)| !hidden || *score == 0.0));
    let beside = Picture::good(9, 900, 300).with((245.0, 150.0), 12.0);
    let found = detect(&mut detector, &beside);
    check_peak(&found, &beside, (245.0, 150.0), 12.0);
    assert!(found.score > plain.score + 0.1);
    let all = IgnoreMask::new(vec![true], 1, 1).unwrap();
    detector.set_view(View { ignore: Some(Arc::new(all)), ..view(tiles(3, 1, 0.0)) }).unwrap();
    let limits = detector.bank_limits();
    let error = detector.detect(&inside.frame(), &limits).unwrap_err().to_string();
    assert!(error.starts_with("ignore mask: expected at least 4 of"), "{error}");
}

#[test]
fn every_way_to_the_input_works_with_tiles() {
    for (crop, cut) in [
        (Crop::Letterbox, tiles(3, 1, 0.25)),
        (Crop::Aspect, tiles(1, 2, 0.1)),
        (Crop::Auto, tiles(4, 1, 0.0)),
    ] {
        let seen = View { crop, ..view(cut) };
        let bank = learn(seen, (0..3).map(|i| Picture::good(i, 480, 320)));
        let tile = match cut {
            Tiles::Grid(TileGrid { columns: 1, .. }) => 480.0 / 169.0,
            Tiles::Grid(TileGrid { columns: 4, .. }) => 120.0 / 320.0,
            _ => 1.0,
        };
        assert!((bank.aspect() / tile - 1.0).abs() < 0.01, "{crop:?}: {}", bank.aspect());
        let mut detector = detector(bank);
        let picture = Picture::good(9, 480, 320).with((330.0, 200.0), 12.0);
        let found = detect(&mut detector, &picture);
        check_peak(&found, &picture, (330.0, 200.0), 12.0);
        assert_eq!((found.map_rect, found.seen), (Rect::WHOLE, Rect::WHOLE), "{crop:?}");
        assert_eq!(found.map.len(), found.map_size.cells());
        assert!(found.score > detect(&mut detector, &Picture::good(9, 480, 320)).score);
        // The network's input has no bars in the map: a letterbox of high tiles is as narrow as they are.
        if crop == Crop::Letterbox {
            let aspect = found.map_size.columns as f64 / found.map_size.rows as f64;
            assert!((aspect - 1.5).abs() < 0.02, "{aspect}");
        }
    }
    let paper = View { crop: Crop::Paper, ..view(tiles(2, 2, 0.1)) };
    let settings = BankSettings { view: paper, ..BankSettings::default() };
    let error = BankBuilder::new(encoder(), settings).err().unwrap().to_string();
    assert!(error.starts_with("crop: expected paper only without tiles, found paper with 2x2"), "{error}");
}

#[test]
fn a_turned_frame_has_the_tiles_of_its_upright_picture() {
    let bank = learn(view(tiles(3, 1, 0.25)), (0..3).map(|i| Picture::good(i, 450, 200)));
    let mut detector = detector(bank);
    let picture = Picture::good(9, 450, 200).with((300.0, 60.0), 12.0);
    let upright = detect(&mut detector, &picture);
    for orientation in Orientation::all() {
        let (width, height) = orientation.size(450, 200);
        let mut stored = vec![0; picture.0.len()];
        for (at, pixel) in picture.0.chunks_exact(3).enumerate() {
            let [(x, _), (y, _)] = orientation.stored((at % 450, 1, 450), (at / 450, 1, 200));
            stored[3 * (y * width + x)..][..3].copy_from_slice(pixel);
        }
        let frame = Frame::rgb(&stored, width, height).unwrap().with_orientation(orientation);
        let limits = detector.bank_limits();
        let found = detector.detect(&frame, &limits).unwrap().clone();
        assert!((found.score - upright.score).abs() < 1e-4, "{orientation:?}");
        assert_eq!(found.map_size, orientation.grid(upright.map_size));
        let place = Rect { x: 300.0 / 450.0, y: 0.3, w: 0.0, h: 0.0 }.stored(orientation);
        let turned = Picture(stored, width, height);
        check_peak(&found, &turned, (place.x * width as f64, place.y * height as f64), 10.0);
    }
}

#[test]
fn a_decoder_scores_tile_by_tile() {
    let shape = Shape { width: encoder().geometry().width(), channels: 32, branches: 1 };
    let decoder = Arc::new(Decoder::from(SnarmDecoder::seeded(&shape).unwrap()));
    let settings = BankSettings { capacity: 2000, view: view(tiles(2, 1, 0.25)), ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder(), settings).unwrap();
    builder.calibrate_with(Arc::clone(&decoder)).unwrap();
    (0..3).for_each(|i| _ = builder.add(&Picture::good(i, 560, 320).frame()).unwrap());
    let bank = Arc::new(builder.finish(&mut |_, _, _| {}).unwrap());
    assert_eq!(bank.calibrations().count(), 2);
    let mut tiled = Detector::with_decoder(encoder(), bank.clone(), Some(Arc::clone(&decoder))).unwrap();
    let picture = Picture::good(9, 560, 320);
    let whole = detect(&mut tiled, &picture);
    assert_eq!(whole.map_size, Grid { rows: 320, columns: 560 });
    let found: f64 = whole.map.iter().map(|score| f64::from(*score)).sum();
    assert!(found > 0.0);
    // The left tile alone, as a region of interest, has the same map, but where the other one has a share.
    let left = View { roi: Some(Rect { x: 0.0, y: 0.0, w: 320.0 / 560.0, h: 1.0 }), ..View::default() };
    let mut one = Detector::with_decoder(encoder(), bank, Some(decoder)).unwrap();
    one.set_view(left).unwrap();
    let left = detect(&mut one, &picture);
    for y in 0..320 {
        for x in 0..220 {
            let (a, b) = (left.map[y * 320 + x], whole.map[y * 560 + x]);
            assert!((a - b).abs() < 1e-4, "{a} {b} at {x} {y}");
        }
    }
}
