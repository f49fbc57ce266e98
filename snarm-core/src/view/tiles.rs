//! Into how many tiles the seen part of a frame is cut. Each is brought to the network's input by itself, so that small
//! things stay large enough to be seen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;
use snarm_kernels::frame::Orientation;

use crate::error::{Error, Result};

/// Part of a tile that it shares with its neighbour, unless told otherwise: five cells of 40.
pub const OVERLAP: f64 = 0.125;

/// Pixels of the smallest defect wanted, where tiles are cut by themselves and nothing else is said.
pub const MIN_DEFECT: f64 = 8.0;

/// Pixels of the network's input that the smallest defect must have along each side to be found (docs/tiles.md).
const NEEDED: f64 = 2.4;

/// The most tiles of a frame, and along one side of it.
const MOST: usize = 64;
/// See [`MOST`].
const MOST_OF_SIDE: usize = 16;

/// Into how many tiles the seen part of a frame is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tiles {
    /// Into none: all of it is brought to the input as a whole.
    #[default]
    None,
    /// As many as it takes for a defect of `min_defect` pixels of the frame to be seen. A bank keeps what that makes of the
    /// first frame that it learned.
    Auto {
        /// Length of the smallest defect wanted, in pixels of the frame.
        min_defect: f64,
        /// Part of a tile that it shares with its neighbour.
        overlap: f64,
    },
    /// So many.
    Grid(TileGrid),
}

/// Tiles of one size in columns and rows, which share a part with their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileGrid {
    /// Columns of tiles.
    pub columns: usize,
    /// Rows of tiles.
    pub rows: usize,
    /// Part of a tile, along each side, that it shares with its neighbour: 0 to 0.5.
    pub overlap: f64,
}

impl TileGrid {
    /// All as one.
    pub(crate) const WHOLE: Self = Self { columns: 1, rows: 1, overlap: 0.0 };

    /// Number of tiles.
    pub fn count(self) -> usize {
        self.columns * self.rows
    }

    /// Whether there are so many columns and rows, and tiles share so much.
    pub(crate) fn is_sane(self) -> bool {
        let side = 1..=MOST_OF_SIDE;
        side.contains(&self.columns)
            && side.contains(&self.rows)
            && self.count() <= MOST
            && (0.0..=0.5).contains(&self.overlap)
    }
}

/// Columns before rows, as they are written.
impl fmt::Display for TileGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} with an overlap of {}", self.columns, self.rows, self.overlap)
    }
}

impl Tiles {
    /// Whether frames are looked at as a whole.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The columns and rows of tiles of a part of a frame of `width` x `height` pixels, for a network whose square input has
    /// `side` pixels.
    ///
    /// # Errors
    /// When the smallest defect wanted is too small for such frames, or columns, rows or overlap are out of range.
    pub(crate) fn grid(self, width: usize, height: usize, side: usize) -> Result<TileGrid> {
        match self {
            Self::None => Ok(TileGrid::WHOLE),
            Self::Grid(grid) if grid.is_sane() => Ok(grid),
            Self::Grid(grid) => Err(wrong("tiles", format!("{WANTED}, sharing 0 to 0.5"), grid.to_string())),
            Self::Auto { min_defect, overlap } => {
                let of = |min_defect: f64| {
                    let longest = side as f64 * min_defect / NEEDED;
                    let number = |length: usize| fewest(length as f64, longest, overlap);
                    TileGrid { columns: number(width), rows: number(height), overlap }
                };
                let grid = of(min_defect);
                if grid.is_sane() {
                    return Ok(grid);
                }
                let least = (1..).map(f64::from).find(|least| of(*least).is_sane()).unwrap_or(f64::INFINITY);
                let expected = format!(
                    "at least {least} pixels for frames of {width}x{height}, which make {MOST} tiles at most"
                );
                Err(wrong("min-defect", expected, min_defect.to_string()))
            }
        }
    }

    /// What was given for the frame as it is stored, for the upright picture.
    #[must_use]
    pub(super) fn upright(self, orientation: Orientation) -> Self {
        match self {
            Self::Grid(TileGrid { columns, rows, overlap }) => {
                let Grid { rows, columns } = orientation.grid(Grid { rows, columns });
                Self::Grid(TileGrid { columns, rows, overlap })
            }
            other => other,
        }
    }
}

