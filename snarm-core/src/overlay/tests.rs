use snarm_kernels::frame::{
    ChromaSite, ColorMatrix, ColorRange, Colorimetry, Orientation, PixelFormat, PlaneMut,
};

use super::*;

const STUDIO: Colorimetry =
    Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Limited, site: ChromaSite::LEFT };

fn scene<'a>(map: Option<MapView<'a>>, verdict: &'a str, regions: &'a [RegionBox]) -> Scene<'a> {
    Scene {
        map,
        rect: Rect::WHOLE,
        regions,
        score: 0.87,
        threshold: 0.5,
        pixel_threshold: 0.5,
        area: 0.0125,
        verdict,
        ..Scene::default()
    }
}

fn everything() -> Style {
    Style { boxes: true, bar: true, border: true, roi: true, ..Style::default() }
}

/// A map with round spots: centre and radius in samples, and peak.
fn spots(side: usize, list: &[(f64, f64, f64, f64)]) -> Vec<u8> {
    let value = |x: usize, y: usize| {
        let at = |&(cx, cy, radius, peak): &(f64, f64, f64, f64)| {
            let distance = (x as f64 - cx).hypot(y as f64 - cy) / radius;
            peak * (-distance * distance).exp()
        };
        (list.iter().map(at).fold(0.05, f64::max) * 255.0).round() as u8
    };
    (0..side * side).map(|i| value(i % side, i / side)).collect()
}

fn inside(tile: &Tile, x: isize, y: isize) -> bool {
    let (dx, dy) = (x - tile.x, y - tile.y);
    dx >= 0 && dy >= 0 && dx < tile.width as isize && dy < tile.height as isize
}

#[test]
fn a_good_frame_gets_its_label_and_nothing_else() {
    let data = spots(64, &[(20.0, 20.0, 6.0, 0.45)]);
    let map = MapView::gray8(&data, 64, 64, 64).unwrap();
    let mut overlay = Overlay::new();
    let tiles = overlay.paint(640, 360, &scene(Some(map), "normal", &[]), &Style::default());
    assert_eq!(tiles.len(), 1);
    assert_eq!((tiles[0].x, tiles[0].y), (8, 8));
    assert!(tiles[0].width < 300 && tiles[0].height < 60);
}

#[test]
fn spots_far_apart_get_a_tile_each_and_every_hot_pixel_lies_in_one() {
    let data = spots(98, &[(20.0, 20.0, 5.0, 0.9), (80.0, 75.0, 5.0, 0.8), (22.0, 28.0, 4.0, 0.7)]);
    let map = MapView::gray8(&data, 98, 98, 98).unwrap();
    let style = Style { score: false, ..Style::default() };
    let mut overlay = Overlay::new();
    let tiles = overlay.paint(980, 980, &scene(Some(map), "anomalous", &[]), &style);
    assert_eq!(tiles.len(), 2);
    for (i, _) in data.iter().enumerate().filter(|&(_, &v)| v >= 128) {
        let (x, y) = ((i % 98 * 10 + 5) as isize, (i / 98 * 10 + 5) as isize);
        assert_eq!(tiles.iter().filter(|tile| inside(tile, x, y)).count(), 1, "pixel {x}, {y}");
    }
    let drawn: usize = tiles.iter().map(|tile| tile.width * tile.height).sum();
    assert!(drawn < 980 * 980 / 5, "{drawn} pixels for two small spots");
}

#[test]
fn nothing_outside_the_tiles_changes() {
    let data = spots(49, &[(10.0, 12.0, 3.0, 0.9)]);
    let map = MapView::gray8(&data, 49, 49, 49).unwrap();
    let regions = [RegionBox { x: 0.15, y: 0.18, w: 0.1, h: 0.13, score: 0.9 }];
    let scene = scene(Some(map), "anomalous", &regions);
    let mut before = vec![0; 320 * 240 * 3];
    before.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 31 % 251) as u8);
    let mut after = before.clone();
    let mut overlay = Overlay::new();
    overlay.draw(&mut FrameMut::rgb(&mut after, 320, 240).unwrap(), &scene, &everything()).unwrap();
    assert_ne!(before, after);
    let tiles = overlay.paint(320, 240, &scene, &everything());
    for (i, (b, a)) in before.chunks(3).zip(after.chunks(3)).enumerate() {
        let (x, y) = ((i % 320) as isize, (i / 320) as isize);
        assert!(a == b || tiles.iter().any(|tile| inside(tile, x, y)), "pixel {x}, {y} changed");
    }
}

