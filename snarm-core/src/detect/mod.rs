//! The way of a frame: `detector` is its index, `extract` brings the tiles of a frame to descriptors, `tiled` these to raw
//! scores, as `there` does on a device, `postprocess` raw scores to a map, an image score and regions.

mod detector;
mod device;
pub(crate) mod extract;
pub(crate) mod lighting;
pub(crate) mod parity;
mod patches;
pub(crate) mod postprocess;
mod precision;
mod result;
mod there;
pub(crate) mod tiled;
mod times;

pub use self::detector::Detector;
pub use self::device::{Choice, device_name};
pub use self::patches::{Known, Patch};
pub use self::postprocess::ImageScore;
pub use self::precision::PrecisionChoice;
pub use self::result::{Detection, Limits, Region, Verdict};
pub use self::times::StageTimes;
