//! What is known of a frame, in the words of the core's overlay.

use gst_video::{VideoFormat, VideoMeta, VideoRegionOfInterestMeta};
use snarm_core::detect::Verdict;
use snarm_core::frame::Orientation;
use snarm_core::overlay::{MapView, RegionBox, Scene};
use snarm_core::view::Rect;

use super::Source;
use super::others::{Mask, Others};
use crate::meta::{self, AnomalyMeta};

/// A map that is mapped for reading.
pub(super) type Samples<'a> = gst::BufferMap<'a, gst::buffer::Readable>;

/// What a buffer carries.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// Of `snarmdetect`.
    Snarm(Box<AnomalyMeta>),
    /// Of other elements.
    Others(Others),
}

impl Others {
    fn area(&self) -> f64 {
        self.mask.as_ref().map_or(0.0, |mask| mask.area)
    }

    /// Boxes and masks of others are taken for a defect.
    fn is_anomalous(&self) -> bool {
        !self.boxes.is_empty() || self.area() > 0.0
    }

    fn scene<'a>(&'a self, map: Option<MapView<'a>>, boxes: &'a [RegionBox]) -> Scene<'a> {
        let verdict = if self.is_anomalous() { Verdict::Anomalous } else { Verdict::Normal };
        let most = boxes.iter().fold(0.0, |most, region| region.score.max(most));
        let (verdict, score) =
            self.class.as_ref().map_or((verdict.name(), most), |(name, level)| (name.as_str(), *level));
        Scene {
            map,
            rect: self.mask.as_ref().map_or(Rect::WHOLE, |mask| mask.rect),
            regions: boxes,
            labels: &self.labels,
            score,
            score_max: most,
            area: self.area(),
            verdict,
            ..Scene::default()
        }
    }
}

impl Found {
    /// What was found, in coordinates of the upright picture of a frame of this orientation.
    pub(super) fn upright(self, orientation: Orientation) -> Self {
        if orientation == Orientation::UPRIGHT {
            return self;
        }
        match self {
            Self::Snarm(mut found) => {
                found.seen = found.seen.upright(orientation);
                found.map_rect = found.map_rect.upright(orientation);
                found.map = found.map.and_then(|map| turned(&map, orientation));
                for region in &mut found.regions {
                    region.rect = region.rect.upright(orientation);
                }
                Self::Snarm(found)
            }
            Self::Others(mut others) => {
                for region in &mut others.boxes {
                    let rect =
                        Rect { x: region.x, y: region.y, w: region.w, h: region.h }.upright(orientation);
                    *region = RegionBox { x: rect.x, y: rect.y, w: rect.w, h: rect.h, score: region.score };
                }
                others.mask = others.mask.and_then(|mask| {
                    Some(Mask {
                        map: turned(&mask.map, orientation)?,
                        rect: mask.rect.upright(orientation),
                        ..mask
                    })
                });
                Self::Others(others)
            }
        }
    }

    /// Reads what `source` asks for from a buffer of `width` x `height` pixels.
    pub(super) fn read(buffer: &gst::BufferRef, source: Source, width: u32, height: u32) -> Option<Self> {
        let snarm = || meta::read(buffer).map(|found| Self::Snarm(Box::new(found)));
        match source {
            Source::Snarm => snarm(),
            Source::Roi => regions(buffer, width, height),
            #[cfg(feature = "analytics")]
            Source::Analytics => super::analytics::read(buffer, width, height).map(Self::Others),
            Source::Auto => {
                let found = snarm();
                #[cfg(feature = "analytics")]
                let found = found.or_else(|| super::analytics::read(buffer, width, height).map(Self::Others));
                found.or_else(|| regions(buffer, width, height))
            }
        }
    }

    /// Pixel score from which a pixel of the map belongs to a region, where there is a map of scores.
    pub(super) fn pixel_threshold(&self) -> Option<f64> {
        match self {
            Self::Snarm(found) => found.map.as_ref().map(|_| found.pixel_threshold),
            Self::Others(_) => None,
        }
    }

    /// Whether the frame was looked at.
    pub(super) fn is_analysed(&self) -> bool {
        match self {
            Self::Snarm(found) => found.analysed,
            Self::Others(_) => true,
        }
    }

    /// Whether there is a defect.
    pub(super) fn is_anomalous(&self) -> bool {
        match self {
            Self::Snarm(found) => found.is_anomalous(),
            Self::Others(others) => others.is_anomalous(),
        }
    }

    /// Size of the frame as it was analysed.
    pub(super) fn size(&self) -> Option<[u32; 2]> {
        match self {
            Self::Snarm(found) => Some([found.resolution.width, found.resolution.height]),
            Self::Others(_) => None,
        }
    }

