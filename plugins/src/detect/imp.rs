//! Glue between GStreamer and the parts of the element: properties, life cycle, events and queries.
//!
//! # Locks
//! A thread that holds one of these takes only those that stand to the right of it, so that no two threads wait for each
//! other. GStreamer's stream lock of the sink pad comes before all of them.
//!
//! | lock | guards | held | takes then |
//! |---|---|---|---|
//! | `analyzer` | the detector | for an analysis | `next`, `figures` |
//! | `results` | the file of results | for a write | |
//! | `loader.state` | which bank is wanted | for moments | `figures`, `next` |
//! | `worker` (its desk and its thread) | the job of the other thread | for moments | |
//! | `stream` | frames that wait, the last result | for moments | |
//! | `events` | the open defect | for moments | |
//! | `settings` | the properties | for a copy | |
//! | `figures` | counts, and the bank in use | for moments | |
//! | `next` | a bank that waits for the next frame | for moments | |
//! | `place` and the lock of `sharing` | where frames are scored, the context that was given | for moments | |
#![allow(
    unused_lifetimes,
    missing_docs,
    reason = "written by the Properties derive; the blurbs are the docs"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use gst::glib;
use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_transform::GenerateOutputSuccess;
use gst_base::subclass::prelude::*;

use super::analyzer::{Analyzer, Loaded};
use super::events::Events;
use super::loader::Loader;
use super::results::Results;
use super::settings::{HOLD_TIME, Settings};
use super::stats::Figures;
use super::stream::{Job, Outcome, Stream};
use super::worker::Worker;
use super::{Attach, BusyPolicy, Crop, MapFormat, MessageMode, Pass, ResultsMode, ThresholdMode, signals};
use crate::cuda::{Device, Sharing, Where};
use crate::precision::Products;
use crate::properties::properties;
use crate::{frame, lock};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmdetect", gst::DebugColorFlags::empty(), Some("SNARM anomaly detector"))
});

