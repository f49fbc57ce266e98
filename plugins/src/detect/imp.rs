//! Glue between GStreamer and [`Detector`].
#![allow(
    unused_lifetimes,
    missing_docs,
    reason = "written by the Properties derive; the blurbs are the docs"
)]

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use snarm_core::detector::{Detection, Detector, Limits};
use snarm_core::registry;

use super::look::Look;
use super::results::{Results, Times};
use super::{MapFormat, ThresholdMode, record};
use crate::meta::{self, AnomalyMeta};
use crate::{error, frame, lock};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmdetect", gst::DebugColorFlags::empty(), Some("SNARM anomaly detector"))
});

/// What the user asks for.
#[derive(Debug, Clone)]
struct Settings {
    bank_location: Option<PathBuf>,
    encoder: Option<String>,
    model_location: Option<String>,
    threshold_mode: ThresholdMode,
    threshold: f64,
    pixel_threshold: f64,
    min_area: f64,
    max_regions: u32,
    roi: Option<String>,
    ignore_mask: Option<PathBuf>,
    map_format: MapFormat,
    results_location: Option<String>,
    source_id: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bank_location: None,
            encoder: None,
            model_location: None,
            threshold_mode: ThresholdMode::default(),
            threshold: meta::NONE,
            pixel_threshold: meta::NONE,
            min_area: 0.0,
            max_regions: 32,
            roi: None,
            ignore_mask: None,
            map_format: MapFormat::default(),
            results_location: None,
            source_id: None,
        }
    }
}

impl Settings {
    /// The limits of one frame: what is set, else what the bank says.
    fn limits(&self, detector: &Detector) -> Limits {
        let bank = detector.bank_limits();
        let or = |set: f64, bank: f64| if set >= 0.0 { set } else { bank };
        Limits {
            threshold: or(self.threshold, bank.threshold),
            pixel_threshold: or(self.pixel_threshold, bank.pixel_threshold),
            min_area: self.min_area,
            max_regions: self.max_regions as usize,
        }
    }
}

/// What lives from start to stop.
struct State {
    detector: Detector,
    look: Look,
    results: Option<Results>,
    info: Option<gst_video::VideoInfo>,
    frame_number: u64,
}

/// What readers of the properties see. Apart from [`State`], so that they never wait for a frame.
#[derive(Debug)]
struct Figures {
    last_score: f64,
}

impl Default for Figures {
    fn default() -> Self {
        Self { last_score: meta::NONE }
    }
}

