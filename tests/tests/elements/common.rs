//! What the tests of the elements share: the plugin, good and bad frames, a small bank, and buses to listen on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};

use gst::prelude::*;
use gst_check::Harness;
use gstsnarm::meta::AnomalyMeta;
use snarm_core::Grid;
use snarm_core::bank::{Bank, Calibration};
use snarm_core::detect::PrecisionChoice;
use snarm_core::frame::PixelFormat;
use snarm_core::registry::{self, How};

/// Size of the synthetic frames.
pub(crate) const WIDTH: usize = 64;
/// See [`WIDTH`].
pub(crate) const HEIGHT: usize = 48;

/// Frames that the shared bank is learned from.
pub(crate) const GOOD_FRAMES: u64 = 10;

/// GL without a screen or a GPU.
const SOFTWARE_GL: [(&str, &str); 3] =
    [("GST_GL_PLATFORM", "egl"), ("GST_GL_WINDOW", "egl-device"), ("LIBGL_ALWAYS_SOFTWARE", "1")];

/// How an element wants its network, where nothing else is asked for.
pub(crate) fn how(instance: Option<&str>) -> How<'_> {
    How { instance, precision: PrecisionChoice::Auto.choose().unwrap() }
}

/// Starts GStreamer with a registry of its own and registers the plugin.
pub(crate) fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        #[expect(unsafe_code, reason = "GStreamer takes these settings from the environment only")]
        // SAFETY: every test begins here, so no thread of ours reads the environment while the first one is in.
        unsafe {
            std::env::set_var("GST_REGISTRY", scratch("registry.bin"));
            for (name, value) in SOFTWARE_GL.iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
                std::env::set_var(name, value);
            }
        }
        gst::init().unwrap();
        gstsnarm::plugin_register_static().unwrap();
    });
}

/// A path for files of this test binary, below cargo's folder for that.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("elements");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Caps of the synthetic frames.
pub(crate) fn caps() -> gst::Caps {
    caps_of("RGB", WIDTH, HEIGHT, 25)
}

/// Caps of any frames.
pub(crate) fn caps_of(format: &str, width: usize, height: usize, fps: i32) -> gst::Caps {
    init();
    gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width as i32)
        .field("height", height as i32)
        .field("framerate", gst::Fraction::new(fps, 1))
        .build()
}

/// GStreamer's names of the core's formats.
pub(crate) fn format_names() -> impl Iterator<Item = (PixelFormat, String)> {
    PixelFormat::ALL.into_iter().map(|format| {
        let name = match format {
            PixelFormat::Rgbx => "RGBx".into(),
            PixelFormat::Bgrx => "BGRx".into(),
            PixelFormat::Xrgb => "xRGB".into(),
            PixelFormat::Xbgr => "xBGR".into(),
            PixelFormat::P01010Le => "P010_10LE".into(),
            PixelFormat::I42010Le => "I420_10LE".into(),
            PixelFormat::I42210Le => "I422_10LE".into(),
            PixelFormat::Y44410Le => "Y444_10LE".into(),
            PixelFormat::Gray16Le => "GRAY16_LE".into(),
            PixelFormat::Gray16Be => "GRAY16_BE".into(),
            PixelFormat::Gray10Le32 => "GRAY10_LE32".into(),
            other => format!("{other:?}").to_uppercase(),
        };
        (format, name)
    })
}

/// A repeatable byte for any number.
pub(crate) fn noise(n: u64) -> u8 {
    let mut x = n.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x >> 56) as u8
}

/// Pixels of good frame `n`: stripes over a gradient, with a little noise of its own.
pub(crate) fn good_pixels(n: u64) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let stripe = if (x / 8) % 2 == 0 { 40 } else { 0 };
            let grain = noise((n << 32) + (y * WIDTH + x) as u64) % 4;
            let base = 60 + stripe + y as u8 + grain;
            pixels.extend([base, base + 20, base + 40]);
        }
    }
    pixels
}

/// Pixels of a frame with a dark blotch in its upper left quarter.
pub(crate) fn bad_pixels(n: u64) -> Vec<u8> {
    let mut pixels = good_pixels(n);
    for y in 10..22 {
        for x in 12..28 {
            let at = 3 * (y * WIDTH + x);
            pixels[at..at + 3].copy_from_slice(&[10, 250, 5]);
        }
    }
    pixels
}

/// A buffer for frame `n` of a 25 fps stream.
pub(crate) fn buffer(n: u64, pixels: Vec<u8>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_mut_slice(pixels);
    let time = gst::ClockTime::from_mseconds(40);
    let inside = buffer.get_mut().unwrap();
    inside.set_pts(time * n);
    inside.set_duration(time);
    buffer
}

/// Bytes of a buffer.
pub(crate) fn bytes(buffer: &gst::BufferRef) -> Vec<u8> {
    buffer.map_readable().unwrap().as_slice().to_vec()
}

/// An element on a harness, with a bus to hear it.
pub(crate) struct Line {
    pub(crate) element: gst::Element,
    pub(crate) harness: Harness,
    bus: gst::Bus,
    messages: Vec<gst::Message>,
}