/// Implementation of the element.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::SnarmDetect)]
pub struct SnarmDetect {
    #[property(name = "bank-location", get, set = Self::set_bank_location, type = Option<PathBuf>,
        member = bank_location, mutable_playing,
        nick = "Bank location",
        blurb = "Bank file that snarmbank wrote; set while playing, it is loaded in the background and used from the next frame on, or refused with a warning")]
    #[property(name = "encoder", get, set, type = Option<PathBuf>, member = encoder, mutable_ready,
        nick = "Encoder",
        blurb = "Feature network: a built-in name, one that snarm fetch brought, or a weights file; several joined by + see every frame together (unset = what the bank names); it must be the one that made the bank")]
    #[property(name = "model-location", get, set, type = Option<PathBuf>, member = model_location, mutable_ready,
        nick = "Model location",
        blurb = "Trained decoder file, looked for in SNARM_MODEL_PATH too (unset = the one shipped for the bank's encoder, if there is one; none = training-free)")]
    #[property(name = "device", get, set, type = Device, member = device, mutable_ready, default,
        nick = "Device", blurb = "What scores frames; the field device of results says what did")]
    #[property(name = "cuda-device-id", get, set, type = i32, member = cuda_device_id, mutable_ready,
        minimum = -1, default_value = -1,
        nick = "CUDA device id",
        blurb = "Number of the GPU that frames in system memory are uploaded to, and whose context elements that ask are given (-1 = the first one); frames in CUDA memory are scored where they are")]
    #[property(name = "precision", get, set, type = Products, member = precision, mutable_ready, default,
        nick = "Precision",
        blurb = "In which precision the CPU multiplies; the field precision of results says which it was (a GPU multiplies in bf16)")]
    #[property(name = "model-instance-id", get, set, type = Option<String>, member = model_instance_id, mutable_ready,
        nick = "Model instance id",
        blurb = "Elements of a process that give the same id share one copy of a network, apart from other ids (unset = all share)")]
    #[property(name = "threshold-mode", get, set, type = ThresholdMode, member = threshold_mode, mutable_playing,
        default, nick = "Threshold mode", blurb = "Where the threshold comes from while the property threshold is -1")]
    #[property(name = "threshold", get, set, type = f64, member = threshold, mutable_playing, controllable,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Threshold", blurb = "Image score from which a frame is anomalous, 0-1 (-1 = by threshold-mode)")]
    #[property(name = "threshold-low", get, set, type = f64, member = threshold_low, mutable_playing, controllable,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Lower threshold",
        blurb = "Image score from which a frame below the threshold is uncertain, 0-1 (-1 = no frame is uncertain)")]
    #[property(name = "target-fpr", get, set, type = f64, member = target_fpr, mutable_playing,
        minimum = 1e-9, maximum = 0.5, default_value = 0.001,
        nick = "Target false positive rate",
        blurb = "With threshold-mode=fpr: probability that a good frame is anomalous; below 1 in the bank's calibration frames it is extrapolated")]
    #[property(name = "target-events-per-hour", get, set, type = f64, member = target_events_per_hour, mutable_playing,
        minimum = 1e-6, maximum = 1e6, default_value = 1.0,
        nick = "Target events per hour",
        blurb = "With threshold-mode=events: separate alarms of good frames in an hour, by the frame rate of the caps (unknown = one frame a second) and how many learned frames are high together")]
    #[property(name = "sigma", get, set, type = f64, member = sigma, mutable_playing,
        minimum = 0.0, maximum = 100.0, default_value = 3.0,
        nick = "Sigma",
        blurb = "With threshold-mode=sigma: standard deviations between the median of good frames and the threshold")]
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
    #[property(name = "tiles", get, set, type = Option<String>, member = tiles, mutable_ready,
        nick = "Tiles",
        blurb = "Tiles that the frame, or its region of interest, is cut into: none, auto (the bank's; of a bank without tiles as min-defect needs) or COLUMNSxROWS (unset = the bank's); other tiles than the bank's shift the scores")]
    #[property(name = "tile-overlap", get, set, type = f64, member = tile_overlap, mutable_ready,
        minimum = -1.0, maximum = 0.5, default_value = -1.0,
        nick = "Tile overlap",
        blurb = "Part of a tile, along each side, that it shares with its neighbour, 0-0.5 (-1 = the bank's; of a bank without tiles 0.125)")]
    #[property(name = "min-defect", get, set, type = f64, member = min_defect, mutable_ready,
        minimum = 0.0, maximum = 32768.0, default_value = 0.0,
        nick = "Minimum defect",
        blurb = "Length in pixels of the frame of the smallest defect that is to be found, with a bank without tiles; one with tiles has as many as it was learned with (0 = unset)")]
    #[property(name = "light-correction", get, set, type = bool, member = light_correction, mutable_playing, default = true,
        nick = "Light correction", blurb = "Whether frames in another light than the learned ones are brought to it before they are scored")]
    #[property(name = "quality-gate", get, set, type = bool, member = quality_gate, mutable_playing, default = true,
        nick = "Quality gate", blurb = "Whether the verdict on frames that are too dark, too bright, blurred or covered is unknown")]
    #[property(name = "crop", get, set, type = Crop, member = crop, mutable_ready, default,
        nick = "Crop",
        blurb = "How a frame is brought to the network's input; another way than the bank's shifts the scores, and paper ignores an outer frame of 1/16 per side")]
    #[property(name = "interval", get, set, type = u32, member = interval, mutable_playing,
        minimum = 1, default_value = 1,
        nick = "Interval",
        blurb = "Analyse each Nth frame; those between carry its result, marked stale (1 = every frame)")]
    #[property(name = "busy-policy", get, set, type = BusyPolicy, member = busy_policy, mutable_playing, default,
        nick = "Busy policy", blurb = "What happens to frames that come while another one is analysed")]
    #[property(name = "enabled", get, set, type = bool, member = enabled, mutable_playing, controllable,
        default_value = true,
        nick = "Enabled", blurb = "Analyse frames; switched off, all of them pass with verdict unknown")]
    #[property(name = "pass", get, set, type = Pass, member = pass, mutable_playing, default,
        nick = "Pass", blurb = "Which frames go downstream; the others leave a gap")]
    #[property(name = "confirm-frames", get, set, type = u32, member = confirm_frames, mutable_playing,
        minimum = 1, default_value = 1,
        nick = "Confirm frames", blurb = "Anomalous frames in a row that make a defect")]
    #[property(name = "hold-time", get, set, type = u64, member = hold_time, mutable_playing,
        default_value = HOLD_TIME,
        nick = "Hold time", blurb = "Running time without an anomalous frame after which a defect has ended, in nanoseconds; a frame whose score is nearer to the threshold than to that of good frames does not end it (2^64 - 1 = half a second, or twice as long as learned frames of a stream were high together)")]
    #[property(name = "attach", get, set, type = Attach, member = attach, mutable_ready, default_value = Attach::all(),
        nick = "Attach", blurb = "Metadata that buffers get")]
    #[property(name = "map-format", get, set, type = MapFormat, member = map_format, mutable_ready, default,
        nick = "Map format", blurb = "How the anomaly map is attached to a buffer")]
    #[property(name = "message-mode", get, set, type = MessageMode, member = message_mode, mutable_playing, default,
        nick = "Message mode", blurb = "Which element messages are posted on the bus")]
    #[property(name = "emit-signals", get, set, type = bool, member = emit_signals, mutable_playing,
        nick = "Emit signals", blurb = "Emit result, defect-begin and defect-end")]
    #[property(name = "results-location", get, set, type = Option<PathBuf>, member = results_location, mutable_ready,
        nick = "Results location",
        blurb = "File for one line of JSON per frame, flushed per line (- = standard output)")]
    #[property(name = "results-mode", get, set, type = ResultsMode, member = results_mode, mutable_ready, default,
        nick = "Results mode", blurb = "What happens to the lines of an older file at results-location")]
    #[property(name = "source-id", get, set, type = Option<String>, member = source_id, mutable_playing,
        nick = "Source id", blurb = "Name of the source in metadata, messages and results")]
    #[property(name = "stats-interval", get, set, type = u64, member = stats_interval, mutable_playing,
        nick = "Stats interval", blurb = "Time between snarm-stats messages, in nanoseconds (0 = none)")]
    #[property(name = "report-latency", get, set, type = bool, member = report_latency, mutable_ready,
        default_value = true,
        nick = "Report latency", blurb = "Add the time of an analysis to the latency of a live pipeline")]
    pub(super) settings: Mutex<Settings>,
    #[property(name = "last-score", get, type = f64, member = last_score,
        minimum = -1.0, maximum = 1.0, default_value = -1.0,
        nick = "Last score", blurb = "Image score of the last analysed frame, 0-1 (-1 = none yet)")]
    pub(super) figures: Mutex<Figures>,
    pub(super) stream: Mutex<Stream>,
    /// Held for the time of a write.
    pub(super) results: Mutex<Option<Results>>,
    pub(super) events: Mutex<Events>,
    /// Held for the time of an analysis.
    pub(super) analyzer: Mutex<Option<Analyzer>>,
    /// A bank that waits for the next frame.
    pub(super) next: Arc<Mutex<Option<Loaded>>>,
    pub(super) loader: Loader,
    pub(super) worker: Worker<Job, Outcome>,
    /// Whether the stream is flushed or ends, so that nobody may wait for the reader of the results.
    pub(super) flushing: AtomicBool,
    /// Where frames are scored.
    pub(super) place: Where,
    pub(super) sharing: Sharing,
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmDetect {
    const NAME: &'static str = "GstSnarmDetect";
    type Type = super::SnarmDetect;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for SnarmDetect {
    fn constructed(&self) {
        self.parent_constructed();
        // Otherwise the base class takes the GAP flag off the buffers that pass.
        self.obj().set_gap_aware(true);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        signals::signals()
    }

    properties! {
        SnarmDetect, paths ["bank-location", "encoder", "model-location", "ignore-mask", "results-location"];
        "stats", "Statistics", "Frames, rates and times since the start" => stats;
        "bank-info", "Bank information", "What is known of the bank in use" => bank_info;
    }
}

impl GstObjectImpl for SnarmDetect {}

impl ElementImpl for SnarmDetect {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SNARM anomaly detector",
                "Filter/Analyzer/Video",
                "Compares frames with a bank of good ones and attaches score, verdict, regions and anomaly map",
                crate::AUTHOR,
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(frame::pad_templates);
        TEMPLATES.as_slice()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            self.flushing.store(true, Ordering::SeqCst);
        }
        self.parent_change_state(transition)
    }

    fn set_context(&self, context: &gst::Context) {
        let settings = lock(&self.settings).clone();
        self.sharing.hear(&*self.obj(), context, settings.device, settings.cuda_device_id);
        self.parent_set_context(context);
    }
}