/// The fewest stretches of at most `longest` that share a part of each with the next and cover `length`.
fn fewest(length: f64, longest: f64, overlap: f64) -> usize {
    if length <= longest {
        return 1;
    }
    // So many are n - (n - 1) overlap times as long as one.
    ((length / longest - overlap) / (1.0 - overlap)).ceil() as usize
}

impl fmt::Display for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Auto { min_defect, .. } => write!(f, "auto for defects of {min_defect} pixels"),
            Self::Grid(grid) => grid.fmt(f),
        }
    }
}

/// What is expected of a number of tiles.
const WANTED: &str = "none, auto or COLUMNSxROWS, 1 to 16 each and at most 64 tiles";

fn wrong(name: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Error {
    Error::Setting { name, expected: expected.into(), found: found.into() }
}

/// What is asked of tiles; what is left open is as it was, as a bank was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TilesAsked {
    number: Option<Number>,
    overlap: Option<f64>,
}

/// How many tiles are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    None,
    Auto(f64),
    Of(usize, usize),
}

impl FromStr for Number {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = match text {
            "none" => Some(Self::None),
            "auto" => Some(Self::Auto(MIN_DEFECT)),
            _ => text.split_once('x').and_then(|(columns, rows)| {
                let (columns, rows) = (columns.parse().ok()?, rows.parse().ok()?);
                TileGrid { columns, rows, overlap: 0.0 }.is_sane().then_some(Self::Of(columns, rows))
            }),
        };
        found.ok_or_else(|| wrong("tiles", WANTED, format!("'{text}'")))
    }
}

impl TilesAsked {
    /// From the texts and numbers of settings: `none`, `auto` or `CxR`; the part of a tile that it shares with its neighbour;
    /// and the smallest defect wanted, in pixels of the frame, which asks for `auto` by itself.
    ///
    /// # Errors
    /// When one of them is out of range, or the smallest defect wanted stands beside a number of tiles that it does not decide.
    pub fn new(tiles: Option<&str>, overlap: Option<f64>, min_defect: Option<f64>) -> Result<Self> {
        let number = tiles.map(Number::from_str).transpose()?;
        if let Some(overlap) = overlap.filter(|overlap| !(0.0..=0.5).contains(overlap)) {
            return Err(wrong("tile-overlap", "0 to 0.5 of a tile", overlap.to_string()));
        }
        let number = match (number, min_defect) {
            (number, None) => number,
            (_, Some(least)) if !(least > 0.0 && least.is_finite()) => {
                return Err(wrong("min-defect", "a positive number of pixels", least.to_string()));
            }
            (None | Some(Number::Auto(_)), Some(least)) => Some(Number::Auto(least)),
            (Some(_), Some(_)) => {
                let found = format!("tiles {}", tiles.unwrap_or_default());
                return Err(wrong("min-defect", "tiles auto beside it, which it decides on", found));
            }
        };
        Ok(Self { number, overlap })
    }

    /// What is asked, and of `base` what is left open. `auto` leaves the number of tiles to a base that has some.
    pub fn over(self, base: Tiles) -> Tiles {
        let known = match base {
            Tiles::None => None,
            Tiles::Auto { overlap, .. } | Tiles::Grid(TileGrid { overlap, .. }) => Some(overlap),
        };
        let overlap = self.overlap.or(known).unwrap_or(OVERLAP);
        match (self.number, base) {
            (Some(Number::None), _) | (None, Tiles::None) => Tiles::None,
            (Some(Number::Of(1, 1)), _) => Tiles::None,
            (Some(Number::Of(columns, rows)), _) => Tiles::Grid(TileGrid { columns, rows, overlap }),
            (_, Tiles::Grid(grid)) => Tiles::Grid(TileGrid { overlap, ..grid }),
            (Some(Number::Auto(min_defect)), _) | (None, Tiles::Auto { min_defect, .. }) => {
                Tiles::Auto { min_defect, overlap }
            }
        }
    }

