//! The detector of a stream with the bank that is in use, and the place where the next bank waits.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use snarm_core::Error;
use snarm_core::bank::Bank;
use snarm_core::detect::{Detector, StageTimes};
use snarm_core::frame::AnyFrame;
use snarm_core::paths;
use snarm_core::registry::{self, How};

use super::drift;
use super::found::{Found, InUse};
use super::look::Look;
use super::record;
use super::settings::Settings;
use crate::cuda::{Seat, Sharing};
use crate::frame::{Failure, Layout};
use crate::{lock, meta, view};

/// A detector whose bank was read and checked.
pub(super) struct Loaded {
    pub(super) detector: Detector,
    pub(super) bank: Arc<InUse>,
}

impl Loaded {
    /// Reads the bank and its encoder, or without a bank a decoder that needs none.
    pub(super) fn load(
        location: Option<&Path>,
        settings: &Settings,
        generation: u32,
    ) -> Result<Self, snarm_core::Error> {
        let start = Instant::now();
        let precision = settings.precision.choose()?;
        let [encoder, model] =
            [&settings.encoder, &settings.model_location].map(|path| path.as_deref().map(paths::name));
        let (instance, encoder, model) =
            (settings.model_instance_id.as_deref(), encoder.as_deref(), model.as_deref());
        let how = How { instance, precision };
        let (encoder, bank, decoder) = match location {
            Some(location) => {
                let bank = registry::bank(location)?;
                let encoder = registry::encoder_for(&bank, encoder, how)?;
                let decoder = registry::decoder_of_instance(model, &encoder, instance)?;
                (encoder, bank, decoder)
            }
            None => {
                let model = model.ok_or_else(nothing_named)?;
                let (encoder, bank, decoder) = registry::without_bank(model, encoder, how)?;
                (encoder, bank, Some(decoder))
            }
        };
        let detector = Detector::with_decoder(encoder, bank, decoder)?;
        // What was learned lies in the bank, or else in the decoder.
        let location = location.or(model.map(Path::new)).unwrap_or(Path::new(""));
        let bank = Arc::new(InUse {
            location: location.to_owned(),
            generation,
            load_time: start.elapsed(),
            bank_id: detector.bank().digest().to_owned(),
            model_id: detector.model_id(),
            limits: detector.bank_limits(),
            calibration: detector.calibration().clone(),
            crop: detector.bank().crop(),
            ranges: detector.bank().light().map(|light| drift::ranges(light)),
            doubt_of_tiles: doubt_of_tiles(detector.bank(), settings)?,
            doubt: detector.bank().doubt(detector.calibration()),
            info: info(&detector, location, generation),
            asked: Mutex::default(),
        });
        Ok(Self { detector, bank })
    }
}

/// What other tiles than the bank's, as frames that are stored upright have them, mean for its thresholds.
fn doubt_of_tiles(bank: &Bank, settings: &Settings) -> Result<Option<String>, Error> {
    let asked = view::tiles(settings.tiles.as_deref(), settings.tile_overlap, settings.min_defect)?;
    Ok(bank.doubt_of_tiles(asked.over(bank.tiles())))
}

/// Neither bank nor decoder.
fn nothing_named() -> Error {
    let expected = "a bank file, or a model-location that needs none".to_owned();
    Error::Setting { name: "bank-location", expected, found: "nothing".to_owned() }
}

/// What the property `bank-info` shows.
fn info(detector: &Detector, location: &Path, generation: u32) -> gst::Structure {
    let (bank, calibration) = (detector.bank(), detector.calibration());
    let header = bank.header();
    let mut fields = gst::Structure::builder("snarm-bank-info")
        .field("location", location.to_string_lossy().as_ref())
        .field("bank-id", bank.digest())
        .field("generation", generation)
        .field("vectors", bank.vectors() as u64)
        .field("width", bank.width() as u32)
        .field("frames", bank.frames() as u64)
        .field("copies", header.copies as u64)
        .field("crop", bank.crop().name())
        .field("tiles", bank.tiles().to_string())
        .field("place-radius", bank.place_radius().unwrap_or(-1.0))
        .field("encoder", bank.encoder_name())
        .field("encoder-digest", &header.encoder_digest)
        .field("made-by", &header.made_by)
        .field("scorer", detector.scorer())
        .field("threshold", detector.bank_limits().threshold)
        .field("pixel-threshold", detector.bank_limits().pixel_threshold)
        .field("calibration-frames", calibration.frames as u64)
        .field("held-out", calibration.held_out)
        .field("score-mean", calibration.mean)
        .field("score-std", calibration.std)
        .field("score-max", calibration.max)
        .field("frame-step", calibration.step.unwrap_or(meta::NONE))
        .build();
    drift::write_ranges(bank.light().map(|light| drift::ranges(light)).as_ref(), &mut fields);
    fields
}

