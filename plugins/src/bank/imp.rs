//! Glue between GStreamer and [`BankBuilder`].
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
use gst_base::subclass::prelude::*;
use snarm_core::bank::{Bank, BankBuilder, BankSettings, BuildStage};
use snarm_core::registry;

use super::{BankState, Crop, Reduction, location, messages};
use crate::{error, frame, lock, view};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("snarmbank", gst::DebugColorFlags::empty(), Some("SNARM memory bank builder"))
});

/// What the user asks for.
#[derive(Debug, Clone)]
struct Settings {
    location: Option<PathBuf>,
    encoder: Option<String>,
    model_location: Option<String>,
    bank_capacity: u32,
    reduction: Reduction,
    max_frames: u32,
    interval: u32,
    calibration_fraction: f64,
    crop: Crop,
    roi: Option<String>,
    ignore_mask: Option<PathBuf>,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: None,
            encoder: None,
            model_location: None,
            bank_capacity: 10_000,
            reduction: Reduction::default(),
            max_frames: 0,
            interval: 1,
            calibration_fraction: 0.2,
            crop: Crop::default(),
            roi: None,
            ignore_mask: None,
            seed: 0,
        }
    }
}

impl Settings {
    /// The core's part of the settings.
    fn bank(&self) -> Result<BankSettings, snarm_core::Error> {
        let view = view::view(self.crop.into(), self.roi.as_deref(), self.ignore_mask.as_deref())?;
        Ok(BankSettings {
            capacity: self.bank_capacity as usize,
            reduction: self.reduction.into(),
            calibration_fraction: self.calibration_fraction,
            view,
            seed: self.seed,
        })
    }
}

/// What the stream has brought so far. Held for the time of a frame.
#[derive(Default)]
struct State {
    info: Option<gst_video::VideoInfo>,
    /// Empty once the bank is made, or cannot be made.
    builder: Option<BankBuilder>,
}

/// What readers of the properties see. Apart from [`State`], so that they never wait for a frame.
#[derive(Debug, Clone, Default)]
struct Figures {
    state: BankState,
    frames_used: u64,
    frames_seen: u64,
    vectors: u64,
}

/// Implementation of the element.
#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::SnarmBank)]
pub struct SnarmBank {
    #[property(name = "location", get, set, type = Option<PathBuf>, member = location, mutable_ready,
        nick = "Location",
        blurb = "Bank file to write; an older file stays until the new one is complete")]
    #[property(name = "encoder", get, set, type = Option<String>, member = encoder, mutable_ready,
        nick = "Encoder",
        blurb = "Feature network: a built-in name or a weights file (unset = GST_SNARM_ENCODER, then snarm-tiny)")]
    #[property(name = "model-location", get, set, type = Option<String>, member = model_location, mutable_ready,
        nick = "Model location",
        blurb = "Trained decoder to calibrate the bank with, beside training-free: a file, looked for in GST_SNARM_MODEL_PATH too (unset = the one shipped for the encoder, if there is one; none = none)")]
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
    #[property(name = "calibration-fraction", get, set, type = f64, member = calibration_fraction, mutable_ready,
        minimum = 0.0, maximum = 0.5, default_value = 0.2,
        nick = "Calibration fraction",
        blurb = "Fraction of the frames held out to find the threshold (0 = score every frame against the others)")]
    #[property(name = "crop", get, set, type = Crop, member = crop, mutable_ready, default,
        nick = "Crop", blurb = "How a frame is brought to the network's square; stored in the bank")]
    #[property(name = "roi", get, set, type = Option<String>, member = roi, mutable_ready,
        nick = "Region of interest",
        blurb = "Part of the frame to learn, as x,y,w,h in fractions of it (unset = the whole frame); stored in the bank")]
    #[property(name = "ignore-mask", get, set, type = Option<PathBuf>, member = ignore_mask, mutable_ready,
        nick = "Ignore mask",
        blurb = "PNG or PGM picture, stretched over the frame, that is white where nothing is learned; stored in the bank")]
    #[property(name = "seed", get, set, type = u64, member = seed, mutable_ready,
        nick = "Seed", blurb = "Seed of every random choice: the same frames and seed give the same bank")]
    settings: Mutex<Settings>,
    #[property(name = "state", get, type = BankState, member = state, default,
        nick = "State", blurb = "What the element is doing; notifies")]
    #[property(name = "frames-used", get, type = u64, member = frames_used,
        nick = "Frames used", blurb = "Frames learned since the element started")]
    #[property(name = "frames-seen", get, type = u64, member = frames_seen,
        nick = "Frames seen", blurb = "Frames that came while learning, the skipped ones included")]
    #[property(name = "vectors", get, type = u64, member = vectors,
        nick = "Vectors", blurb = "Vectors collected; after learning, vectors in the bank")]
    figures: Mutex<Figures>,
    state: Mutex<State>,
}