#[test]
fn every_format_is_drawn_at_any_size() {
    let data: Vec<u8> = spots(49, &[(10.0, 12.0, 9.0, 0.9)]).iter().flat_map(|&v| [v, v]).collect();
    let map = MapView::gray16(&data, 49, 49, 98).unwrap();
    let regions = [RegionBox { x: 0.1, y: 0.1, w: 0.3, h: 0.3, score: 0.9 }; 2];
    let mut overlay = Overlay::new();
    for (width, height) in [(1, 1), (17, 33), (1920, 1080)] {
        for format in PixelFormat::ALL {
            let planes = (0..format.n_planes()).map(|i| format.plane_size(i, width, height).unwrap());
            let mut planes: Vec<_> = planes.map(|(row, rows)| (vec![90; row * rows], row)).collect();
            let before = planes.clone();
            let mut given = planes.iter_mut().map(|(data, stride)| PlaneMut { data, stride: *stride });
            let mut next = || given.next().unwrap();
            let mut frame = match format.n_planes() {
                1 => FrameMut::new(format, width, height, [next()], STUDIO),
                2 => FrameMut::new(format, width, height, [next(), next()], STUDIO),
                _ => FrameMut::new(format, width, height, [next(), next(), next()], STUDIO),
            }
            .unwrap();
            overlay.draw(&mut frame, &scene(Some(map), "anomalous", &regions), &everything()).unwrap();
            assert_ne!(planes, before, "{format:?} {width}x{height}");
        }
    }
}

#[test]
fn the_map_lies_on_its_rectangle() {
    let data = vec![255; 28 * 28];
    let map = MapView::gray8(&data, 28, 28, 28).unwrap();
    let style = Style { score: false, contours: false, ..Style::default() };
    let mut overlay = Overlay::new();
    for (rect, expected) in [
        (Rect { x: 1.0 / 16.0, y: 1.0 / 16.0, w: 7.0 / 8.0, h: 7.0 / 8.0 }, [40, 20, 560, 280]),
        (Rect { x: 0.0, y: -0.5, w: 1.0, h: 2.0 }, [0, 0, 640, 320]),
        (Rect { x: 0.75, y: 0.5, w: 0.5, h: 0.25 }, [480, 160, 160, 80]),
    ] {
        let tiles = overlay.paint(640, 320, &Scene { rect, ..scene(Some(map), "anomalous", &[]) }, &style);
        assert_eq!(tiles.len(), 1);
        let tile = &tiles[0];
        assert_eq!([tile.x, tile.y, tile.width as isize, tile.height as isize], expected);
        let alphas = tile.pixels.chunks(4).map(|pixel| pixel[3]);
        assert!(alphas.min() == Some(128) && tile.pixels.chunks(4).all(|pixel| pixel[3] == 128));
    }
}

#[test]
fn a_spot_is_drawn_where_it_lies_and_outlined_at_the_threshold() {
    let data = spots(100, &[(50.0, 50.0, 10.0, 1.0)]);
    let map = MapView::gray8(&data, 100, 100, 100).unwrap();
    let style = Style { score: false, heatmap: false, contour_color: 0xff00_ff00, ..Style::default() };
    let mut overlay = Overlay::new();
    let tiles = overlay.paint(1000, 1000, &scene(Some(map), "anomalous", &[]), &style);
    assert_eq!(tiles.len(), 1);
    let tile = &tiles[0];
    // exp(-d^2) is one half at 0.83 radii; the spot's middle is the centre of sample 50, which is pixel 505.
    let mut on_line = 0;
    for (i, pixel) in tile.pixels.chunks(4).enumerate() {
        let (x, y) = (tile.x + (i % tile.width) as isize, tile.y + (i / tile.width) as isize);
        let distance = (x as f64 - 504.5).hypot(y as f64 - 504.5) - 83.26;
        if distance.abs() > 5.0 {
            assert_eq!(pixel[3], 0, "ink {distance} pixels from the line");
        }
        on_line += usize::from(pixel[3] == 255 && pixel[1] > 250);
    }
    let length = 2.0 * std::f64::consts::PI * 83.26;
    assert!(on_line as f64 > 0.6 * length && (on_line as f64) < 4.0 * length, "{on_line} pixels");
}

