//! `snarmdetect`: judges frames against a bank and says so in the metadata of each buffer.
/**
 * SECTION:element-snarmdetect
 * @title: snarmdetect
 * @short_description: finds anomalies in video frames
 * @see_also: snarmbank, snarmoverlay
 *
 * Compares each frame with the good frames that a bank remembers. Pixels pass untouched; every buffer gets a
 * `SnarmAnomalyMeta` with the score, the threshold, the verdict, the regions and the map of pixel scores. All
 * coordinates are fractions of the frame, so that the meta stays true through scalers and encoders. Buffers flagged
 * as gap or corrupted pass with `analysed=false`.
 *
 * Without a trained decoder the distances between features are the score. With one, named by
 * #GstSnarmDetect:model-location, its probabilities are, on the scale that the bank found for this decoder with its good
 * frames; a bank that was made without it is used on the scale that the decoder brings.
 *
 * All elements of a process that use the same encoder or decoder share one copy of it.
 *
 * The element posts an element message `snarm-bank-loaded` with the fields `location`, `bank-id`, `generation`,
 * `vectors` and `load-time`. With #GstSnarmDetect:results-location it writes one line of JSON per frame.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! snarmoverlay ! videoconvert ! autovideosink
 * ]|
 * Inspects a camera and shows what was found.
 * |[
 * gst-launch-1.0 filesrc location=line.mp4 ! decodebin ! snarmdetect bank-location=part.bank results-location=line.jsonl ! fakesink
 * ]|
 * Inspects a recording and writes the results beside it.
 *
 * Since: plugins-snarm-0.1.0
 */
mod imp;
mod look;
mod record;
mod results;

use gst::glib;
use gst::prelude::*;

glib::wrapper! {
    /// The element `snarmdetect`.
    pub struct SnarmDetect(ObjectSubclass<imp::SnarmDetect>)
        @extends gst_base::BaseTransform, gst::Element, gst::Object;
}

/// Where the image threshold comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmThresholdMode")]
pub enum ThresholdMode {
    /// From the property.
    #[enum_value(name = "Manual: the property threshold", nick = "manual")]
    Manual,
    /// From the bank.
    #[default]
    #[enum_value(name = "Bank: what the bank found with its good frames", nick = "bank")]
    Bank,
}

/// How the map of pixel scores is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmMapFormat")]
pub enum MapFormat {
    /// Not at all.
    #[enum_value(name = "None: no map", nick = "none")]
    None,
    /// 8 bits a pixel.
    #[default]
    #[enum_value(name = "Gray8: 8 bits, 255 is a pixel score of 1", nick = "gray8")]
    Gray8,
    /// 16 bits a pixel.
    #[enum_value(name = "Gray16: 16 bits little-endian, 65535 is a pixel score of 1", nick = "gray16")]
    Gray16,
}

/// Registers the element.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    #[cfg(feature = "doc")]
    for api in [ThresholdMode::static_type(), MapFormat::static_type()] {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "snarmdetect", gst::Rank::NONE, SnarmDetect::static_type())
}
