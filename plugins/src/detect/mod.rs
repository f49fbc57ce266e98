//! `snarmdetect`: scores frames against a bank and says so in the metadata of each buffer.
/**
 * SECTION:element-snarmdetect
 * @title: snarmdetect
 * @short_description: finds anomalies in video frames
 * @see_also: snarmbank, snarmoverlay
 *
 * Compares each frame with the good frames that a bank remembers. Pixels pass untouched; every buffer gets a
 * `SnarmAnomalyMeta` with the score, the threshold, the verdict, the regions and the anomaly map. All
 * coordinates are fractions of the frame, so that the meta stays true through scalers and encoders. Beside it, each
 * region is a `GstVideoRegionOfInterestMeta` of type `anomaly`. Buffers flagged as gap or corrupted pass with
 * `analysed=false`. So do buffers that do not hold the frame that their caps promise, or that cannot be mapped: the first
 * of a run is a warning, and `unreadable` in #GstSnarmDetect:stats counts them all.
 *
 * Without a trained decoder the distances between features are the score. With one, named by
 * #GstSnarmDetect:model-location, its probabilities are, on the scale that the bank found for this decoder with its good
 * frames; a bank that was made without it is used on the scale that the decoder brings. Decoders that reconstruct what a
 * network sees (MambaAD, Pyramid-Mamba) compare frames with no bank: for one of them #GstSnarmDetect:bank-location may stay
 * unset, and the encoder is the one that its file holds or names. A bank that was made with it brings view, mask and scale.
 *
 * ## Small defects in large frames
 * Frames are cut into the tiles that the bank was learned in (#GstSnarmBank:tiles, #GstSnarmBank:min-defect), and have one
 * score, one anomaly map and regions of the whole frame. #GstSnarmDetect:tiles asks for others, as for frames that the bank
 * knows enlarged; its thresholds are not those of such frames, and a warning says so.
 *
 * ## Precision
 * With #GstSnarmDetect:precision=bf16 the CPU multiplies numbers rounded to bf16, with sums in f32: on processors with AVX512-BF16
 * that are twice as fast in it, as AMD Zen 4 is, a frame takes three quarters of the time. Most scores move by some thousandths, one
 * in fifty by more than a hundredth, so nobody gets it unasked: auto is f32. On other processors bf16 is an error. Results say in
 * `precision` what it was, and the search in a bank is exact in both.
 *
 * ## On a GPU
 * Frames in CUDA memory, as `cudaupload` and hardware decoders hand them on, are imported, encoded and matched where they
 * are, and never copied to the host; decoders run there, too. Regions follow on the CPU, which is given a map of scores, and
 * smoothing where the frame is cut into tiles, masked or has bars. The context is that of the frames:
 * elements that ask for one are given the primary context of #GstSnarmDetect:cuda-device-id, and one that the pipeline had
 * before is kept. Frames in system memory stay on the CPU, unless #GstSnarmDetect:device=cuda asks for a GPU, which they
 * are uploaded to. With #GstSnarmDetect:device=cpu frames in CUDA memory are downloaded. What scored a frame is the field
 * `device` of its results.
 *
 * Before frames are left to a GPU it has to find in a built-in picture what the CPU finds. Where there is no driver or
 * device, one that is too old, too little memory, other numbers, or a failure in the middle of the stream, frames in CUDA
 * memory are downloaded and scored by the CPU from then on, after one warning; with #GstSnarmDetect:device=cuda that is an
 * error. Where the driver itself has failed, frames cannot be downloaded either, and pass with `analysed=false`. Scores of a
 * GPU, which multiplies bf16, differ from those of the CPU by about a hundredth. All of it is tested on a driver over host
 * memory; `snarm-tiny` and its decoder were run on one card (an H200), other networks and families on none.
 *
 * ## Limits
 * The bank brings a threshold. #GstSnarmDetect:threshold-mode takes another one from the bank's distribution of good
 * frames, #GstSnarmDetect:threshold overrides all modes, and #GstSnarmDetect:threshold-low makes a band of uncertain
 * frames below it; above the threshold it makes none, and a warning says so. All of them may change, or be controlled,
 * while the stream runs.
 *
 * ## When analysis is slower than the camera
 * By default upstream waits. #GstSnarmDetect:interval analyses each Nth frame. With
 * #GstSnarmDetect:busy-policy=skip a frame is analysed in a thread of its own; frames that come meanwhile wait behind
 * it and follow, in order, with its result, `analysed=false` and `stale=true`. So upstream waits only once 64 frames
 * do, and every analysed frame carries its own result. Where only the newest frame matters, put
 * `queue max-size-buffers=1 leaky=downstream` in front instead.
 *
 * ## Frames that are stored turned
 * Cameras and phones store frames as the sensor saw them, and tag the stream with `image-orientation`. Such frames are
 * turned upright before they are compared, so that a bank of upright pictures fits. Pixels pass as they are stored, and all
 * coordinates (#GstSnarmDetect:roi, #GstSnarmDetect:ignore-mask, regions and anomaly map of the meta) are those of the buffer's own
 * frame; region of interest and mask of the bank are those of the upright picture. An element that turns the pixels, as
 * `videoflip video-direction=auto` does, belongs before this one: behind it, the coordinates are no longer true.
 *
 * ## False alarms
 * #GstSnarmDetect:threshold-mode says what is promised of good frames. `bank` is two standard deviations above their median
 * and suits a first look. `fpr` promises a rate of frames, #GstSnarmDetect:target-fpr, and `events` a rate of separate
 * alarms, #GstSnarmDetect:target-events-per-hour, which is what someone at a line counts. Both are kept in four of five cases: a
 * promise below one in as many frames as were scored while learning (`calibration-frames` in #GstSnarmDetect:bank-info) is
 * extrapolated, and the fewer there were, the higher the threshold. The rate of the stream is that of its caps, or else what
 * the times of its frames show.
 *
 * A defect is one event: #GstSnarmDetect:hold-time bridges half a second without an anomalous frame, or longer where the
 * learned frames of a stream were high together for longer (twice that time), and a score that is nearer to the threshold than
 * to that of good frames does not end it. #GstSnarmDetect:confirm-frames is 1, since on a fast line one frame may be all that
 * shows a defect; 2 or 3 leave out single ones at the rate of a camera.
 *
 * ## Light and quality
 * A bank knows the light of the frames that it learned. Frames in another light are brought to the nearest that was
 * learned before they are scored, as long as that is less than 2.5 times as bright or dark, unless
 * #GstSnarmDetect:light-correction is off. Light is taken from what stays as it is in the frames; where all of a frame is the
 * part, as with cloth, a part of another shade passes for another light. `light` in the meta is the light of the frame as a
 * multiple of the usual one, `sharpness` its detail, and -1 where the bank is older, or another part of the frames is looked
 * at than was learned. When a mean of about 32 frames leaves the learned range, or comes back, `snarm-drift` is posted; its `kind`
 * is `light`, `red` or `blue` (a colour beside all of them, as white balance shifts it), `slope-x` (the right edge beside the left
 * one), `slope-y` (the bottom beside the top) or `sharpness`.
 *
 * With #GstSnarmDetect:quality-gate the verdict on a frame that tells nothing of the part is `unknown`, and `reason` says why:
 * `too-dark` (less than a third of the least light that was learned), `too-bright` (half of it white that usually is not),
 * `blurred` (the usual colours with less than two fifths of the least detail), `covered` (other colours nearly everywhere, and no
 * detail). Its scores are what they would be. A frame whose part is missing is none of these.
 *
 * ## Another bank
 * Set while playing, #GstSnarmDetect:bank-location is loaded in the background and used from the next frame on; a bank
 * that cannot be used is a warning, and the old one goes on. The action `reload-bank` reads the same file again.
 *
 * ## Messages
 * Element messages, times as in the `level` element: `snarm-bank-loaded` (`location`, `bank-id`, `generation`,
 * `vectors`, `load-time`), `snarm-defect-begin` and `snarm-defect-end` (`event-id`, `begin`, `end`, `peak-score`,
 * `peak-time`, `frames`, `source-id`, at the end `reason`: normal, eos, flush, segment, jump, disabled, reset or stop;
 * times are running times), `snarm-result` (`timestamp`, `stream-time`, `running-time`, `duration`, `capture-time`, where it is
 * known, `frame-number`, `score`,
 * `threshold`, `threshold-low`, `verdict`, `reason`, `light`, `sharpness`, `area`, `regions`, `latency`, `source-id`, `device`,
 * `precision`),
 * `snarm-drift` (`kind`, `drifting`, `value`, the learned `low` and `high`, `source-id`, and for the light `light`, `light-low`
 * and `light-high`) and `snarm-stats`, the structure
 * of #GstSnarmDetect:stats. #GstSnarmDetect:message-mode chooses. With #GstSnarmDetect:emit-signals the signals
 * `result`, `defect-begin` and `defect-end` are emitted from the streaming thread, before the frame goes on. A
 * defect ends with reason jump, where it was seen last, when the times of the stream jump: back by more than a second, or
 * forward by more than the hold time, ten usual steps from frame to frame and a second. A frame without a time is taken to
 * come one step after the one before it. A step is the duration of a frame, else what the frame rate of the caps says,
 * else the last time between two frames that was no jump.
 *
 * ## Time of capture
 * Sources that know by the clock of the world when a frame was captured say so in a `GstReferenceTimestampMeta`: of the
 * reference `timestamp/x-unix`, or `timestamp/x-ntp` as `rtspsrc add-reference-timestamp-meta=true` attaches it. Results then have
 * `capture-time`, in nanoseconds since 1970. It is `null` in lines of JSON, and left out of meta and messages, where no source says so.
 *
 * ## Results
 * With #GstSnarmDetect:results-location the element writes one line of JSON per frame. Lines are appended to an older file
 * unless #GstSnarmDetect:results-mode says otherwise. The file has one writer, which locks it: another element or process
 * that names the same file does not start. It may be rotated: where it was moved away or replaced, the next line goes to a
 * new file at its place, and where it was copied and truncated, to its new beginning. A file that holds no lines of JSON is
 * refused, and so is one that the element reads. A full disk, or any other failure to write, is one warning; the stream
 * goes on, every frame tries again, and `results-lost` in #GstSnarmDetect:stats counts the lines that are missing.
 *
 * A named pipe needs no reader at start: lines are lost, after one warning, until one comes. The element waits for a
 * slow reader, but for one that takes nothing for ten seconds not again until it reads. One that leaves is a warning,
 * and the stream goes on without results until another one comes, unless the program, as `gst-launch-1.0` does, lets
 * the signal SIGPIPE end it. Where a pipe, a device, a socket or a folder takes the place of a file, lines are lost
 * until a file is back.
 *
 * All elements of a process that use the same encoder or decoder share one copy of it;
 * #GstSnarmDetect:model-instance-id keeps them apart.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! videoconvert ! autovideosink
 * ]|
 * Inspects a camera and shows what was found.
 * |[
 * gst-launch-1.0 filesrc location=line.mp4 ! decodebin ! videoconvert ! snarmdetect bank-location=part.bank results-location=line.jsonl ! fakesink
 * ]|
 * Inspects a recording and writes the results beside it.
 * |[
 * gst-launch-1.0 -m v4l2src ! videoconvert ! snarmdetect bank-location=part.bank pass=anomalous confirm-frames=3 hold-time=2000000000 ! videoconvert ! jpegenc ! multifilesink location=bad%05d.jpg
 * ]|
 * Keeps the bad frames as pictures and tells when defects begin and end.
 * |[
 * gst-launch-1.0 rtspsrc location=rtsp://camera/stream ! rtph264depay ! h264parse ! nvh264dec ! snarmdetect bank-location=part.bank results-location=line.jsonl ! fakesink
 * ]|
 * Inspects a stream on the GPU that decodes it; frames do not leave its memory.
 *
 * Since: plugins-snarm-0.1.0
 */
mod analyzer;
mod deliver;
mod drift;
mod enums;
mod events;
mod flow;
mod found;
mod held;
mod hot_swap;
mod imp;
mod latency;
mod life;
mod loader;
mod log;
mod look;
mod messages;
mod pipe;
mod record;
mod results;
mod roi;
mod settings;
mod signals;
mod stats;
mod stream;
mod worker;

use gst::glib;
use gst::prelude::*;

pub use crate::cuda::Device;
pub use enums::{Attach, BusyPolicy, Crop, MapFormat, MessageMode, Pass, ResultsMode, ThresholdMode};

glib::wrapper! {
    /// The element `snarmdetect`.
    pub struct SnarmDetect(ObjectSubclass<imp::SnarmDetect>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    enums::mark_as_plugin_api();
    gst::Element::register(Some(plugin), "snarmdetect", gst::Rank::NONE, SnarmDetect::static_type())
}
