//! `SnarmAnomalyMeta`: what was found in a frame, travelling with its buffer.
//!
//! A `GstCustomMeta` with the single tag `video` and coordinates in fractions of the frame: so it survives format
//! changes, scaling, encoders and RTP, and any language reads it as a `GstStructure` without a header of ours.

use std::path::PathBuf;

use gst::meta::CustomMeta;
use snarm_core::detect::Region;
use snarm_core::view::Rect;

/// Name of the meta and of its structure.
pub const NAME: &str = "SnarmAnomalyMeta";

/// Version of the field list.
pub const VERSION: u32 = 1;

/// Value of scores, thresholds and counts that do not exist.
pub const NONE: f64 = -1.0;

/// What the verdict may be.
pub mod verdict {
    /// Below the lower threshold, or the only one.
    pub const NORMAL: &str = "normal";
    /// Between the two thresholds.
    pub const UNCERTAIN: &str = "uncertain";
    /// From the threshold on.
    pub const ANOMALOUS: &str = "anomalous";
    /// Not analysed.
    pub const UNKNOWN: &str = "unknown";
}

/// The fields of the meta.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyMeta {
    /// Whether the frame was looked at.
    pub analysed: bool,
    /// Whether the result is an earlier frame's.
    pub stale: bool,
    /// Number of the frame since the element started, from 0.
    pub frame_number: u64,
    /// Image score, 0..1; [`NONE`] when not analysed.
    pub score: f64,
    /// Image score before it was brought to 0..1.
    pub score_raw: f64,
    /// Highest pixel score.
    pub score_max: f64,
    /// Image threshold used.
    pub threshold: f64,
    /// Lower image threshold; [`NONE`] when there is none.
    pub threshold_low: f64,
    /// Pixel threshold used.
    pub pixel_threshold: f64,
    /// Whether the score reached the threshold.
    pub anomalous: bool,
    /// One of [`verdict`].
    pub verdict: String,
    /// Fraction of the frame that the regions cover.
    pub area: f64,
    /// The regions, highest score first.
    pub regions: Vec<Region>,
    /// Width of the frame as analysed.
    pub frame_width: u32,
    /// Height of the frame as analysed.
    pub frame_height: u32,
    /// Part of the frame that was looked at.
    pub seen: Rect,
    /// Part of the frame that the map covers.
    pub map_rect: Rect,
    /// Pixel scores as a GRAY8 or GRAY16_LE picture with a `GstVideoMeta`; left out of the meta when `None`.
    pub map: Option<gst::Buffer>,
    /// Time that the analysis took, in nanoseconds.
    pub latency: u64,
    /// Name of the source, as set on the element.
    pub source_id: Option<String>,
    /// Digest of the encoder and name of the scorer.
    pub model_id: String,
    /// Digest of the bank.
    pub bank_id: String,
    /// Number of the bank since the element started, from 0.
    pub bank_generation: u32,
    /// Where the network ran.
    pub device: String,
}

/// Makes the meta known to this process. Harmless when it is known already.
pub fn register() {
    if !CustomMeta::is_registered(NAME) {
        CustomMeta::register(NAME, &["video"]);
    }
}

/// Attaches `meta` to `buffer` in place of an older one.
///
/// # Errors
/// When GStreamer does not know the meta.
pub fn attach(buffer: &mut gst::BufferRef, meta: &AnomalyMeta) -> Result<(), gst::glib::BoolError> {
    if let Ok(old) = CustomMeta::from_mut_buffer(buffer, NAME) {
        old.remove()?;
    }
    let mut custom = CustomMeta::add(buffer, NAME)?;
    let s = custom.mut_structure();
    s.set("version", VERSION);
    s.set("analysed", meta.analysed);
    s.set("stale", meta.stale);
    s.set("frame-number", meta.frame_number);
    s.set("score", meta.score);
    s.set("score-raw", meta.score_raw);
    s.set("score-max", meta.score_max);
    s.set("threshold", meta.threshold);
    s.set("threshold-low", meta.threshold_low);
    s.set("pixel-threshold", meta.pixel_threshold);
    s.set("anomalous", meta.anomalous);
    s.set("verdict", &meta.verdict);
    s.set("area", meta.area);
    s.set("regions", gst::Array::new(meta.regions.iter().map(region)));
    s.set("frame-width", meta.frame_width);
    s.set("frame-height", meta.frame_height);
    s.set("roi-x", meta.seen.x);
    s.set("roi-y", meta.seen.y);
    s.set("roi-w", meta.seen.w);
    s.set("roi-h", meta.seen.h);
    s.set("map-x", meta.map_rect.x);
    s.set("map-y", meta.map_rect.y);
    s.set("map-w", meta.map_rect.w);
    s.set("map-h", meta.map_rect.h);
    if let Some(map) = &meta.map {
        s.set("map", map);
    }
    s.set("latency", meta.latency);
    s.set("source-id", &meta.source_id);
    s.set("model-id", &meta.model_id);
    s.set("bank-id", &meta.bank_id);
    s.set("bank-generation", meta.bank_generation);
    s.set("device", &meta.device);
    Ok(())
}

