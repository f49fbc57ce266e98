//! Glue between GStreamer and [`BankBuilder`]: properties, signals, and what the base class calls.
#![allow(
    unused_lifetimes,
    missing_docs,
    reason = "written by the Properties derive; the blurbs are the docs"
)]

use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_base::subclass::prelude::*;
use snarm_core::bank::{BankBuilder, Held};
use snarm_core::frame::Orientation;

use super::settings::Settings;
use super::signals;
use super::{BankState, Crop, Place, Reduction, Views};
use crate::cuda::{self, Device, Seat, Sharing, Where};
use crate::orientation::Turning;
use crate::precision::Products;
use crate::properties::properties;
use crate::{error, frame, lock};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmbank", gst::DebugColorFlags::empty(), Some("SNARM memory bank builder"))
});

/// What the stream has brought so far. Held for the time of a frame.
#[derive(Default)]
pub(super) struct State {
    pub(super) info: Option<gst_video::VideoInfo>,
    pub(super) turning: Turning,
    /// How the frames were turned that the view of `builder` is for.
    pub(super) viewed: Orientation,
    /// Whether the last frame could not be read.
    pub(super) broken: bool,
    /// Empty once the bank is made, or cannot be made.
    pub(super) builder: Option<BankBuilder>,
    /// Where it encodes.
    pub(super) seat: Option<Seat>,
    /// The file that is continued, while nobody else may write it.
    pub(super) held: Option<Held>,
    pub(super) started: bool,
}

/// What readers of the properties see. Apart from [`State`], so that they never wait for a frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) state: BankState,
    pub(super) frames_used: u64,
    pub(super) frames_seen: u64,
    pub(super) vectors: u64,
    /// Frames that could not be read.
    pub(super) unreadable: u64,
    /// Frames left out because they added nothing.
    pub(super) skipped: u64,
    /// Novelty of the last frame that was compared.
    pub(super) novelty: Option<f64>,
    pub(super) checkpoints: u64,
    /// Time that frames took, the skipped ones included.
    pub(super) learn_time: Duration,
}

impl Figures {
    /// Counts a frame and returns its number.
    pub(super) fn see(&mut self) -> u64 {
        self.frames_seen += 1;
        self.frames_seen - 1
    }
}

