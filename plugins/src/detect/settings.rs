//! What the user asks for.

use std::path::PathBuf;

use gst_video::VideoInfo;
use snarm_core::Error;
use snarm_core::bank::Calibration;
use snarm_core::detect::Limits;

use super::events::usual_hold;
use super::found::InUse;
use super::{Attach, BusyPolicy, Crop, MapFormat, MessageMode, Pass, ResultsMode, ThresholdMode};
use crate::cuda::Device;
use crate::precision::Products;
use crate::{meta, view};

/// No time in GStreamer: how long a defect is held follows from what was learned.
pub(super) const HOLD_TIME: u64 = u64::MAX;

/// The properties, as they are at the time of a frame.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) bank_location: Option<PathBuf>,
    /// A name, or a path of any bytes; see [`snarm_core::paths::name`].
    pub(super) encoder: Option<PathBuf>,
    /// As the encoder.
    pub(super) model_location: Option<PathBuf>,
    pub(super) device: Device,
    pub(super) cuda_device_id: i32,
    pub(super) precision: Products,
    pub(super) model_instance_id: Option<String>,
    pub(super) threshold_mode: ThresholdMode,
    pub(super) threshold: f64,
    pub(super) threshold_low: f64,
    pub(super) target_fpr: f64,
    pub(super) target_events_per_hour: f64,
    pub(super) sigma: f64,
    pub(super) pixel_threshold: f64,
    pub(super) min_area: f64,
    pub(super) max_regions: u32,
    pub(super) roi: Option<String>,
    pub(super) ignore_mask: Option<PathBuf>,
    pub(super) tiles: Option<String>,
    pub(super) tile_overlap: f64,
    pub(super) min_defect: f64,
    pub(super) crop: Crop,
    pub(super) light_correction: bool,
    pub(super) quality_gate: bool,
    pub(super) interval: u32,
    pub(super) busy_policy: BusyPolicy,
    pub(super) enabled: bool,
    pub(super) pass: Pass,
    pub(super) confirm_frames: u32,
    pub(super) hold_time: u64,
    pub(super) attach: Attach,
    pub(super) map_format: MapFormat,
    pub(super) message_mode: MessageMode,
    pub(super) emit_signals: bool,
    pub(super) results_location: Option<PathBuf>,
    pub(super) results_mode: ResultsMode,
    pub(super) source_id: Option<String>,
    pub(super) stats_interval: u64,
    pub(super) report_latency: bool,
    /// No property: the usual time between analysed frames, as their times show it, for streams that do not say their rate.
    pub(super) seen_step: Option<gst::ClockTime>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bank_location: None,
            encoder: None,
            model_location: None,
            device: Device::default(),
            cuda_device_id: -1,
            precision: Products::default(),
            model_instance_id: None,
            threshold_mode: ThresholdMode::default(),
            threshold: meta::NONE,
            threshold_low: meta::NONE,
            target_fpr: 0.001,
            target_events_per_hour: 1.0,
            sigma: 3.0,
            pixel_threshold: meta::NONE,
            min_area: 0.0,
            max_regions: 32,
            roi: None,
            ignore_mask: None,
            tiles: None,
            tile_overlap: view::NO_OVERLAP,
            min_defect: 0.0,
            crop: Crop::default(),
            light_correction: true,
            quality_gate: true,
            interval: 1,
            busy_policy: BusyPolicy::default(),
            enabled: true,
            pass: Pass::default(),
            confirm_frames: 1,
            hold_time: HOLD_TIME,
            attach: Attach::all(),
            map_format: MapFormat::default(),
            message_mode: MessageMode::default(),
            emit_signals: false,
            results_location: None,
            results_mode: ResultsMode::default(),
            source_id: None,
            stats_interval: 0,
            report_latency: true,
            seen_step: None,
        }
    }
}

impl Settings {
    /// Refuses a mode whose number is missing.
    ///
    /// # Errors
    /// When the threshold is to be set by hand and is not.
    pub(super) fn check_threshold(&self) -> Result<(), Error> {
        if self.threshold_mode == ThresholdMode::Manual && self.threshold < 0.0 {
            let expected = "a value of 0-1 for threshold-mode=manual".to_owned();
            return Err(Error::Setting { name: "threshold", expected, found: "nothing".into() });
        }
        Ok(())
    }