impl SnarmBank {
    /// Learns one frame when it is this frame's turn.
    fn learn(&self, buffer: &gst::BufferRef) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        let State { info: Some(info), builder: Some(builder) } = &mut *state else { return Ok(()) };
        let seen = {
            let mut figures = lock(&self.figures);
            figures.frames_seen += 1;
            figures.frames_seen - 1
        };
        let broken = buffer.flags().intersects(gst::BufferFlags::GAP | gst::BufferFlags::CORRUPTED);
        if broken || !seen.is_multiple_of(u64::from(settings.interval)) {
            return Ok(());
        }
        frame::with_frame(buffer, info, |frame| builder.add(frame))?;
        let used = builder.frames();
        {
            let mut figures = lock(&self.figures);
            figures.frames_used = used as u64;
            figures.vectors = builder.vectors() as u64;
        }
        gst::log!(CAT, imp = self, "frame {seen} learned, {used} frames so far");
        if settings.max_frames > 0 && used >= settings.max_frames as usize {
            return self.finish(&settings, &mut state);
        }
        Ok(())
    }

    /// Makes the bank of what was learned, writes it and tells the application. Does nothing when that is done.
    fn finish(&self, settings: &Settings, state: &mut State) -> Result<(), gst::ErrorMessage> {
        let (Some(builder), Some(location)) = (state.builder.take(), &settings.location) else {
            return Ok(());
        };
        self.enter(BankState::Finishing);
        messages::progress(&self.obj(), gst::ProgressType::Start, 0, "Making the bank");
        let start = Instant::now();
        match self.build(builder, location) {
            Ok(bank) => {
                let seconds = start.elapsed().as_secs_f64();
                gst::info!(CAT, imp = self, "{} vectors in {seconds:.1} s: {location:?}", bank.vectors());
                lock(&self.figures).vectors = bank.vectors() as u64;
                self.enter(BankState::Ready);
                messages::progress(&self.obj(), gst::ProgressType::Complete, 100, "Bank written");
                messages::ready(&self.obj(), &bank, location, seconds);
                Ok(())
            }
            Err(error) => {
                messages::progress(&self.obj(), gst::ProgressType::Error, 0, "No bank written");
                Err(error::message(&error))
            }
        }
    }

    /// Reduces, calibrates and writes.
    fn build(&self, builder: BankBuilder, location: &Path) -> Result<Bank, snarm_core::Error> {
        let mut last = 0;
        let bank = builder.finish(&mut |stage, done, all| {
            // Each of the two stages gets half of the way.
            let (before, text) = match stage {
                BuildStage::Reduce => (0, "Reducing"),
                BuildStage::Calibrate => (50, "Calibrating"),
            };
            let percent = before + (50 * done / all.max(1)).min(50) as i32;
            if percent > last {
                last = percent;
                messages::progress(&self.obj(), gst::ProgressType::Continue, percent, text);
            }
        })?;
        bank.save(location)?;
        Ok(bank)
    }

    /// Enters a state and notifies.
    fn enter(&self, state: BankState) {
        lock(&self.figures).state = state;
        gst::debug!(CAT, imp = self, "{state:?}");
        self.obj().notify("state");
    }

    /// Ends learning after a failure: the error goes to the application once, the frames are given up.
    fn fail(&self, error: gst::ErrorMessage) {
        gst::error!(CAT, imp = self, "{error}");
        lock(&self.state).builder = None;
        self.enter(BankState::Failed);
        self.post_error_message(error);
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SnarmBank {
    const NAME: &'static str = "GstSnarmBank";
    type Type = super::SnarmBank;
    type ParentType = gst_base::BaseTransform;
}

#[glib::derived_properties]
impl ObjectImpl for SnarmBank {}

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
}

impl BaseTransformImpl for SnarmBank {
    const MODE: gst_base::subclass::BaseTransformMode = gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = true;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = true;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let Some(location) = &settings.location else {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("location: expected the bank file to write, found nothing")
            ));
        };
        location::check_writable(location)?;
        let builder = registry::encoder(settings.encoder.as_deref())
            .and_then(|encoder| {
                let head = registry::head(settings.model_location.as_deref(), &encoder)?;
                let mut builder = BankBuilder::new(encoder, settings.bank()?)?;
                head.map_or(Ok(()), |head| builder.calibrate_with(head))?;
                Ok(builder)
            })
            .map_err(|error| error::message(&error))?;
        let (needed, max) = (builder.frames_needed(), settings.max_frames as usize);
        if max > 0 && max < needed {
            return Err(gst::error_msg!(
                gst::ResourceError::Settings,
                ("max-frames: expected 0 or at least {needed}, found {max}")
            ));
        }
        *lock(&self.state) = State { info: None, builder: Some(builder) };
        *lock(&self.figures) = Figures::default();
        self.enter(BankState::Learning);
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        *lock(&self.state) = State::default();
        let learning = lock(&self.figures).state == BankState::Learning;
        if learning {
            gst::info!(CAT, imp = self, "stopped before EOS: nothing is written");
            self.enter(BankState::Idle);
        }
        Ok(())
    }

    fn set_caps(&self, incaps: &gst::Caps, _outcaps: &gst::Caps) -> Result<(), gst::LoggableError> {
        lock(&self.state).info = Some(frame::video_info(incaps)?);
        Ok(())
    }

    fn propose_allocation(
        &self,
        _decide_query: Option<&gst::query::Allocation>,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        frame::propose_allocation(self, query)
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::Eos {
            let settings = lock(&self.settings).clone();
            // The lock ends with the statement: telling of a failure takes it again.
            let finished = self.finish(&settings, &mut lock(&self.state));
            if let Err(error) = finished {
                self.fail(error);
                // Whoever sees EOS may count on the bank.
                return false;
            }
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