/// Implementation of the element.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::SnarmBank)]
pub struct SnarmBank {
    #[property(name = "location", get, set, type = Option<PathBuf>, member = location, mutable_ready,
        nick = "Location",
        blurb = "Bank file to write; an older file stays until the new one is complete")]
    #[property(name = "encoder", get, set, type = Option<PathBuf>, member = encoder, mutable_ready,
        nick = "Encoder",
        blurb = "Feature network: a built-in name, one that snarm fetch brought, or a weights file; several joined by + see every frame together (unset = SNARM_ENCODER, then snarm-tiny)")]
    #[property(name = "model-location", get, set, type = Option<PathBuf>, member = model_location, mutable_ready,
        nick = "Model location",
        blurb = "Trained decoder to calibrate the bank with, beside training-free: a file, looked for in SNARM_MODEL_PATH too (unset = the one shipped for the encoder, if there is one; none = none)")]
    #[property(name = "device", get, set, type = Device, member = device, mutable_ready, default,
        nick = "Device", blurb = "What encodes frames; all else is done on the CPU, and the field device of stats says what encodes")]
    #[property(name = "cuda-device-id", get, set, type = i32, member = cuda_device_id, mutable_ready,
        minimum = -1, default_value = -1,
        nick = "CUDA device id",
        blurb = "Number of the GPU that frames in system memory are uploaded to, and whose context elements that ask are given (-1 = the first one); frames in CUDA memory are encoded where they are")]
    #[property(name = "precision", get, set, type = Products, member = precision, mutable_ready, default,
        nick = "Precision",
        blurb = "In which precision the CPU multiplies while it encodes frames (a GPU multiplies in bf16); the bank says which it was")]
    #[property(name = "append", get, set, type = bool, member = append, mutable_ready,
        nick = "Append", blurb = "Start from the existing file at location and add to it")]
    #[property(name = "bank-capacity", get, set, type = u32, member = bank_capacity, mutable_ready,
        minimum = 1, default_value = 10_000,
        nick = "Bank capacity", blurb = "Vectors kept after reduction")]
    #[property(name = "reduction", get, set, type = Reduction, member = reduction, mutable_ready, default,
        nick = "Reduction", blurb = "How collected vectors are thinned to the capacity")]
    #[property(name = "max-frames", get, set, type = u32, member = max_frames, mutable_playing,
        nick = "Maximum frames",
        blurb = "Write the bank after so many learned frames and only pass frames from then on (0 = learn until EOS)")]
    #[property(name = "interval", get, set, type = u32, member = interval, mutable_playing,
        minimum = 1, default_value = 1,
        nick = "Interval", blurb = "Learn each Nth frame (1 = every frame)")]
    #[property(name = "min-novelty", get, set, type = f64, member = min_novelty, mutable_playing,
        minimum = 0.0, maximum = 2.0, default_value = 0.0,
        nick = "Minimum novelty",
        blurb = "Leave out frames whose features differ less than this, relatively, from those of the last 8 learned ones (0 = learn all; stats tells the novelty of the last frame)")]
    #[property(name = "learning", get, set = Self::set_learning, type = bool, member = learning, mutable_playing,
        default_value = true,
        nick = "Learning", blurb = "Whether frames are learned; false only passes them and keeps what was learned")]
    #[property(name = "checkpoint-frames", get, set, type = u32, member = checkpoint_frames, mutable_playing,
        nick = "Checkpoint frames",
        blurb = "Write a bank of what was learned so far after each N learned frames; the stream waits meanwhile (0 = only at the end)")]
    #[property(name = "leave-out-odd-frames", get, set, type = bool, member = leave_out_odd_frames, mutable_ready,
        nick = "Leave out odd frames",
        blurb = "Leave out learned frames that are unlike the rest, which snarm-bank-ready names, when the bank is made")]
    #[property(name = "views", get, set, type = Views, member = views, mutable_ready, default,
        nick = "Views", blurb = "Views of each frame that are learned beside it (one frame alone: at least those of all)")]
    #[property(name = "place", get, set, type = Place, member = place, mutable_ready, default,
        nick = "Place", blurb = "Whether vectors count near the places alone where they were seen, so that an intact part in a wrong place is found; stored in the bank")]
    #[property(name = "calibration-fraction", get, set, type = f64, member = calibration_fraction, mutable_ready,
        minimum = 0.0, maximum = 0.5, default_value = 0.2,
        nick = "Calibration fraction",
        blurb = "Length of a block of neighbouring frames of a stream, as a fraction of all: to find the threshold, a frame is scored without the vectors of its block; copies of a frame never count (0, or single pictures = no neighbours)")]
    #[property(name = "crop", get, set, type = Crop, member = crop, mutable_ready, default,
        nick = "Crop", blurb = "How a frame is brought to the network's input; stored in the bank")]
    #[property(name = "roi", get, set, type = Option<String>, member = roi, mutable_ready,
        nick = "Region of interest",
        blurb = "Part of the frame to learn, as x,y,w,h in fractions of it (unset = the whole frame); stored in the bank")]
    #[property(name = "ignore-mask", get, set, type = Option<PathBuf>, member = ignore_mask, mutable_ready,
        nick = "Ignore mask",
        blurb = "PNG or PGM picture, stretched over the frame, that is white where nothing is learned; stored in the bank")]
    #[property(name = "tiles", get, set, type = Option<String>, member = tiles, mutable_ready,
        nick = "Tiles",
        blurb = "Tiles that the frame, or its region of interest, is cut into, each of which the network sees by itself: none, auto (as min-defect needs) or COLUMNSxROWS (unset = auto where min-defect is set, else none); stored in the bank")]
    #[property(name = "tile-overlap", get, set, type = f64, member = tile_overlap, mutable_ready,
        minimum = -1.0, maximum = 0.5, default_value = -1.0,
        nick = "Tile overlap",
        blurb = "Part of a tile, along each side, that it shares with its neighbour, 0-0.5 (-1 = 0.125); stored in the bank")]
    #[property(name = "min-defect", get, set, type = f64, member = min_defect, mutable_ready,
        minimum = 0.0, maximum = 32768.0, default_value = 0.0,
        nick = "Minimum defect",
        blurb = "Length in pixels of the frame of the smallest defect that is to be found; the first frame decides how many tiles that takes (0 = tiles says how many; with tiles=auto 8)")]
    #[property(name = "seed", get, set, type = u64, member = seed, mutable_ready,
        nick = "Seed", blurb = "Seed of every random choice: the same frames and seed give the same bank")]
    pub(super) settings: Mutex<Settings>,
    #[property(name = "state", get, type = BankState, member = state, default,
        nick = "State", blurb = "What the element is doing; notifies")]
    #[property(name = "frames-used", get, type = u64, member = frames_used,
        nick = "Frames used", blurb = "Frames learned since the element started")]
    #[property(name = "frames-seen", get, type = u64, member = frames_seen,
        nick = "Frames seen", blurb = "Frames that came while learning, the skipped ones included")]
    #[property(name = "vectors", get, type = u64, member = vectors,
        nick = "Vectors", blurb = "Vectors collected; after learning, vectors in the bank")]
    pub(super) figures: Mutex<Figures>,
    pub(super) state: Mutex<State>,
    /// Held while a bank is made of what was collected.
    pub(super) finishing: Mutex<()>,
    /// Where frames are encoded.
    pub(super) place: Where,
    pub(super) sharing: Sharing,
}

