//! `SnarmAnomalyMeta`: what was found in a frame, travelling with its buffer.
//!
//! A `GstCustomMeta` with the single tag `video` and coordinates in fractions of the frame: so it survives format
//! changes, scaling, encoders and RTP, and any language reads it as a `GstStructure` without a header of ours.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use gst::meta::CustomMeta;
use snarm_core::detect::{Region, Verdict};
use snarm_core::light::Reason;
use snarm_core::results::{Record, Resolution};
use snarm_core::view::Rect;

/// Name of the meta and of its structure.
pub const NAME: &str = "SnarmAnomalyMeta";

/// Version of the field list.
pub const VERSION: u32 = 1;

/// Name of the field that is left out where the source says nothing of it.
const CAPTURE_TIME: &str = "capture-time";

pub use snarm_core::results::NONE;

/// The fields of the meta: those of the [`Record`] but for its times in the stream, which the buffer has itself, and where in
/// the frame they belong.
#[derive(Debug, Clone, PartialEq)]
pub struct AnomalyMeta {
    /// What is told of the frame.
    pub record: Record,
    /// Part of the frame that was looked at.
    pub seen: Rect,
    /// Part of the frame that the anomaly map covers.
    pub map_rect: Rect,
    /// Pixel scores as a GRAY8 or GRAY16_LE picture with a `GstVideoMeta`; left out of the meta when `None`.
    pub map: Option<gst::Buffer>,
}

impl Deref for AnomalyMeta {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl DerefMut for AnomalyMeta {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.record
    }
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
    write_found(s, &meta.record);
    write_rect(s, ["roi-x", "roi-y", "roi-w", "roi-h"], meta.seen);
    write_rect(s, ["map-x", "map-y", "map-w", "map-h"], meta.map_rect);
    if let Some(map) = &meta.map {
        s.set("map", map);
    }
    write_origin(s, &meta.record);
    Ok(())
}

/// Writes what a record says of the frame.
fn write_found(s: &mut gst::StructureRef, record: &Record) {
    s.set("version", VERSION);
    s.set("analysed", record.analysed);
    s.set("stale", record.stale);
    s.set("frame-number", record.frame_number);
    // A number has no value that says that there is none.
    if let Some(time) = record.capture_time {
        s.set(CAPTURE_TIME, time);
    }
    s.set("score", record.score);
    s.set("score-raw", record.score_raw);
    s.set("score-max", record.score_max);
    s.set("threshold", record.threshold);
    s.set("threshold-low", record.threshold_low);
    s.set("pixel-threshold", record.pixel_threshold);
    s.set("anomalous", record.is_anomalous());
    s.set("verdict", record.verdict.name());
    s.set("reason", record.reason.map(Reason::name));
    s.set("light", record.light);
    s.set("sharpness", record.sharpness);
    s.set("area", record.area);
    s.set("regions", gst::Array::new(record.regions.iter().map(region)));
    s.set("frame-width", record.resolution.width);
    s.set("frame-height", record.resolution.height);
}

/// Writes what a record says of how that was found.
fn write_origin(s: &mut gst::StructureRef, record: &Record) {
    s.set("latency", record.latency);
    s.set("source-id", &record.source_id);
    s.set("model-id", &record.model_id);
    s.set("bank-id", &record.bank_id);
    s.set("bank-generation", record.bank_generation);
    s.set("device", &record.device);
    s.set("precision", &record.precision);
}

/// Reads the meta of `buffer`; `None` when there is none, or one with other fields. A verdict in other words is unknown.
pub fn read(buffer: &gst::BufferRef) -> Option<AnomalyMeta> {
    if !CustomMeta::is_registered(NAME) {
        return None;
    }
    let custom = CustomMeta::from_buffer(buffer, NAME).ok()?;
    let s = custom.structure();
    let record = Record {
        timestamp: None,
        stream_time: None,
        running_time: None,
        duration: None,
        capture_time: s.get(CAPTURE_TIME).ok(),
        frame_number: s.get("frame-number").ok()?,
        analysed: s.get("analysed").ok()?,
        stale: s.get("stale").ok()?,
        score: s.get("score").ok()?,
        score_raw: s.get("score-raw").ok()?,
        score_max: s.get("score-max").ok()?,
        threshold: s.get("threshold").ok()?,
        threshold_low: s.get("threshold-low").ok()?,
        pixel_threshold: s.get("pixel-threshold").ok()?,
        verdict: Verdict::named(&text(s, "verdict")?).unwrap_or_default(),
        reason: text(s, "reason").and_then(|name| Reason::named(&name)),
        light: s.get("light").unwrap_or(NONE),
        sharpness: s.get("sharpness").unwrap_or(NONE),
        area: s.get("area").ok()?,
        regions: s.get::<gst::Array>("regions").ok()?.iter().filter_map(read_region).collect(),
        latency: s.get("latency").ok()?,
        source_id: s.has_field("source-id").then(|| text(s, "source-id"))?,
        model_id: text(s, "model-id")?,
        bank_id: text(s, "bank-id")?,
        bank_generation: s.get("bank-generation").ok()?,
        device: text(s, "device")?,
        precision: text(s, "precision")?,
        resolution: Resolution { width: s.get("frame-width").ok()?, height: s.get("frame-height").ok()? },
    };
    Some(AnomalyMeta {
        record,
        seen: rect(s, ["roi-x", "roi-y", "roi-w", "roi-h"])?,
        map_rect: rect(s, ["map-x", "map-y", "map-w", "map-h"])?,
        map: s.get("map").ok(),
    })
}

/// Writes the named fields of a record into `to`, as the meta has them.
pub(crate) fn write_some(to: &mut gst::StructureRef, record: &Record, names: &[&str]) {
    let mut all = gst::Structure::new_empty(NAME);
    write_found(&mut all, record);
    write_origin(&mut all, record);
    for name in names {
        if let Ok(value) = all.value(*name) {
            to.set_value(*name, value.clone());
        }
    }
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
fn region(region: &Region) -> gst::Structure {
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

/// Writes the four fields of a rectangle.
fn write_rect(s: &mut gst::StructureRef, [x, y, w, h]: [&str; 4], rect: Rect) {
    s.set(x, rect.x);
    s.set(y, rect.y);
    s.set(w, rect.w);
    s.set(h, rect.h);
}

/// Reads the four fields of a rectangle.
fn rect(s: &gst::StructureRef, [x, y, w, h]: [&str; 4]) -> Option<Rect> {
    Some(Rect { x: s.get(x).ok()?, y: s.get(y).ok()?, w: s.get(w).ok()?, h: s.get(h).ok()? })
}
