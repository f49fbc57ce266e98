//! Choices that properties offer.
#![allow(missing_docs, reason = "the flags macro writes constants; their values say what they are")]

use gst::glib;
use snarm_core::view;

use crate::properties::choices;

choices! {
    /// Where the image threshold comes from.
    ThresholdMode, "GstSnarmThresholdMode";
    Manual, "manual", "Manual: the property threshold";
    #[default]
    Bank, "bank", "Bank: what the bank found with its good frames";
    Fpr, "fpr", "Fpr: what a new good frame reaches with probability target-fpr";
    Sigma, "sigma", "Sigma: so many standard deviations above the bank's good frames, on logarithms of raw scores";
    Events, "events", "Events: what good frames reach in target-events-per-hour separate alarms";
}

choices! {
    /// How a frame is brought to the input of the network.
    Crop, "GstSnarmDetectCrop";
    #[default]
    Bank, "bank", "Bank: as the bank was made";
    Paper, "paper", "Paper: as published, leaves out an outer frame of 1/16 per side";
    Auto, "auto", "Auto: aspect for frames at least twice as long as wide or as wide as long, else full";
    Aspect, "aspect", "Aspect: the whole frame, the input of the network having its aspect";
    Full, "full", "Full: the whole frame, squeezed to the square";
    Letterbox, "letterbox", "Letterbox: the whole frame with its aspect ratio kept";
}

impl Crop {
    /// What the user asks for; `None` leaves it to the bank.
    pub(super) fn asked(self) -> Option<view::Crop> {
        match self {
            Self::Bank => None,
            Self::Paper => Some(view::Crop::Paper),
            Self::Auto => Some(view::Crop::Auto),
            Self::Aspect => Some(view::Crop::Aspect),
            Self::Full => Some(view::Crop::Full),
            Self::Letterbox => Some(view::Crop::Letterbox),
        }
    }
}

choices! {
    /// What happens to frames that come while another one is analysed.
    BusyPolicy, "GstSnarmBusyPolicy";
    #[default]
    Block, "block", "Block: every frame is analysed, and upstream waits";
    Skip, "skip", "Skip: frames that come meanwhile follow in order with its result, marked stale; upstream waits only once 64 of them do";
}

choices! {
    /// Which frames go on.
    Pass, "GstSnarmPass";
    #[default]
    All, "all", "All: every frame";
    Anomalous, "anomalous", "Anomalous: frames whose verdict is anomalous";
    Normal, "normal", "Normal: frames whose verdict is normal";
}

choices! {
    /// What is told on the bus.
    MessageMode, "GstSnarmMessageMode";
    None, "none", "None: neither events nor results";
    #[default]
    Events, "events", "Events: snarm-defect-begin and snarm-defect-end";
    Anomalous, "anomalous", "Anomalous: events, and snarm-result for anomalous frames";
    All, "all", "All: events, and snarm-result for every analysed frame";
}

choices! {
    /// How the anomaly map is attached.
    MapFormat, "GstSnarmMapFormat";
    None, "none", "None: no anomaly map";
    #[default]
    Gray8, "gray8", "Gray8: 8 bits, 255 is a pixel score of 1";
    Gray16, "gray16", "Gray16: 16 bits little-endian, 65535 is a pixel score of 1";
}

choices! {
    /// What happens to an older results file.
    ResultsMode, "GstSnarmResultsMode";
    #[default]
    Append, "append", "Append: its lines stay, and new ones follow";
    Overwrite, "overwrite", "Overwrite: its lines are removed at start";
    Fail, "fail", "Fail: the element does not start where there is one";
}

/// What is attached to a buffer.
#[cfg(not(feature = "analytics"))]
#[glib::flags(name = "GstSnarmAttach")]
pub enum Attach {
    #[flags_value(name = "SnarmAnomalyMeta: score, verdict, regions, anomaly map", nick = "meta")]
    META = 0b001,
    #[flags_value(name = "GstVideoRegionOfInterestMeta: one per region, type anomaly", nick = "roi")]
    ROI = 0b010,
}

/// What is attached to a buffer.
#[cfg(feature = "analytics")]
#[glib::flags(name = "GstSnarmAttach")]
pub enum Attach {
    #[flags_value(name = "SnarmAnomalyMeta: score, verdict, regions, anomaly map", nick = "meta")]
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
        ResultsMode::static_type(),
        Attach::static_type(),
        crate::cuda::Device::static_type(),
    ] {
        api.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
}
