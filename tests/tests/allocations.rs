//! Nothing is allocated from the second frame on, neither by detecting nor by drawing, on any thread.
//!
//! The allocator of this program counts. `SNARM_TRACE_ALLOCATIONS=1` prints where each counted allocation comes from.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "helpers of tests fail and speak as tests do"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use snarm_core::bank::{Bank, BankBuilder, BankSettings};
use snarm_core::detect::{Detection, Detector, Limits};
use snarm_core::encoder::{Encoder, PositionInterpolation, SEEDED_TINY, TINY};
use snarm_core::frame::{ChromaSite, ColorMatrix, ColorRange, Colorimetry};
use snarm_core::frame::{Frame, FrameMut, PixelFormat, Plane, PlaneMut};
use snarm_core::models::scan_order::Curve;
use snarm_core::models::snarm::decoder::{Shape, SnarmDecoder};
use snarm_core::models::{Decoder, mambaad, pyramid_mamba};
use snarm_core::overlay::{MapView, Overlay, RegionBox, Scene, Style};
use snarm_core::threads::install;
use snarm_core::view::{Crop, IgnoreMask, TileGrid, Tiles, View};
use snarm_tests::checkpoint;

/// Counts allocations of all threads while it is told to.
struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static TRACE: AtomicBool = AtomicBool::new(false);
static TRACING: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn note(layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            // Taking a backtrace allocates, which does not count.
            if TRACE.load(Ordering::Relaxed) {
                if TRACING.swap(true, Ordering::Relaxed) {
                    return;
                }
                eprintln!("{layout:?}\n{}", Backtrace::force_capture());
                TRACING.store(false, Ordering::Relaxed);
            }
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes to the system's allocator unchanged; what is added touches no memory that it hands out.
#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::note(layout);
        // SAFETY: the caller keeps the promises that `System` asks for, which are those of this trait.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::note(layout);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::note(layout);
        // SAFETY: as in `alloc`; `old` came from `System`, since all allocations do.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as in `realloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of all threads while `body` runs.
fn count(body: impl FnOnce()) -> usize {
    COUNT.store(0, Ordering::SeqCst);
    ON.store(true, Ordering::SeqCst);
    body();
    ON.store(false, Ordering::SeqCst);
    COUNT.load(Ordering::SeqCst)
}

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// A trained network that is faster than the default, for the ways to bring a frame to it.
const QUICK: &str = "snarm-tiny-1@24";

/// Frames counted, after each content has been seen twice.
const FRAMES: usize = 12;

/// Calls into the pool that a detector makes for a frame.
const CALLS: usize = 2;

/// Calls from outside of the pool for which its injector, a linked list of blocks, takes a block of 1520 bytes; it frees
/// those that were read. This is crossbeam's (`crossbeam_deque::Injector`), under rayon, and cannot be turned off.
const BLOCK: usize = 63;

/// A 1080p picture in one of the formats: a shaded ramp, strewn with squares if it is anomalous.
#[derive(Clone)]
struct Picture {
    format: PixelFormat,
    data: Vec<u8>,
}

impl Picture {
    fn new(format: PixelFormat, anomalous: bool) -> Self {
        let size = |plane| format.plane_size(plane, WIDTH, HEIGHT).unwrap();
        let mut data = Vec::new();
        for (row, rows) in (0..format.n_planes()).map(size) {
            for y in 0..rows {
                data.extend((0..row).map(|x| {
                    let cell = (x * 56 / row) * 7919 + (y * 56 / rows) * 104_729;
                    let dice = (cell ^ (cell >> 5)).wrapping_mul(0x9E37_79B9) >> 16;
                    let square = anomalous && dice.is_multiple_of(7);
                    if square { dice as u8 } else { (40 + x * 90 / row + y * 50 / rows) as u8 }
                }));
            }
        }
        Self { format, data }
    }

    fn colorimetry(&self) -> Colorimetry {
        Colorimetry { matrix: ColorMatrix::BT709, range: ColorRange::Limited, site: ChromaSite::LEFT }
    }

    fn frame(&self) -> Frame<'_> {
        let mut planes = [Plane { data: &[], stride: 0 }; 3];
        let mut rest = &self.data[..];
        for (i, plane) in planes.iter_mut().enumerate().take(self.format.n_planes()) {
            let (stride, rows) = self.format.plane_size(i, WIDTH, HEIGHT).unwrap();
            let (data, after) = rest.split_at(stride * rows);
            (*plane, rest) = (Plane { data, stride }, after);
        }
        let planes = &planes[..self.format.n_planes()];
        Frame::new(self.format, WIDTH, HEIGHT, planes, self.colorimetry()).unwrap()
    }

    fn frame_mut(&mut self) -> FrameMut<'_> {
        let (format, colorimetry) = (self.format, self.colorimetry());
        let (luma, chroma) = self.data.split_at_mut(format.plane_size(0, WIDTH, HEIGHT).unwrap().0 * HEIGHT);
        let stride = |plane| format.plane_size(plane, WIDTH, HEIGHT).map_or(0, |(row, _)| row);
        let first = PlaneMut { data: luma, stride: stride(0) };
        let frame = match format.n_planes() {
            1 => FrameMut::new(format, WIDTH, HEIGHT, [first], colorimetry),
            2 => {
                let second = PlaneMut { data: chroma, stride: stride(1) };
                FrameMut::new(format, WIDTH, HEIGHT, [first, second], colorimetry)
            }
            _ => {
                let half = chroma.len() / 2;
                let (cb, cr) = chroma.split_at_mut(half);
                let chroma = |data| PlaneMut { data, stride: stride(1) };
                FrameMut::new(format, WIDTH, HEIGHT, [first, chroma(cb), chroma(cr)], colorimetry)
            }
        };
        frame.unwrap()
    }
}