/// Implementation of the element.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::SnarmDetect)]
pub struct SnarmDetect {
    #[property(name = "bank-location", get, set, type = Option<PathBuf>, member = bank_location, mutable_ready,
        nick = "Bank location", blurb = "Bank file that snarmbank wrote")]
    #[property(name = "encoder", get, set, type = Option<String>, member = encoder, mutable_ready,
        nick = "Encoder",
        blurb = "Feature network: a built-in name or a weights file (unset = what the bank names); it must be the one that made the bank")]
    #[property(name = "model-location", get, set, type = Option<String>, member = model_location, mutable_ready,
        nick = "Model location",
        blurb = "Trained decoder file, looked for in GST_SNARM_MODEL_PATH too (unset = the one shipped for the bank's encoder, if there is one; none = training-free)")]
    #[property(name = "threshold-mode", get, set, type = ThresholdMode, member = threshold_mode, mutable_playing,
        default, nick = "Threshold mode", blurb = "Where the threshold comes from while the property threshold is -1")]
    #[property(name = "threshold", get, set, type = f64, member = threshold, mutable_playing, controllable,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Threshold", blurb = "Image score from which a frame is anomalous, 0-1 (-1 = by threshold-mode)")]
    #[property(name = "pixel-threshold", get, set, type = f64, member = pixel_threshold, mutable_playing,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Pixel threshold", blurb = "Pixel score from which a pixel belongs to a region, 0-1 (-1 = the bank's)")]
    #[property(name = "min-area", get, set, type = f64, member = min_area, mutable_playing,
        minimum = 0.0, maximum = 1.0, default_value = 0.0,
        nick = "Minimum area", blurb = "Smaller regions are dropped, as a fraction of the frame")]
    #[property(name = "max-regions", get, set, type = u32, member = max_regions, mutable_playing,
        default_value = 32,
        nick = "Maximum regions", blurb = "Report at most so many regions per frame, those of the highest score first")]
    #[property(name = "roi", get, set, type = Option<String>, member = roi, mutable_playing,
        nick = "Region of interest",
        blurb = "Part of the frame to analyse, as x,y,w,h in fractions of it (unset = as the bank was learned; 0,0,1,1 = the whole frame)")]
    #[property(name = "ignore-mask", get, set, type = Option<PathBuf>, member = ignore_mask, mutable_ready,
        nick = "Ignore mask",
        blurb = "PNG or PGM picture, stretched over the frame, that is white where nothing is analysed (unset = the bank's; none = no mask)")]
    #[property(name = "map-format", get, set, type = MapFormat, member = map_format, mutable_ready, default,
        nick = "Map format", blurb = "How the map of pixel scores is attached to a buffer")]
    #[property(name = "results-location", get, set, type = Option<String>, member = results_location, mutable_ready,
        nick = "Results location",
        blurb = "File for one line of JSON per frame, overwritten at start, flushed per line (- = standard output)")]
    #[property(name = "source-id", get, set, type = Option<String>, member = source_id, mutable_playing,
        nick = "Source id", blurb = "Name of the source in metadata and results")]
    settings: Mutex<Settings>,
    #[property(name = "last-score", get, type = f64, member = last_score,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Last score", blurb = "Image score of the last analysed frame, 0-1 (-1 = none yet)")]
    figures: Mutex<Figures>,
    state: Mutex<Option<State>>,
}

impl SnarmDetect {
    /// Judges one frame, attaches what was found and writes the results line.
    fn inspect(&self, buffer: &mut gst::BufferRef) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let Some(state) = state.as_mut() else { return Ok(()) };
        let Some(info) = state.info.clone() else {
            return Err(gst::error_msg!(gst::CoreError::Negotiation, ("a frame came before its caps")));
        };
        if let Err(error) = state.look.set_roi(settings.roi.as_deref()) {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                ("{error}; the region stays as it was")
            );
        }
        state
            .detector
            .set_view(state.look.view(state.detector.bank()))
            .map_err(|error| error::message(&error))?;
        let limits = settings.limits(&state.detector);
        let mut found = AnomalyMeta {
            frame_number: state.frame_number,
            source_id: settings.source_id.clone(),
            ..record::unknown(&state.detector, &info, &limits)
        };
        if !buffer.flags().intersects(gst::BufferFlags::GAP | gst::BufferFlags::CORRUPTED) {
            let start = Instant::now();
            frame::with_frame(buffer, &info, |frame| {
                let detection = state.detector.detect(frame, &limits)?;
                record::detection(detection, settings.map_format, &mut found);
                self.log_times(found.frame_number, detection);
                Ok(())
            })?;
            found.latency = start.elapsed().as_nanos() as u64;
            lock(&self.figures).last_score = found.score;
        }
        state.frame_number += 1;
        meta::attach(buffer, &found).map_err(|error| {
            gst::error_msg!(gst::StreamError::Failed, ("cannot attach the result: {error}"))
        })?;
        match &mut state.results {
            Some(results) => results.write(&found, &Times::new(buffer, &self.obj().segment())),
            None => Ok(()),
        }
    }

    /// One line per frame with the time of every stage.
    fn log_times(&self, frame_number: u64, detection: &Detection) {
        if CAT.above_threshold(gst::DebugLevel::Log) {
            let times =
                detection.times.stages().map(|(stage, time)| format!("{stage} {time:.2?}")).join(", ");
            let (score, total) = (detection.score, detection.times.total());
            gst::log!(CAT, imp = self, "frame {frame_number}: score {score:.4}, {total:.2?}: {times}");
        }
    }

    /// Loads the bank, its encoder and the decoder, and tells the application.
    fn load(&self, location: &Path, settings: &Settings) -> Result<Detector, snarm_core::Error> {
        let start = Instant::now();
        let bank = registry::bank(location)?;
        let encoder = registry::encoder_of(&bank, settings.encoder.as_deref())?;
        gst::info!(CAT, imp = self, "encoder {}: {}", encoder.name(), encoder.provenance());
        let head = registry::head(settings.model_location.as_deref(), &encoder)?;
        let detector = Detector::with_head(encoder, bank, head)?;
        gst::info!(CAT, imp = self, "scores by {}", detector.scorer());
        let bank = detector.bank();
        let load_time = start.elapsed();
        gst::info!(CAT, imp = self, "{} vectors loaded in {load_time:.2?}: {location:?}", bank.vectors());
        let fields = gst::Structure::builder("snarm-bank-loaded")
            .field("location", location.to_string_lossy().as_ref())
            .field("bank-id", bank.digest())
            .field("generation", 0_u32)
            .field("vectors", bank.vectors() as u64)
            .field("load-time", load_time.as_nanos() as u64)
            .build();
        // Without a bus nobody listens, which is no fault.
        let _ = self.obj().post_message(gst::message::Element::builder(fields).src(&*self.obj()).build());
        Ok(detector)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmDetect {
    const NAME: &'static str = "GstSnarmDetect";
    type Type = super::SnarmDetect;
    type ParentType = gst_base::BaseTransform;
}

#[glib::derived_properties]
impl ObjectImpl for SnarmDetect {
    fn constructed(&self) {
        self.parent_constructed();
        // Otherwise the base class takes the GAP flag off the buffers that pass.
        self.obj().set_gap_aware(true);
    }
}

impl GstObjectImpl for SnarmDetect {}

impl ElementImpl for SnarmDetect {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SNARM anomaly detector",
                "Filter/Analyzer/Video",
                "Compares frames with a bank of good ones and attaches score, verdict, regions and map",
                crate::AUTHOR,
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(frame::pad_templates);
        TEMPLATES.as_slice()
    }
}