impl Line {
    /// Plays `element` for frames of `caps`.
    pub(crate) fn new(element: gst::Element, caps: gst::Caps) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
        harness.set_src_caps(caps);
        Self { element, harness, bus, messages: Vec::new() }
    }

    /// Pushes frames `0..n` of good pixels.
    pub(crate) fn push_good(&mut self, n: u64) {
        for i in 0..n {
            self.harness.push(buffer(i, good_pixels(i))).unwrap();
        }
    }

    /// Ends the stream, which must not be an error.
    pub(crate) fn finish(&mut self) {
        assert!(self.eos(), "{}", self.error());
    }

    /// Ends the stream; whether EOS went on.
    pub(crate) fn eos(&mut self) -> bool {
        self.harness.push_event(gst::event::Eos::new())
    }

    /// All messages of a type so far.
    pub(crate) fn heard(&mut self, kind: gst::MessageType) -> Vec<gst::Message> {
        self.messages.extend(std::iter::from_fn(|| self.bus.pop()));
        self.messages.iter().filter(|message| message.type_() == kind).cloned().collect()
    }

    /// The element message of that name.
    pub(crate) fn element_message(&mut self, name: &str) -> gst::Structure {
        let messages = self.heard(gst::MessageType::Element);
        let mut structures = messages.iter().filter_map(|message| message.structure());
        structures.find(|structure| structure.name() == name).expect(name).to_owned()
    }

    /// The first error.
    pub(crate) fn error(&mut self) -> gst::glib::Error {
        let errors = self.heard(gst::MessageType::Error);
        let gst::MessageView::Error(error) = errors.first().expect("an error").view() else { unreachable!() };
        error.error()
    }
}

/// The first error on a bus.
pub(crate) fn error_on(bus: &gst::Bus) -> gst::glib::Error {
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error on the bus");
    let gst::MessageView::Error(error) = message.view() else { unreachable!() };
    error.error()
}

/// Learns a bank from good frames.
pub(crate) fn learn(location: &Path, seed: u64) {
    learn_as(location, seed, &[]);
}

/// The same with those properties.
pub(crate) fn learn_as(location: &Path, seed: u64, properties: &[(&str, &str)]) {
    let element = gst::ElementFactory::make("snarmbank")
        .property("location", location.to_str().unwrap())
        .property("seed", seed)
        .property("bank-capacity", 500_u32)
        .build()
        .unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    let mut line = Line::new(element, caps());
    line.push_good(GOOD_FRAMES);
    line.finish();
}

/// Rows and columns of the map.
pub(crate) fn map_size(meta: &AnomalyMeta) -> Grid {
    let map = meta.map.as_ref().unwrap();
    let video = map.meta::<gst_video::VideoMeta>().unwrap();
    Grid { rows: video.height() as usize, columns: video.width() as usize }
}

/// A bank of the good frames, learned once.
pub(crate) fn bank() -> &'static str {
    static BANK: LazyLock<PathBuf> = LazyLock::new(|| {
        init();
        let location = scratch("shared.bank");
        learn(&location, 0);
        location
    });
    BANK.to_str().unwrap()
}

/// A detector with the shared bank and some properties.
pub(crate) fn detector(properties: &[(&str, &str)]) -> gst::Element {
    let element = gst::ElementFactory::make("snarmdetect").property("bank-location", bank()).build().unwrap();
    for (name, value) in properties {
        element.set_property_from_str(name, value);
    }
    element
}

/// Plays a single element as far as PAUSED and returns the error that it ends in.
pub(crate) fn start_error(element: gst::Element) -> gst::glib::Error {
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    assert!(element.set_state(gst::State::Paused).is_err(), "the element started");
    let error = error_on(&bus);
    element.set_state(gst::State::Null).unwrap();
    error
}

/// The meta of a buffer.
pub(crate) fn read(buffer: &gst::BufferRef) -> AnomalyMeta {
    gstsnarm::meta::read(buffer).expect("a SnarmAnomalyMeta")
}

/// A number in the property `stats`.
pub(crate) fn count(element: &gst::Element, name: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(name).unwrap()
}

impl Line {
    /// The texts of all warnings so far.
    pub(crate) fn warnings(&mut self) -> Vec<String> {
        let heard = self.heard(gst::MessageType::Warning);
        let text = |message: &gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
            _ => unreachable!(),
        };
        heard.iter().map(text).collect()
    }

    /// Pushes a frame and reads the meta of the one that comes out.
    pub(crate) fn inspect(&mut self, n: u64, pixels: Vec<u8>) -> AnomalyMeta {
        read(&self.harness.push_and_pull(buffer(n, pixels)).unwrap())
    }

    /// All element messages of that name so far.
    pub(crate) fn element_messages(&mut self, name: &str) -> Vec<gst::Structure> {
        let messages = self.heard(gst::MessageType::Element);
        let structures = messages.iter().filter_map(|message| message.structure());
        structures.filter(|structure| structure.name() == name).map(|s| s.to_owned()).collect()
    }

    /// Pushes frames with the verdicts of a word: `a`nomalous, `n`ormal or `u`ncertain.
    pub(crate) fn push_verdicts(&mut self, first: u64, verdicts: &str) {
        for (n, verdict) in (first..).zip(verdicts.chars()) {
            let (threshold, low) = match verdict {
                'a' => (0.0, -1.0),
                'u' => (1.0, 0.0),
                _ => (1.0, -1.0),
            };
            self.element.set_property("threshold", threshold);
            self.element.set_property("threshold-low", low);
            self.inspect(n, good_pixels(n));
        }
    }
}

/// The calibration of a bank that holds where no decoder is asked for: that of the one that ships.
pub(crate) fn calibration(bank: &Bank) -> Calibration {
    let encoder = registry::encoder(Some(bank.encoder_name())).unwrap();
    let decoder = registry::decoder(None, &encoder).unwrap().expect("a decoder ships");
    bank.calibration_of(decoder.scorer()).expect("banks are calibrated with it").clone()
}