fn bank_of(encoder: &Arc<Encoder>, good: &Picture, view: View) -> Arc<Bank> {
    let settings = BankSettings { capacity: 500, view, ..BankSettings::default() };
    let mut builder = BankBuilder::new(encoder.clone(), settings).unwrap();
    for _ in 0..3 {
        builder.add(&good.frame()).unwrap();
    }
    Arc::new(builder.finish(&mut |_, _, _| {}).unwrap())
}

/// Limits at which a frame falls into as many regions as possible.
fn many_regions(detector: &mut Detector, frame: &Frame<'_>) -> (Limits, usize) {
    let limits = Limits { max_regions: usize::MAX, ..detector.bank_limits() };
    let mut map = detector.detect(frame, &limits).unwrap().map.clone();
    map.sort_unstable_by(f32::total_cmp);
    let at = |part: usize| Limits { pixel_threshold: f64::from(map[map.len() * part / 100]), ..limits };
    let mut regions = |limits: &Limits| detector.detect(frame, limits).unwrap().regions.len();
    let best = (50..100).step_by(4).map(at).max_by_key(&mut regions).unwrap();
    (best, regions(&best))
}

/// Detects on good and anomalous frames in turn.
fn check_detecting(encoder: &Arc<Encoder>, decoder: Option<&Arc<Decoder>>, format: PixelFormat, view: &View) {
    let pictures = [Picture::new(format, false), Picture::new(format, true)];
    let frames = pictures.each_ref().map(Picture::frame);
    let bank = bank_of(encoder, &pictures[0], view.clone());
    let mut detector = Detector::with_decoder(encoder.clone(), bank, decoder.cloned()).unwrap();
    let (many, regions) = many_regions(&mut detector, &frames[1]);
    // The formula's network shows more regions than a stable sort would handle without a buffer.
    let seeded = encoder.name() == SEEDED_TINY;
    let least = if seeded && decoder.is_none() && *view == View::squeezed() { 52 } else { 1 };
    assert!(regions >= least, "{regions} regions in {format:?}, {view}");
    // A decoder with weights from a formula knows no good from bad: the middle of its two scores is the limit.
    let limits = detector.bank_limits();
    let scores = frames.each_ref().map(|frame| detector.detect(frame, &limits).unwrap().score);
    let threshold = if decoder.is_some() { (scores[0] + scores[1]) / 2.0 } else { limits.threshold };
    let (few, many) = (Limits { threshold, ..limits }, Limits { threshold, ..many });
    let mut run = |frames_to_run: usize| {
        let mut anomalous = 0;
        for i in 0..frames_to_run {
            let limits = if i % 4 < 2 { &few } else { &many };
            anomalous += usize::from(detector.detect(&frames[i % 2], limits).unwrap().verdict.is_anomalous());
        }
        anomalous
    };
    // Inside the pool, since calls from outside go through the pool's injector.
    let (mut inside, mut found) = (0, 0);
    install(|| {
        run(8);
        inside = count(|| found = run(FRAMES));
    })
    .unwrap();
    assert_eq!(inside, 0, "allocations in {FRAMES} frames of {format:?}, {view}");
    assert!(found > 0 && found < FRAMES, "{found} of {FRAMES} frames are anomalous");

    let outside = count(|| found = run(FRAMES));
    assert!(
        outside <= (CALLS * FRAMES).div_ceil(BLOCK),
        "{outside} allocations in {FRAMES} frames of {format:?}, called from outside the pool"
    );
}

/// What is drawn of a detection: its map as bytes, its regions as boxes.
struct Drawn {
    detection: Detection,
    map: Vec<u8>,
    regions: Vec<RegionBox>,
}

impl Drawn {
    fn of(detection: &Detection) -> Self {
        let map = detection.map.iter().flat_map(|score| ((score * 65535.0) as u16).to_le_bytes()).collect();
        let boxes = detection.regions.iter().map(|region| {
            let rect = region.rect;
            RegionBox { x: rect.x, y: rect.y, w: rect.w, h: rect.h, score: region.score }
        });
        Self { detection: detection.clone(), map, regions: boxes.collect() }
    }

