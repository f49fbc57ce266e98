//! Where the network looks: how a frame is brought to the network's square, and which part of the frame the
//! square shows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ignore::IgnoreMask;

/// Part of a frame that is looked at, and how it is brought to the network's square.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// How the frame, or its region of interest, is brought to the square.
    pub crop: Crop,
    /// Region of interest: nothing outside is read. `None` is the whole frame.
    pub roi: Option<Rect>,
    /// What is ignored inside.
    pub ignore: Option<Arc<IgnoreMask>>,
}

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

/// Crop, region and mask in a few words, for logs.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crop {}, roi {}", self.crop.name(), self.roi.unwrap_or(Rect::WHOLE))?;
        match &self.ignore {
            Some(mask) => write!(f, ", ignore mask of {}x{}", mask.width(), mask.height()),
            None => Ok(()),
        }
    }
}

impl Rect {
    /// The whole frame.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };

    /// Whether it is a part of the frame, or all of it: no side empty, no edge outside.
    pub fn is_inside_frame(&self) -> bool {
        let inside = |start: f64, length: f64| start >= 0.0 && length > 0.0 && start + length <= 1.0 + 1e-9;
        inside(self.x, self.w) && inside(self.y, self.h)
    }

    /// A region of interest; `None` for the whole frame.
    pub fn into_roi(self) -> Option<Self> {
        (self != Self::WHOLE).then_some(self)
    }
}

/// `x,y,w,h`, as a region of interest is written.
impl FromStr for Rect {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers: Vec<f64> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
        if let ([x, y, w, h], 4) = (&numbers[..], text.split(',').count()) {
            let rect = Self { x: *x, y: *y, w: *w, h: *h };
            if rect.is_inside_frame() {
                return Ok(rect);
            }
        }
        let expected = "x,y,w,h in fractions of the frame, a part of it that is not empty".to_owned();
        Err(Error::Setting { name: "roi", expected, found: format!("'{text}'") })
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, w, h } = self;
        write!(f, "{x},{y},{w},{h}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_of_interest_is_read_and_written() {
        let rect: Rect = " 0.25,0.5, 0.5,0.125".parse().unwrap();
        assert_eq!(rect, Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.125 });
        assert_eq!(rect.to_string().parse::<Rect>().unwrap(), rect);
        assert_eq!("0.1,0.2,0.9,0.8".parse::<Rect>().unwrap().into_roi().map(|r| r.h), Some(0.8));
        assert!("0,0,1,1".parse::<Rect>().unwrap().into_roi().is_none());
    }

    #[test]
    fn what_is_no_part_of_the_frame_is_refused_with_what_was_given() {
        let bad = [
            "",
            "0,0,1",
            "0,0,1,1,1",
            "0.5,0,0.6,1",
            "-0.1,0,0.5,1",
            "0,0,0,1",
            "nan,0,1,1",
            "a,0,1,1",
            "0,0,inf,1",
        ];
        for text in bad {
            let error = text.parse::<Rect>().unwrap_err().to_string();
            assert!(
                error.starts_with("roi: expected x,y,w,h") && error.ends_with(&format!("found '{text}'")),
                "{error}"
            );
        }
    }
}