impl SnarmBank {
    /// Getter of `stats`.
    fn stats(&self) -> gst::Structure {
        let figures = lock(&self.figures).clone();
        gst::Structure::builder("snarm-bank-stats")
            .field("frames-used", figures.frames_used)
            .field("frames-seen", figures.frames_seen)
            .field("frames-skipped", figures.skipped)
            .field("frames-unreadable", figures.unreadable)
            .field("novelty", figures.novelty.unwrap_or(-1.0))
            .field("vectors", figures.vectors)
            .field("checkpoints", figures.checkpoints)
            .field("learn-time", figures.learn_time.as_nanos() as u64)
            .field("device", cuda::name(&self.place))
            .build()
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmBank {
    const NAME: &'static str = "GstSnarmBank";
    type Type = super::SnarmBank;
    type ParentType = gst_base::BaseTransform;
}

impl ObjectImpl for SnarmBank {
    properties! {
        SnarmBank, paths ["location", "encoder", "model-location", "ignore-mask"];
        "stats", "Statistics", "Structure snarm-bank-stats: frames-used, frames-seen, frames-skipped, frames-unreadable, novelty, vectors, checkpoints, learn-time in nanoseconds, device" => stats;
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        signals::signals()
    }
}

impl GstObjectImpl for SnarmBank {}

impl ElementImpl for SnarmBank {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SNARM memory bank builder",
                "Filter/Analyzer/Video",
                "Learns from good frames what normal looks like and writes it to a bank file at EOS",
                crate::AUTHOR,
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(frame::pad_templates);
        TEMPLATES.as_slice()
    }

    fn set_context(&self, context: &gst::Context) {
        let settings = lock(&self.settings).clone();
        self.sharing.hear(&*self.obj(), context, settings.device, settings.cuda_device_id);
        self.parent_set_context(context);
    }
}

impl BaseTransformImpl for SnarmBank {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        self.begin()
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        // A bank that an application is making is written first.
        let turn = lock(&self.finishing);
        *lock(&self.state) = State::default();
        drop(turn);
        let state = lock(&self.figures).state;
        if matches!(state, BankState::Learning | BankState::Paused) {
            gst::info!(CAT, imp = self, "stopped before EOS: nothing is written");
            self.enter(BankState::Idle);
        }
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        lock(&self.state).info = Some(frame::video_info(incaps)?);
        Ok(())
    }

    fn query(&self, direction: gst::PadDirection, query: &mut gst::QueryRef) -> bool {
        let (device, id) = {
            let settings = lock(&self.settings);
            (settings.device, settings.cuda_device_id)
        };
        self.sharing.answer(&*self.obj(), query, device, id)
            || BaseTransformImplExt::parent_query(self, direction, query)
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        frame::propose_allocation(self, query)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Eos
            && let Err(error) = self.finish()
        {
            self.fail(error::message(&error));
            // Whoever sees EOS may count on the bank.
            return false;
        }
        // Others come from other threads and must not wait for a frame.
        if event.is_serialized() {
            lock(&self.state).turning.hear(&event);
        }
        self.parent_sink_event(event)
    }

    fn transform_ip_passthrough(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.learn(buffer).map(|()| gst::FlowSuccess::Ok).map_err(|error| {
            self.fail(error);
            gst::FlowError::Error
        })
    }
}
