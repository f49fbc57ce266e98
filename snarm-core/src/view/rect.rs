//! Rectangles in fractions of a frame.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use snarm_kernels::frame::Orientation;

use crate::error::Error;

/// The least side of a region of interest: a pixel of the largest frame that GStreamer has.
const THINNEST: f64 = 1.0 / 32_768.0;

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

    /// Whether it is a part of the frame, or all of it: no side empty or thinner than a pixel could be, no edge outside.
    pub fn is_inside_frame(&self) -> bool {
        let inside =
            |start: f64, length: f64| start >= 0.0 && length >= THINNEST && start + length <= 1.0 + 1e-9;
        inside(self.x, self.w) && inside(self.y, self.h)
    }

    /// A region of interest; `None` for the whole frame.
    pub fn into_roi(self) -> Option<Self> {
        (self != Self::WHOLE).then_some(self)
    }

    /// Where a frame of this orientation stores this part of its upright picture.
    #[must_use]
    pub fn stored(self, orientation: Orientation) -> Self {
        let [(x, w), (y, h)] = orientation.stored((self.x, self.w, 1.0), (self.y, self.h, 1.0));
        // What rounding leaves of an edge of the frame.
        let edge = |at: f64| if at.abs() < 1e-12 { 0.0 } else { at };
        Self { x: edge(x), y: edge(y), w, h }
    }

    /// Where the upright picture of a frame of this orientation has this part of the frame.
    #[must_use]
    pub fn upright(self, orientation: Orientation) -> Self {
        self.stored(orientation.inverse())
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
    fn parts_of_a_turned_frame_lie_where_they_are_seen() {
        let rect = Rect { x: 0.0, y: 0.25, w: 0.5, h: 0.125 };
        // The upper part of the left half of a frame that lies on its left side is on the right when it stands.
        let expected = Rect { x: 0.625, y: 0.0, w: 0.125, h: 0.5 };
        assert_eq!(rect.upright(Orientation::ROTATE_90), expected);
        for orientation in Orientation::all() {
            let upright = rect.upright(orientation);
            assert!(upright.is_inside_frame(), "{upright}");
            assert_eq!(upright.stored(orientation), rect, "{orientation:?}");
        }
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
            "0,0,1e-300,1",
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
