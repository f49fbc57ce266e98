//! Choices that properties offer.
#![allow(missing_docs, reason = "the flags macro writes constants; their values say what they are")]

use gst::glib;
use snarm_core::geometry;

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
    /// From the rate of false alarms.
    #[enum_value(name = "Fpr: what a new good frame reaches with probability target-fpr", nick = "fpr")]
    Fpr,
    /// From the spread of good frames.
    #[enum_value(
        name = "Sigma: so many standard deviations above the bank's good frames, on logarithms of raw scores",
        nick = "sigma"
    )]
    Sigma,
}

/// How a frame is brought to the square input of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmDetectCrop")]
pub enum Crop {
    /// As the bank was made.
    #[default]
    #[enum_value(name = "Bank: as the bank was made", nick = "bank")]
    Bank,
    /// As published.
    #[enum_value(name = "Paper: as published, leaves out an outer frame of 1/16 per side", nick = "paper")]
    Paper,
    /// The whole frame, squeezed.
    #[enum_value(name = "Full: the whole frame, squeezed to the square", nick = "full")]
    Full,
    /// The whole frame with its aspect ratio.
    #[enum_value(name = "Letterbox: the whole frame with its aspect ratio kept", nick = "letterbox")]
    Letterbox,
}

impl Crop {
    /// What the user asks for; `None` leaves it to the bank.
    pub(super) fn asked(self) -> Option<geometry::Crop> {
        match self {
            Self::Bank => None,
            Self::Paper => Some(geometry::Crop::Paper),
            Self::Full => Some(geometry::Crop::Full),
            Self::Letterbox => Some(geometry::Crop::Letterbox),
        }
    }
}

/// What happens to frames that come while another one is analysed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmBusyPolicy")]
pub enum BusyPolicy {
    /// They wait for their turn.
    #[default]
    #[enum_value(name = "Block: every frame is analysed, and upstream waits", nick = "block")]
    Block,
    /// They pass with the result of the one that is analysed.
    #[enum_value(
        name = "Skip: upstream never waits; frames that come meanwhile follow in order with its result, marked stale",
        nick = "skip"
    )]
    Skip,
}

/// Which frames go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, glib::Enum)]
#[enum_type(name = "GstSnarmPass")]
pub enum Pass {
    /// Every frame.
    #[default]
    #[enum_value(name = "All: every frame", nick = "all")]
    All,
    /// Frames with a defect.
    #[enum_value(name = "Anomalous: frames whose verdict is anomalous", nick = "anomalous")]
    Anomalous,
    /// Frames without one.
    #[enum_value(name = "Normal: frames whose verdict is normal", nick = "normal")]
    Normal,
}

/// What is told on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, glib::Enum)]
#[enum_type(name = "GstSnarmMessageMode")]
pub enum MessageMode {
    /// Neither events nor results.
    #[enum_value(name = "None: neither events nor results", nick = "none")]
    None,
    /// Beginning and end of defects.
    #[default]
    #[enum_value(name = "Events: snarm-defect-begin and snarm-defect-end", nick = "events")]
    Events,
    /// Also each anomalous frame.
    #[enum_value(name = "Anomalous: events, and snarm-result for anomalous frames", nick = "anomalous")]
    Anomalous,
    /// Also every other frame.
    #[enum_value(name = "All: events, and snarm-result for every analysed frame", nick = "all")]
    All,
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

/// What is attached to a buffer.
#[cfg(not(feature = "analytics"))]
#[glib::flags(name = "GstSnarmAttach")]
pub enum Attach {
    #[flags_value(name = "SnarmAnomalyMeta: score, verdict, regions, map", nick = "meta")]
    META = 0b001,
    #[flags_value(name = "GstVideoRegionOfInterestMeta: one per region, type anomaly", nick = "roi")]
    ROI = 0b010,
}

/// What is attached to a buffer.
#[cfg(feature = "analytics")]
#[glib::flags(name = "GstSnarmAttach")]
pub enum Attach {
    #[flags_value(name = "SnarmAnomalyMeta: score, verdict, regions, map", nick = "meta")]
    META = 0b001,
    #[flags_value(name = "GstVideoRegionOfInterestMeta: one per region, type anomaly", nick = "roi")]
    ROI = 0b010,
    #[flags_value(
        name = "GstAnalyticsRelationMeta: segmentation, classification and one detection per region",
        nick = "analytics"
    )]
    ANALYTICS = 0b100,
}

/// Marks the types as part of the plugin's interface, for documentation builds.
#[cfg(feature = "doc")]
pub(super) fn mark_as_plugin_api() {
    use gst::prelude::*;
    for api in [
        ThresholdMode::static_type(),
        Crop::static_type(),
        BusyPolicy::static_type(),
        Pass::static_type(),
        MessageMode::static_type(),
        MapFormat::static_type(),
        Attach::static_type(),
    ] {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
}