impl BaseTransformImpl for SnarmDetect {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    // Not passthrough: the base class then makes a buffer's metadata writable without copying its pixels.
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let missing = |name: &str, expected: &str| {
            gst::error_msg!(gst::ResourceError::Settings, ("{name}: expected {expected}, found nothing"))
        };
        let Some(location) = &settings.bank_location else {
            return Err(missing("bank-location", "a bank file"));
        };
        if settings.threshold_mode == ThresholdMode::Manual && settings.threshold < 0.0 {
            return Err(missing("threshold", "a value of 0-1 for threshold-mode=manual"));
        }
        let detector = self.load(location, &settings).map_err(|error| error::message(&error))?;
        let look = Look::new(settings.roi.as_deref(), settings.ignore_mask.as_deref())
            .map_err(|error| error::message(&error))?;
        let (learned, used) = (detector.bank().view(), look.view(detector.bank()));
        if learned != used {
            gst::warning!(CAT, imp = self, "the bank was learned of {learned}, {used} is analysed");
        }
        // Opened last: an older results file is not emptied for a start that fails anyway.
        let results = settings.results_location.as_deref().map(Results::open).transpose()?;
        *lock(&self.state) = Some(State { detector, look, results, info: None, frame_number: 0 });
        *lock(&self.figures) = Figures::default();
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = None;
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let info = frame::video_info(incaps)?;
        if let Some(state) = lock(&self.state).as_mut() {
            state.info = Some(info);
        }
        Ok(())
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        frame::propose_allocation(self, query)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        frame::sync_values(&*self.obj(), &CAT, buffer);
    }

    fn transform_ip(&self, buffer: &mut gst::BufferRef) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.inspect(buffer).map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            gst::error!(CAT, imp = self, "{error}");
            self.post_error_message(error);
            gst::FlowError::Error
        })
    }
}