#[test]
fn a_label_that_cannot_be_filled_in_is_shown_as_it_is() {
    let mut overlay = Overlay::new();
    let mut width = |format: &str| {
        let style = Style { label_format: format.into(), ..Style::default() };
        overlay.paint(640, 480, &scene(None, "normal", &[]), &style)[0].width
    };
    assert!(width("{other}") > width("{score:.2}"));
}

#[test]
fn the_edge_of_a_part_is_drawn_where_it_lies_inside_the_frame() {
    let style = Style { score: false, ..Style::default() };
    let mut overlay = Overlay::new();
    let seen = Rect { x: 0.0, y: 0.25, w: 0.5, h: 0.5 };
    let part = Scene { seen, ..scene(None, "normal", &[]) };
    let tiles = overlay.paint(400, 400, &part, &style).to_vec();
    let drawn = |x, y| tiles.iter().any(|tile| inside(tile, x, y));
    assert!(drawn(100, 99) && drawn(100, 300) && drawn(200, 200), "three sides lie inside the frame");
    assert!(!drawn(0, 200) && !drawn(100, 200) && !drawn(300, 50), "nothing else is drawn");
    let whole = scene(None, "normal", &[]);
    assert!(overlay.paint(400, 400, &whole, &style).is_empty());
}

#[test]
fn an_automatic_range_shows_the_heat_of_a_good_frame() {
    let data = spots(64, &[(20.0, 20.0, 6.0, 0.3)]);
    let good = scene(Some(MapView::gray8(&data, 64, 64, 64).unwrap()), "normal", &[]);
    let mut overlay = Overlay::new();
    let fixed = Style { score: false, ..Style::default() };
    assert!(overlay.paint(640, 640, &good, &fixed).is_empty());
    let auto = Style { heatmap_auto: true, contours: false, ..fixed };
    let tiles = overlay.paint(640, 640, &good, &auto);
    let tile = tiles.iter().find(|tile| inside(tile, 205, 205)).unwrap();
    let at = 4 * ((205 - tile.y) as usize * tile.width + (205 - tile.x) as usize);
    let [r, g, b, a] = *tile.pixels[at..].first_chunk().unwrap();
    assert!(
        r > 100 && g < 60 && b < 60 && a == 128,
        "the hottest place has the last colour, not {r} {g} {b} {a}"
    );
}

#[test]
fn colours_follow_the_verdict_unless_chosen() {
    let style = Style::default();
    let accents = ["normal", "uncertain", "anomalous"].map(|verdict| Look::new(&style, 1080, verdict).accent);
    assert!(
        accents[0][1] > accents[0][0] && accents[1][0] > 200 && accents[1][1] > 150 && accents[2][1] < 100
    );
    let chosen = Style { box_color: 0x8001_0203, ..style };
    assert_eq!(Look::new(&chosen, 1080, "normal").accent, [1, 2, 3, 128]);
}

#[test]
fn buffers_are_kept_between_frames() {
    let data = spots(49, &[(10.0, 12.0, 5.0, 0.9)]);
    let scene = scene(Some(MapView::gray8(&data, 49, 49, 49).unwrap()), "anomalous", &[]);
    let mut overlay = Overlay::new();
    let first: Vec<_> = overlay.paint(640, 480, &scene, &everything()).to_vec();
    let places: Vec<_> = overlay.tiles.used().iter().map(|tile| tile.pixels.as_ptr()).collect();
    assert_eq!(overlay.paint(640, 480, &scene, &everything()), first);
    let after: Vec<_> = overlay.tiles.used().iter().map(|tile| tile.pixels.as_ptr()).collect();
    assert_eq!(places, after);
}