impl BaseTransformImpl for SnarmDetect {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    // Not passthrough: frames get metadata.
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.begin()
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.end();
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        let mut stream = lock(&self.stream);
        stream.info = Some(frame::video_info(incaps)?);
        stream.forget_result();
        Ok(())
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        frame::propose_allocation(self, query)
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        if direction == gst::PadDirection::Sink && query.is_serialized() {
            // Whoever asks counts on the frames before it having left.
            self.drain_for_event();
        }
        let (device, id) = {
            let settings = lock(&self.settings);
            (settings.device, settings.cuda_device_id)
        };
        if self.sharing.answer(&*self.obj(), query, device, id) {
            return true;
        }
        if !BaseTransformImplExt::parent_query(self, direction, query) {
            return false;
        }
        if let gst::QueryViewMut::Latency(query) = query.view_mut()
            && direction == gst::PadDirection::Src
        {
            self.add_latency(query);
        }
        true
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        self.before_event(&event);
        self.parent_sink_event(event)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        frame::sync_values(&*self.obj(), &CAT, buffer);
    }

    fn generate_output(&self) -> Result<GenerateOutputSuccess, gst::FlowError> {
        match self.take_queued_buffer() {
            Some(buffer) => self.take_in(buffer),
            None => Ok(GenerateOutputSuccess::NoOutput),
        }
    }
}