    fn scene(&self, limits: &Limits) -> Scene<'_> {
        let Detection { map_size, map_rect, score, verdict, area, .. } = self.detection;
        Scene {
            map: Some(
                MapView::gray16(&self.map, map_size.columns, map_size.rows, 2 * map_size.columns).unwrap(),
            ),
            rect: map_rect,
            regions: &self.regions,
            score,
            threshold: limits.threshold,
            pixel_threshold: limits.pixel_threshold,
            area,
            verdict: verdict.name(),
            ..Scene::default()
        }
    }
}

/// Detects by decoders that reconstruct what a ResNet sees, which lies in their file.
fn check_reconstructing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (kind, directions, curve) in
        [(&mambaad::KIND, 8, Curve::Hilbert), (&pyramid_mamba::KIND, 4, Curve::Sweep)]
    {
        checkpoint::write(file.path(), kind, &checkpoint::narrow(directions, curve), [1, 1, 1]);
        let name = file.path().to_str().unwrap();
        let encoder = Arc::new(Encoder::load(name, PositionInterpolation::Legacy).unwrap());
        let decoder = Arc::new(Decoder::open(file.path()).unwrap());
        assert_eq!(decoder.family(), kind.family);
        check_detecting(&encoder, Some(&decoder), PixelFormat::Nv12, &View::squeezed());
    }
}

/// Draws scenes of good and anomalous frames in turn, with everything on that can be drawn.
fn check_drawing(scenes: [&Scene; 2], format: PixelFormat) {
    let mut picture = Picture::new(format, false);
    let mut overlay = Overlay::new();
    let style = Style { boxes: true, bar: true, border: true, roi: true, ..Style::default() };
    let mut run = |frames: usize| {
        for i in 0..frames {
            overlay.draw(&mut picture.frame_mut(), scenes[i % 2], &style).unwrap();
        }
    };
    run(4);
    assert_eq!(count(|| run(FRAMES)), 0, "allocations in {FRAMES} drawings on {format:?}");
}

/// The program of one test, and no harness: its thread would be counted too, which allocates three times to say that a
/// test has been running for over 60 seconds.
fn main() {
    const NAME: &str = "nothing_is_allocated_from_the_second_frame_on";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let is_meant = filters.peek().is_none() || filters.any(|filter| NAME.contains(filter.as_str()));
    if has("--list") {
        println!("{NAME}: test");
    } else if is_meant && !has("--ignored") {
        nothing_is_allocated_from_the_second_frame_on();
        println!("test {NAME} ... ok\n\ntest result: ok. 1 passed");
    }
}

fn nothing_is_allocated_from_the_second_frame_on() {
    let counted = count(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(counted, 1, "the allocator counts");
    TRACE.store(std::env::var_os("SNARM_TRACE_ALLOCATIONS").is_some(), Ordering::SeqCst);

    let load = |name| Arc::new(Encoder::load(name, PositionInterpolation::Legacy).unwrap());
    let (transformer, encoder) = (load(SEEDED_TINY), load(QUICK));
    check_detecting(&transformer, None, PixelFormat::Nv12, &View::squeezed());
    for (format, crop) in [
        (PixelFormat::Nv12, Crop::Full),
        (PixelFormat::Rgb, Crop::Full),
        (PixelFormat::Nv12, Crop::Letterbox),
        (PixelFormat::Rgb, Crop::Paper),
    ] {
        check_detecting(&encoder, None, format, &View { crop, ..View::default() });
    }
    // Two of the nine tiles are ignored.
    let mask = IgnoreMask::new((0..9).map(|i| i == 0 || i == 8).collect(), 3, 3).unwrap();
    let tiles = Tiles::Grid(TileGrid { columns: 3, rows: 3, overlap: 0.0 });
    let tiled = View { ignore: Some(Arc::new(mask)), tiles, ..View::squeezed() };
    check_detecting(&encoder, None, PixelFormat::Nv12, &tiled);
    let default = load(TINY);
    let shape = Shape { width: default.geometry().width(), channels: 32, branches: 2 };
    check_detecting(
        &default,
        Some(&Arc::new(Decoder::from(SnarmDecoder::seeded(&shape).unwrap()))),
        PixelFormat::Nv12,
        &View::squeezed(),
    );

    check_reconstructing();

    let pictures = [false, true].map(|anomalous| Picture::new(PixelFormat::Nv12, anomalous));
    let mut detector =
        Detector::new(encoder.clone(), bank_of(&encoder, &pictures[0], View::squeezed())).unwrap();
    let (limits, _) = many_regions(&mut detector, &pictures[1].frame());
    let drawn =
        pictures.each_ref().map(|picture| Drawn::of(detector.detect(&picture.frame(), &limits).unwrap()));
    let scenes = drawn.each_ref().map(|drawn| drawn.scene(&limits));
    for format in
        [PixelFormat::Rgb, PixelFormat::Bgrx, PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Gray8]
    {
        check_drawing(scenes.each_ref(), format);
    }
}