#[test]
fn short_maps_are_errors() {
    assert!(MapView::gray8(&[0; 15], 4, 4, 4).is_err());
    assert!(MapView::gray16(&[0; 31], 4, 4, 8).is_err());
    assert!(MapView::gray8(&[0; 16], 4, 4, 3).is_err());
    assert!(MapView::gray8(&[], 0, 4, 4).is_err());
}

#[test]
fn tags_of_boxes_can_be_read_wherever_the_box_is() {
    let style = Style { boxes: true, heatmap: false, contours: false, ..Style::default() };
    for position in [Position::TopLeft, Position::TopRight, Position::BottomLeft, Position::BottomRight] {
        let style = Style { position, ..style.clone() };
        for (x, y, w, h) in [
            (0.0, 0.0, 1.0, 1.0),
            (0.3, 0.4, 0.2, 0.2),
            (0.0, 0.0, 0.2, 0.05),
            (0.02, 0.12, 0.2, 0.2),
            (0.9, 0.0, 0.1, 1.0),
            (0.98, 0.95, 0.02, 0.05),
            (0.0, 0.8, 0.3, 0.1),
        ] {
            let regions = [RegionBox { x, y, w, h, score: 0.9 }];
            let mut overlay = Overlay::new();
            let tiles = overlay.paint(640, 360, &scene(None, "anomalous", &regions), &style);
            let [.., tag, plate] = tiles else { panic!("{} tiles", tiles.len()) };
            let edges =
                |tile: &Tile| (tile.x, tile.y, tile.x + tile.width as isize, tile.y + tile.height as isize);
            let (t, p) = (edges(tag), edges(plate));
            assert!(t.0 >= 0 && t.1 >= 0 && t.2 <= 640 && t.3 <= 360, "{x} {y}: {t:?}");
            assert!(t.2 <= p.0 || p.2 <= t.0 || t.3 <= p.1 || p.3 <= t.1, "{x} {y}: {t:?} under {p:?}");
        }
    }
}

#[test]
fn tiles_of_a_turned_frame_are_upright_where_it_is_shown_upright() {
    let data = spots(49, &[(10.0, 12.0, 5.0, 0.9)]);
    let scene = scene(Some(MapView::gray8(&data, 49, 49, 49).unwrap()), "anomalous", &[]);
    let (width, height) = (200, 120);
    let picture = |tiles: &[Tile], width: usize, height: usize| {
        let mut pixels = vec![[0_u8; 4]; width * height];
        for tile in tiles {
            for (i, pixel) in tile.pixels.as_chunks::<4>().0.iter().enumerate() {
                let (x, y) = (tile.x + (i % tile.width) as isize, tile.y + (i / tile.width) as isize);
                if (0..width as isize).contains(&x) && (0..height as isize).contains(&y) {
                    pixels[y as usize * width + x as usize] = *pixel;
                }
            }
        }
        pixels
    };
    let mut overlay = Overlay::new();
    let upright = picture(overlay.paint(width, height, &scene, &everything()), width, height);
    for orientation in Orientation::all() {
        let (w, h) = orientation.size(width, height);
        let stored = picture(overlay.paint_stored(w, h, orientation, &scene, &everything()), w, h);
        for y in 0..height {
            for x in 0..width {
                let [(sx, _), (sy, _)] = orientation.stored((x, 1, width), (y, 1, height));
                assert_eq!(stored[sy * w + sx], upright[y * width + x], "{orientation:?} at {x}, {y}");
            }
        }
    }
}

#[test]
fn a_name_of_any_length_needs_no_more_than_the_frame() {
    let name = "n".repeat(10_000_000);
    let labels = [name.clone()];
    let regions = [RegionBox { x: f64::MIN, y: f64::NAN, w: f64::MAX, h: f64::INFINITY, score: f64::MAX }];
    let scene = Scene { source: &name, labels: &labels, ..scene(None, "normal", &regions) };
    let style = Style { label_format: "{source} {score}".into(), ..everything() };
    let mut overlay = Overlay::new();
    let pixels: usize = overlay.paint(64, 48, &scene, &style).iter().map(|tile| tile.pixels.len()).sum();
    assert!(pixels < 1 << 20, "{pixels} bytes for a frame of 64 x 48");
}