    /// The map, mapped for reading.
    pub(super) fn samples(&self) -> Option<Samples<'_>> {
        match self {
            Self::Snarm(found) => found.map.as_ref()?.map_readable().ok(),
            Self::Others(others) => others.mask.as_ref()?.map.map_readable().ok(),
        }
    }

    /// The regions as boxes.
    pub(super) fn boxes(&self) -> Vec<RegionBox> {
        match self {
            Self::Snarm(found) => {
                let boxes = found.regions.iter().map(|region| {
                    let rect = region.rect;
                    RegionBox { x: rect.x, y: rect.y, w: rect.w, h: rect.h, score: region.score }
                });
                boxes.collect()
            }
            Self::Others(others) => others.boxes.clone(),
        }
    }

    /// All that is drawn of one frame.
    pub(super) fn scene<'a>(&'a self, samples: Option<&'a Samples<'a>>, boxes: &'a [RegionBox]) -> Scene<'a> {
        match self {
            Self::Snarm(found) => Scene {
                map: samples.and_then(map),
                rect: found.map_rect,
                seen: found.seen,
                regions: boxes,
                labels: &[],
                score: found.score,
                score_max: found.score_max,
                threshold: found.threshold,
                pixel_threshold: found.pixel_threshold,
                area: found.area,
                verdict: found.verdict.name(),
                frame: found.frame_number,
                latency: found.latency as f64 / 1e6,
                source: found.source_id.as_deref().unwrap_or_default(),
            },
            Self::Others(others) => others.scene(samples.and_then(map), boxes),
        }
    }
}

/// The region metas of a buffer; `None` when there is none.
fn regions(buffer: &gst::BufferRef, width: u32, height: u32) -> Option<Found> {
    let mut found = Others::default();
    for region in buffer.iter_meta::<VideoRegionOfInterestMeta>() {
        let (x, y, w, h) = region.rect();
        let confidence = region.params().find_map(|params| params.get::<f64>("confidence").ok());
        let part = |at: u32, n: u32| f64::from(at) / f64::from(n.max(1));
        let score = confidence.unwrap_or(0.0);
        found.boxes.push(RegionBox {
            x: part(x, width),
            y: part(y, height),
            w: part(w, width),
            h: part(h, height),
            score,
        });
        // Names of other elements need not be UTF-8, though the bindings say so.
        let kind = String::from_utf8_lossy(region.roi_type().as_bytes());
        found
            .labels
            .push(confidence.map_or(kind.to_string(), |confidence| format!("{kind} {confidence:.2}")));
    }
    (!found.boxes.is_empty()).then_some(Found::Others(found))
}

/// A map of the upright picture of a frame of this orientation; `None` for a layout that maps do not have.
fn turned(map: &gst::Buffer, orientation: Orientation) -> Option<gst::Buffer> {
    let layout = map.meta::<VideoMeta>()?;
    let (format, sample) = match layout.format() {
        format @ VideoFormat::Gray8 => (format, 1),
        format @ VideoFormat::Gray16Le => (format, 2),
        _ => return None,
    };
    let (stored_w, stored_h) = (layout.width() as usize, layout.height() as usize);
    let stride = usize::try_from(*layout.stride().first()?).ok()?;
    let (width, height) = orientation.size(stored_w, stored_h);
    let samples = map.map_readable().ok()?;
    if stored_h == 0 || samples.len() < stride.checked_mul(stored_h - 1)?.checked_add(sample * stored_w)? {
        return None;
    }
    let mut upright = Vec::with_capacity(sample * width * height);
    for y in 0..height {
        for x in 0..width {
            let [(x, _), (y, _)] = orientation.stored((x, 1, width), (y, 1, height));
            upright.extend_from_slice(samples.get(y * stride + x * sample..)?.get(..sample)?);
        }
    }
    meta::picture(upright, format, [width, height])
}

/// The map; `None` for a layout other than those that `snarmdetect` writes.
fn map<'a>(samples: &'a Samples<'a>) -> Option<MapView<'a>> {
    let layout = samples.buffer().meta::<VideoMeta>()?;
    let (width, height) = (layout.width() as usize, layout.height() as usize);
    let stride = usize::try_from(*layout.stride().first()?).ok()?;
    match layout.format() {
        VideoFormat::Gray8 => MapView::gray8(samples, width, height, stride).ok(),
        VideoFormat::Gray16Le => MapView::gray16(samples, width, height, stride).ok(),
        _ => None,
    }
}