    /// What was asked for the frame as it is stored, for the upright picture.
    #[must_use]
    pub fn upright(self, orientation: Orientation) -> Self {
        let number = match self.number {
            Some(Number::Of(columns, rows)) => {
                let Grid { rows, columns } = orientation.grid(Grid { rows, columns });
                Some(Number::Of(columns, rows))
            }
            number => number,
        };
        Self { number, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tiles: &str) -> TilesAsked {
        TilesAsked::new(Some(tiles), None, None).unwrap()
    }

    fn grid(columns: usize, rows: usize, overlap: f64) -> Tiles {
        Tiles::Grid(TileGrid { columns, rows, overlap })
    }

    #[test]
    fn what_is_asked_stands_before_what_a_bank_has() {
        let bank = grid(3, 2, 0.25);
        assert_eq!(TilesAsked::default().over(bank), bank);
        assert_eq!(asked("auto").over(bank), bank, "auto is left to the bank");
        assert_eq!(asked("none").over(bank), Tiles::None);
        assert_eq!(asked("4x1").over(bank), grid(4, 1, 0.25));
        assert_eq!(TilesAsked::new(None, Some(0.0), None).unwrap().over(bank), grid(3, 2, 0.0));
        assert_eq!(asked("1x1").over(bank), Tiles::None);
        assert_eq!(asked("2x2").over(Tiles::None), grid(2, 2, OVERLAP));
        assert_eq!(TilesAsked::new(None, Some(0.25), None).unwrap().over(Tiles::None), Tiles::None);
        let auto = |min_defect| Tiles::Auto { min_defect, overlap: OVERLAP };
        assert_eq!(asked("auto").over(Tiles::None), auto(MIN_DEFECT));
        for tiles in [None, Some("auto")] {
            assert_eq!(TilesAsked::new(tiles, None, Some(4.0)).unwrap().over(Tiles::None), auto(4.0));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_was_given() {
        for text in ["", "3", "x", "0x1", "17x1", "9x8", "2x2x2", "two", "2 x 2", "-1x2"] {
            let error = TilesAsked::new(Some(text), None, None).unwrap_err().to_string();
            assert!(error.ends_with(&format!("at most 64 tiles, found '{text}'")), "{error}");
        }
        for (overlap, found) in [(-0.1, "-0.1"), (0.6, "0.6"), (f64::NAN, "NaN")] {
            let error = TilesAsked::new(None, Some(overlap), None).unwrap_err().to_string();
            assert_eq!(error, format!("tile-overlap: expected 0 to 0.5 of a tile, found {found}"));
        }
        let error = TilesAsked::new(Some("2x2"), None, Some(4.0)).unwrap_err().to_string();
        assert_eq!(error, "min-defect: expected tiles auto beside it, which it decides on, found tiles 2x2");
        assert!(TilesAsked::new(None, None, Some(0.0)).is_err());
    }

    #[test]
    fn there_are_as_many_tiles_as_small_defects_need() {
        let auto = |min_defect, overlap| Tiles::Auto { min_defect, overlap }.grid(1920, 1080, 320);
        let sizes = |grid: TileGrid| (grid.columns, grid.rows);
        assert_eq!(sizes(auto(40.0, 0.0).unwrap()), (1, 1));
        for (min_defect, overlap) in [(20.0, 0.125), (8.0, 0.0), (8.0, 0.5), (4.0, 0.125), (3.0, 0.25)] {
            let found = auto(min_defect, overlap).unwrap();
            let seen = |length: f64, number: usize| {
                let number = number as f64;
                min_defect * 320.0 * (number - (number - 1.0) * overlap) / length
            };
            for (length, number) in [(1920.0, found.columns), (1080.0, found.rows)] {
                assert!(seen(length, number) >= NEEDED - 1e-9, "{min_defect} {overlap}: {found}");
                assert!(number == 1 || seen(length, number - 1) < NEEDED, "{min_defect} {overlap}: {found}");
            }
        }
        let error = auto(1.0, 0.125).unwrap_err().to_string();
        assert!(
            error.starts_with("min-defect: expected at least 2 pixels for frames of 1920x1080"),
            "{error}"
        );
    }

    #[test]
    fn tiles_of_a_turned_frame_turn_with_it() {
        let tall = Tiles::Grid(TileGrid { columns: 1, rows: 3, overlap: 0.1 });
        assert_eq!(tall.upright(Orientation::ROTATE_90), grid(3, 1, 0.1));
        assert_eq!(tall.upright(Orientation::UPRIGHT), tall);
        assert_eq!(asked("1x3").upright(Orientation::ROTATE_90), asked("3x1"));
    }
}
