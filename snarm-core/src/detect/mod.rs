//! The way of a frame: `detector` is its index, `extract` brings a frame to descriptors, `postprocess` raw scores to a map,
//! an image score and regions.

mod detector;
mod device;
pub(crate) mod extract;
pub(crate) mod postprocess;
mod result;
mod times;

pub use self::detector::Detector;
pub use self::device::Choice;
pub use self::result::{Detection, Limits, Region, Verdict};
pub use self::times::StageTimes;