/// What cannot be used of what was changed while playing, so that what was there before goes on.
pub(super) enum Refused {
    /// The region of interest.
    Region,
    /// A bank, for the sake of the other one.
    Bank { refused: Arc<InUse>, kept: Arc<InUse> },
    /// The device that `device=auto` took.
    Device,
    /// What the bank knows of light, where another part of the frames is looked at.
    Light,
}

/// Scores frames, one after the other, always with one bank from the beginning of a frame to its end.
pub(super) struct Analyzer {
    loaded: Loaded,
    look: Look,
    next: Arc<Mutex<Option<Loaded>>>,
    seat: Seat,
    /// Whether it was told that another part is looked at than the bank's.
    told_part: bool,
}

impl Analyzer {
    /// Starts with `loaded`; what is put into `next` takes its place at the following frame.
    pub(super) fn new(loaded: Loaded, look: Look, next: Arc<Mutex<Option<Loaded>>>, seat: Seat) -> Self {
        Self { loaded, look, next, seat, told_part: false }
    }

    /// Scores the frame `number`. `log` gets the times of the stages, `warn` hears of a region or a bank that cannot be
    /// used, which for some shows with this frame: a mask may leave nothing of a region. Of light, too, where it is not used.
    pub(super) fn analyse(
        &mut self,
        buffer: &gst::BufferRef,
        layout: &Layout,
        settings: &Settings,
        number: u64,
        sharing: &Sharing,
        log: impl Fn(f64, &StageTimes),
        warn: impl Fn(&Error, Refused),
    ) -> Result<Found, Failure> {
        // The lock ends with the statement; the old bank is freed after the frame.
        let next = lock(&self.next).take();
        let old = next.map(|next| std::mem::replace(&mut self.loaded, next));
        self.told_part &= old.is_none();
        let start = Instant::now();
        let roi = self.look.set_roi(settings.roi.as_deref()).unwrap_or_else(|error| {
            warn(&error, Refused::Region);
            None
        });
        let mut found = self.detect(buffer, layout, settings, number, sharing, &log, &warn);
        if let Err(Failure::Core(error @ (Error::NothingToSee { .. } | Error::RegionTooThin { .. }))) = &found
            && (old.is_some() || roi.is_some())
        {
            if let Some(roi) = roi {
                self.look.put_back(roi);
                warn(error, Refused::Region);
            }
            if let Some(old) = old {
                let kept = old.bank.clone();
                let refused = std::mem::replace(&mut self.loaded, old).bank;
                warn(error, Refused::Bank { refused, kept });
            }
            found = self.detect(buffer, layout, settings, number, sharing, &log, &warn);
        }
        let mut found = found?;
        found.meta.latency = start.elapsed().as_nanos() as u64;
        Ok(found)
    }

    /// The result of a frame that cannot be read.
    pub(super) fn unknown(&self, layout: &Layout, settings: &Settings, number: u64) -> Found {
        record::unknown(&self.loaded.bank, &layout.info, settings, number, &self.seat.name())
    }

    /// Scores a frame with bank and region as they are.
    fn detect(
        &mut self,
        buffer: &gst::BufferRef,
        layout: &Layout,
        settings: &Settings,
        number: u64,
        sharing: &Sharing,
        log: impl Fn(f64, &StageTimes),
        warn: impl Fn(&Error, Refused),
    ) -> Result<Found, Failure> {
        let Self { loaded: Loaded { detector, bank }, seat, told_part, .. } = self;
        let is_other = detector.set_view(self.look.view(detector.bank(), layout.orientation))?;
        detector.set_light_correction(settings.light_correction);
        detector.set_quality_gate(settings.quality_gate);
        let limits = settings.limits(bank, &layout.info);
        let tell = |error: &Error| warn(error, Refused::Device);
        let score = |detector: &mut Detector, frame: AnyFrame<'_>| {
            let detection = detector.detect(frame, &limits)?;
            let mut found = record::unknown(bank, &layout.info, settings, number, "");
            record::detection(detection, settings, &mut found);
            log(detection.score, &detection.times);
            found.meta.precision = detector.precision().name().to_owned();
            Ok(found)
        };
        let mut found = seat.with_frame(detector, buffer, layout, sharing, tell, score)?;
        found.meta.device = seat.name();
        // A part of which nothing is left was refused. One that moves is told once.
        if is_other {
            let doubt = detector.bank().doubt_of_part(detector.view());
            let told = std::mem::replace(told_part, doubt.is_some());
            if let Some(doubt) = doubt.filter(|_| !told) {
                warn(&doubt, Refused::Light);
            }
        }
        Ok(found)
    }
}