/// Reads the meta of `buffer`; `None` when there is none, or one with other fields.
pub fn read(buffer: &gst::BufferRef) -> Option<AnomalyMeta> {
    if !CustomMeta::is_registered(NAME) {
        return None;
    }
    let custom = CustomMeta::from_buffer(buffer, NAME).ok()?;
    let s = custom.structure();
    Some(AnomalyMeta {
        analysed: s.get("analysed").ok()?,
        stale: s.get("stale").ok()?,
        frame_number: s.get("frame-number").ok()?,
        score: s.get("score").ok()?,
        score_raw: s.get("score-raw").ok()?,
        score_max: s.get("score-max").ok()?,
        threshold: s.get("threshold").ok()?,
        threshold_low: s.get("threshold-low").ok()?,
        pixel_threshold: s.get("pixel-threshold").ok()?,
        anomalous: s.get("anomalous").ok()?,
        verdict: text(s, "verdict")?,
        area: s.get("area").ok()?,
        regions: s.get::<gst::Array>("regions").ok()?.iter().filter_map(read_region).collect(),
        frame_width: s.get("frame-width").ok()?,
        frame_height: s.get("frame-height").ok()?,
        seen: rect(s, ["roi-x", "roi-y", "roi-w", "roi-h"])?,
        map_rect: rect(s, ["map-x", "map-y", "map-w", "map-h"])?,
        map: s.get("map").ok(),
        latency: s.get("latency").ok()?,
        source_id: s.has_field("source-id").then(|| text(s, "source-id"))?,
        model_id: text(s, "model-id")?,
        bank_id: text(s, "bank-id")?,
        bank_generation: s.get("bank-generation").ok()?,
        device: text(s, "device")?,
    })
}

/// Reads a text, which need not be UTF-8: anybody may have written the meta, and the bindings panic at such text unless
/// they take it for a path.
fn text(s: &gst::StructureRef, name: &str) -> Option<String> {
    Some(s.get::<Option<PathBuf>>(name).ok()??.to_string_lossy().into_owned())
}

/// A grey picture of `samples` without padding between its rows, as maps and masks are.
pub(crate) fn picture(
    samples: Vec<u8>,
    format: gst_video::VideoFormat,
    [width, height]: [usize; 2],
) -> Option<gst::Buffer> {
    let stride = samples.len() / height.max(1);
    let mut buffer = gst::Buffer::from_mut_slice(samples);
    let (flags, size) = (gst_video::VideoFrameFlags::empty(), [width as u32, height as u32]);
    let inside = buffer.get_mut()?;
    gst_video::VideoMeta::add_full(inside, flags, format, size[0], size[1], &[0], &[stride as i32]).ok()?;
    Some(buffer)
}

/// One region as a structure.
pub(crate) fn region(region: &Region) -> gst::Structure {
    gst::Structure::builder("region")
        .field("id", region.id)
        .field("x", region.rect.x)
        .field("y", region.rect.y)
        .field("w", region.rect.w)
        .field("h", region.rect.h)
        .field("area", region.area)
        .field("score", region.score)
        .field("score-mean", region.score_mean)
        .field("cx", region.cx)
        .field("cy", region.cy)
        .build()
}

/// Reads one region back.
fn read_region(value: &gst::glib::SendValue) -> Option<Region> {
    let s = value.get::<gst::Structure>().ok()?;
    Some(Region {
        id: s.get("id").ok()?,
        rect: rect(&s, ["x", "y", "w", "h"])?,
        area: s.get("area").ok()?,
        score: s.get("score").ok()?,
        score_mean: s.get("score-mean").ok()?,
        cx: s.get("cx").ok()?,
        cy: s.get("cy").ok()?,
    })
}

/// Reads the four fields of a rectangle.
fn rect(s: &gst::StructureRef, [x, y, w, h]: [&str; 4]) -> Option<Rect> {
    Some(Rect { x: s.get(x).ok()?, y: s.get(y).ok()?, w: s.get(w).ok()?, h: s.get(h).ok()? })
}
