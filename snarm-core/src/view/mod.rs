//! Where the network looks: how a frame is brought to the network's input, and which part of the frame the input
//! shows.

mod ignored;
mod mask;
mod mosaic;
mod rect;
mod seen;
mod tiles;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use snarm_kernels::frame::Orientation;

pub(crate) use self::ignored::Ignored;
pub use self::mask::IgnoreMask;
pub(crate) use self::mosaic::{Mosaic, Tiling};
pub use self::rect::Rect;
pub(crate) use self::seen::Seen;
pub use self::tiles::{MIN_DEFECT, OVERLAP, TileGrid, Tiles, TilesAsked};

/// Part of an upright frame that is looked at, and how it is brought to the network's input.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct View {
    /// How the frame, or its region of interest, is brought to the input.
    pub crop: Crop,
    /// Region of interest: nothing outside is read. `None` is the whole frame.
    pub roi: Option<Rect>,
    /// What is ignored inside.
    #[serde(serialize_with = "IgnoreMask::name")]
    pub ignore: Option<Arc<IgnoreMask>>,
    /// Into how many tiles it is cut, each of which is brought to the input.
    #[serde(skip_serializing_if = "Tiles::is_none")]
    pub tiles: Tiles,
}

/// How a frame is brought to the input of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// [`Self::Aspect`] for frames at least twice as long as wide or as wide as long, else [`Self::Full`].
    #[default]
    Auto,
    /// The whole frame, the input having its aspect and as many pixels as the square: thin things stay as wide as they
    /// are. A bank keeps the aspect of the first frame that it learned; frames of another are squeezed to it.
    Aspect,
    /// The whole frame, squeezed to the square: nothing is left unseen.
    Full,
    /// The whole frame with its aspect ratio kept, centred, the rest filled with the mean colour.
    Letterbox,
    /// As published: resized to 8/7 of the square by plain bilinear interpolation, then the central square. A
    /// border of 1/16 of each side is not seen.
    Paper,
}

/// How many times as long as wide a frame is that keeps its aspect by itself. Those that are less long lose more by fewer
/// rows than by being squeezed (docs/accuracy.md).
const LONG: f64 = 2.0;

impl Crop {
    /// Width / height of the input for frames of that aspect.
    pub(crate) fn aspect_of(self, aspect: f64) -> f64 {
        match self {
            Self::Aspect => aspect,
            Self::Auto if aspect >= LONG || aspect <= 1.0 / LONG => aspect,
            Self::Auto | Self::Full | Self::Letterbox | Self::Paper => 1.0,
        }
    }

    /// Whether the input has an aspect that the frames decide.
    pub(crate) fn follows_frames(self) -> bool {
        matches!(self, Self::Auto | Self::Aspect)
    }

    /// Lower-case name, as files and properties give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Aspect => "aspect",
            Self::Full => "full",
            Self::Letterbox => "letterbox",
            Self::Paper => "paper",
        }
    }
}

impl View {
    /// The whole frame, squeezed to the square, as decoders are trained with.
    pub fn squeezed() -> Self {
        Self { crop: Crop::Full, ..Self::default() }
    }

    /// The view of the upright picture, for one that was given for the frame as it is stored.
    #[must_use]
    pub fn upright(&self, orientation: Orientation) -> Self {
        Self {
            crop: self.crop,
            roi: self.roi.map(|roi| roi.upright(orientation)),
            ignore: self.ignore.as_ref().map(|mask| Arc::new(mask.upright(orientation))),
            tiles: self.tiles.upright(orientation),
        }
    }
}

/// Crop, region, mask and tiles in a few words, for logs.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crop {}, roi {}", self.crop.name(), self.roi.unwrap_or(Rect::WHOLE))?;
        if let Some(mask) = &self.ignore {
            write!(f, ", ignore mask of {}x{}", mask.width(), mask.height())?;
        }
        if self.tiles.is_none() { Ok(()) } else { write!(f, ", tiles {}", self.tiles) }
    }
}