    /// Refuses a band of uncertain frames that begins above its end, the threshold of a frame.
    ///
    /// # Errors
    /// When the lower threshold is the higher one.
    pub(super) fn check_band(&self, threshold: f64) -> Result<(), Error> {
        if self.threshold_low > threshold {
            let expected = format!("-1 or at most the threshold, {threshold}");
            return Err(Error::Setting {
                name: "threshold-low",
                expected,
                found: self.threshold_low.to_string(),
            });
        }
        Ok(())
    }

    /// Frames of a stream that are analysed in a second; where it does not say how many come, as its times show, one before
    /// they do.
    fn rate(&self, stream: &VideoInfo) -> f64 {
        let fps = stream.fps();
        if fps.numer() > 0 {
            return f64::from(fps.numer()) / f64::from(fps.denom()) / f64::from(self.interval.max(1));
        }
        let seen = self.seen_step.filter(|step| !step.is_zero());
        seen.map_or(1.0 / f64::from(self.interval.max(1)), |step| 1e9 / step.nseconds() as f64)
    }

    /// How long a defect is held: what is set, else what follows from the learned frames.
    pub(super) fn hold(&self, calibration: Option<&Calibration>) -> gst::ClockTime {
        match self.hold_time {
            HOLD_TIME => usual_hold(calibration),
            set => gst::ClockTime::from_nseconds(set.min(gst::ClockTime::MAX.nseconds())),
        }
    }

    /// The threshold of one frame of a stream: what is set, else what the bank gives; none where that depends on a stream that is not known yet.
    pub(super) fn threshold(&self, bank: &InUse, stream: Option<&VideoInfo>) -> Option<f64> {
        if self.threshold >= 0.0 {
            return Some(self.threshold);
        }
        match self.threshold_mode {
            // Without a number it is refused at start; taken away later, the bank's is better than none, with a warning.
            ThresholdMode::Manual | ThresholdMode::Bank => Some(bank.limits.threshold),
            mode @ ThresholdMode::Fpr => {
                let asked = [self.target_fpr, 0.0];
                Some(bank.threshold(mode, asked, |known| known.threshold_at_fpr(asked[0])))
            }
            mode @ ThresholdMode::Sigma => {
                let asked = [self.sigma, 0.0];
                Some(bank.threshold(mode, asked, |known| known.threshold_at_sigma(asked[0])))
            }
            mode @ ThresholdMode::Events => stream.map(|stream| {
                let asked = [self.target_events_per_hour, self.rate(stream)];
                bank.threshold(mode, asked, |known| known.threshold_at_events(asked[0], asked[1]))
            }),
        }
    }

    /// The limits of one frame of a stream: what is set, else what the bank gives.
    pub(super) fn limits(&self, bank: &InUse, stream: &VideoInfo) -> Limits {
        let pixels =
            if self.pixel_threshold >= 0.0 { self.pixel_threshold } else { bank.limits.pixel_threshold };
        Limits {
            threshold: self.threshold(bank, Some(stream)).unwrap_or(bank.limits.threshold),
            threshold_low: (self.threshold_low >= 0.0).then_some(self.threshold_low),
            pixel_threshold: pixels,
            min_area: self.min_area,
            max_regions: self.max_regions as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_an_hour_are_those_of_the_streams_own_frame_time() {
        gst::init().unwrap();
        let stream = |fps: i32| {
            let info = VideoInfo::builder(gst_video::VideoFormat::Rgb, 8, 8).fps(gst::Fraction::new(fps, 1));
            info.build().unwrap()
        };
        let settings = Settings { interval: 2, ..Settings::default() };
        assert_eq!((settings.rate(&stream(25)), settings.rate(&stream(0))), (12.5, 0.5));
        let seen = Settings { seen_step: Some(gst::ClockTime::from_mseconds(100)), ..settings };
        assert_eq!((seen.rate(&stream(25)), seen.rate(&stream(0))), (12.5, 10.0));
    }

    #[test]
    fn a_hold_time_that_is_set_holds() {
        let of = |hold_time: u64| Settings { hold_time, ..Settings::default() }.hold(None);
        assert_eq!(Settings::default().hold(None), gst::ClockTime::from_mseconds(500));
        assert_eq!((of(0), of(80)), (gst::ClockTime::ZERO, gst::ClockTime::from_nseconds(80)));
        assert_eq!(of(u64::MAX - 1), gst::ClockTime::MAX);
    }
}
