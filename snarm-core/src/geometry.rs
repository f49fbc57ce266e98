//! Where the network looks: how a frame is brought to the network's square, and which part of the frame the
//! square shows.

use serde::{Deserialize, Serialize};

/// How a frame is brought to the square input of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crop {
    /// The whole frame, squeezed to the square: nothing is left unseen.
    #[default]
    Full,
    /// The whole frame with its aspect ratio kept, centred, the rest filled with the mean colour.
    Letterbox,
    /// As published: resized to 8/7 of the square by plain bilinear interpolation, then the central square. A
    /// border of 1/16 of each side is not seen.
    Paper,
}

impl Crop {
    /// Lower-case name, as files and properties give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Letterbox => "letterbox",
            Self::Paper => "paper",
        }
    }
}

/// A rectangle in fractions of the frame, from its upper left corner.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// The whole frame.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
}
