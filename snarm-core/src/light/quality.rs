//! Whether a frame is good enough to be judged.

use std::fmt;

use serde::{Deserialize, Serialize};
use snarm_kernels::light::{COLOURS, Usual};

use super::seen::{ENDS, Seen, has_detail};
use super::{CELLS, Logs};

/// Light that is so many times less than the darkest learned one.
const DARKER: f32 = 3.0;

/// Detail that is so many times less than that of the least sharp learned frame.
const BLURRED: f32 = 2.5;

/// Detail of a cell that is so many times less than usual, where a frame is blurred.
const SOFT: f32 = 1.6;

/// Luma that is next to white.
const WHITE: f32 = 0.97;

/// Part of the cells that are white beyond what is usual.
const BRIGHT: f32 = 0.5;

/// Part of the usual detail that is next to none, and the part of the detailed cells that have so little where a frame is
/// covered.
const NONE_LEFT: f32 = 0.25;
const MOST_CELLS: f32 = 0.9;

/// Deviations, and logarithm, by which the colour of a cell is another, and the part of all cells that are so where a frame is
/// covered.
const OTHER: f32 = 6.0;
const OTHER_LOG: f32 = 0.1;
const COVERED: f32 = 0.8;

/// Why a frame cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It has less than a third of the light of the darkest learned frame.
    TooDark,
    /// Half of it is white that usually is not.
    TooBright,
    /// It shows the usual colours nearly everywhere, with less than two fifths of the least detail that was learned.
    Blurred,
    /// It shows other colours nearly everywhere, and no detail.
    Covered,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooDark, Self::TooBright, Self::Blurred, Self::Covered];

    /// The word in metadata, messages and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooDark => "too-dark",
            Self::TooBright => "too-bright",
            Self::Blurred => "blurred",
            Self::Covered => "covered",
        }
    }
}

impl Reason {
    /// The reason of that word.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What may drift away from the learned frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Light as a whole: lamp, exposure.
    Light,
    /// Red beside all colours: white balance.
    Red,
    /// Blue beside all colours.
    Blue,
    /// Light at the right edge beside that at the left.
    SlopeX,
    /// Light at the bottom beside that at the top.
    SlopeY,
    /// Detail: focus, dirt on the lens.
    Sharpness,
}

impl Kind {
    /// All of them, in the order of [`Quality::of`].
    pub const ALL: [Self; 6] =
        [Self::Light, Self::Red, Self::Blue, Self::SlopeX, Self::SlopeY, Self::Sharpness];

    /// The word of messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::SlopeX => "slope-x",
            Self::SlopeY => "slope-y",
            Self::Sharpness => "sharpness",
        }
    }

    /// As a multiple of what is usual, by the numbers that a range is made of.
    pub(super) fn multiple(self, numbers: &[f32; ENDS]) -> f64 {
        // Slopes are those from the middle to an edge.
        let log = match self {
            Self::Light => numbers[0],
            Self::Red => numbers[1],
            Self::Blue => numbers[2],
            Self::SlopeX => 2.0 * numbers[COLOURS],
            Self::SlopeY => 2.0 * numbers[2 * COLOURS],
            Self::Sharpness => numbers[ENDS - 1],
        };
        f64::from(log.exp())
    }
}

/// Light and sharpness of a frame beside those of the learned ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Light of what usually stays as it is, as a multiple of what is usual.
    pub light: f64,
    /// Detail, as a multiple of what is usual.
    pub sharpness: f64,
    /// All that may drift, as multiples of what is usual, in the order of [`Kind::ALL`].
    multiples: [f64; Kind::ALL.len()],
    /// Why it cannot be judged, where that is so.
    pub reason: Option<Reason>,
}

impl Quality {
    /// What a kind of drift is, as a multiple of what is usual.
    pub fn of(&self, kind: Kind) -> f64 {
        self.multiples[kind as usize]
    }
}

fn luma(logs: &Logs) -> f32 {
    0.2126 * logs[0].exp() + 0.7152 * logs[1].exp() + 0.0722 * logs[2].exp()
}

/// How many of some things are so.
#[derive(Default)]
struct Part {
    all: usize,
    so: usize,
}

impl Part {
    fn count(&mut self, is_so: bool) {
        self.all += 1;
        self.so += usize::from(is_so);
    }

    fn share(&self) -> f32 {
        self.so as f32 / self.all.max(1) as f32
    }
}

/// Whether a cell shows another colour than usual.
fn is_other(own: &Logs, usual: &Usual) -> bool {
    (0..COLOURS).any(|colour| {
        let difference = (own[colour] - usual.median[colour]).abs();
        difference > OTHER * usual.spread(colour) && difference > OTHER_LOG
    })
}

/// Whether a cell has its colour, in the light of its tile, and not its detail.
fn is_blurred(own: &Logs, usual: &Usual, seen: &Seen) -> bool {
    let colours = (0..COLOURS).all(|colour| {
        let rest = own[colour] - usual.median[colour] - seen.planes[colour].level;
        rest.abs() <= OTHER * usual.spread(colour)
    });
    colours && own[3] - usual.median[3] - seen.level() < -SOFT.ln()
}

/// From the tiles of a frame (what they show, what is usual, how they were seen), and level and sharpness at the ends of the
/// learned range.
pub(super) fn of<'a>(
    tiles: impl Iterator<Item = ([Logs; CELLS], &'a [Usual], Seen)>,
    [low, _]: [(f32, f32); 2],
) -> Quality {
    let (mut count, mut level, mut sharpness) = (0.0_f32, 0.0, 0.0);
    let mut numbers = [0.0_f32; ENDS];
    let [mut white, mut other, mut plain, mut blurred] = [(); 4].map(|()| Part::default());
    for (own, usual, seen) in tiles {
        count += 1.0;
        level += seen.level();
        sharpness += seen.sharpness;
        numbers.iter_mut().zip(seen.numbers()).for_each(|(sum, number)| *sum += number);
        for (own, usual) in own.iter().zip(usual) {
            white.count(luma(own) >= WHITE && luma(&usual.median) < WHITE);
            other.count(is_other(own, usual));
            if has_detail(usual) {
                plain.count(own[3] - usual.median[3] < NONE_LEFT.ln());
                // Blur takes the detail of all cells and keeps their colours; a part that is missing does neither.
                blurred.count(is_blurred(own, usual, &seen));
            }
        }
    }
    let (level, sharpness) = (level / count.max(1.0), sharpness / count.max(1.0));
    let reason = if level < low.0 - DARKER.ln() {
        Some(Reason::TooDark)
    } else if white.share() > BRIGHT {
        Some(Reason::TooBright)
    } else if other.share() >= COVERED && plain.share() >= MOST_CELLS {
        Some(Reason::Covered)
    } else if sharpness < low.1 - BLURRED.ln() && blurred.share() >= MOST_CELLS {
        Some(Reason::Blurred)
    } else {
        None
    };
    let numbers = numbers.map(|sum| sum / count.max(1.0));
    let multiples = Kind::ALL.map(|kind| kind.multiple(&numbers));
    Quality { light: f64::from(level.exp()), sharpness: f64::from(sharpness.exp()), multiples, reason }
}

#[cfg(test)]
mod tests {
    use snarm_kernels::light::Cell;

    use super::super::Light;
    use super::*;

    /// A plain backdrop with a part of much detail in the middle, and a little noise of frame `i`.
    fn frame(i: usize) -> Vec<Cell> {
        let cell = |cell: usize| {
            let is_part = (2..6).contains(&(cell % 8)) && (2..6).contains(&(cell / 8));
            let noise = 0.002 * ((7 * i + 3 * cell) % 5) as f32;
            let colour = if is_part { 0.3 } else { 0.6 } + noise;
            Cell { colours: [colour; 3], detail: if is_part { 0.05 } else { 0.006 } + noise * 0.1 }
        };
        (0..CELLS).map(cell).collect()
    }

    fn learned() -> Light {
        let frames: Vec<Vec<Cell>> = (0..10).map(frame).collect();
        Light::of(&frames.iter().map(|frame| &frame[..]).collect::<Vec<_>>()).unwrap()
    }

    fn changed(change: impl Fn(usize, &mut Cell)) -> Quality {
        let mut cells = frame(3);
        cells.iter_mut().enumerate().for_each(|(at, cell)| change(at, cell));
        let light = learned();
        let (seen, _) = light.see(0, &cells).unwrap();
        light.quality(&cells, &[(0, seen)])
    }

    fn lit(by: f32) -> Quality {
        changed(|_, cell| {
            cell.colours = cell.colours.map(|colour| (by * colour).min(1.0));
            cell.detail *= by;
        })
    }

    #[test]
    fn frames_like_the_learned_ones_can_be_judged() {
        let found = changed(|_, _| {});
        assert!(found.reason.is_none() && (found.light - 1.0).abs() < 0.02, "{found:?}");
        assert!((found.sharpness - 1.0).abs() < 0.05, "{found:?}");
        for by in [0.5, 0.8, 1.2] {
            let found = lit(by);
            assert!(
                found.reason.is_none() && (found.light / f64::from(by) - 1.0).abs() < 0.02,
                "{by} {found:?}"
            );
        }
    }

    #[test]
    fn each_kind_of_drift_shows_in_its_own_number() {
        // The factor of the last column beside the first, of the last row beside the first, of colours, and of detail.
        let usual = |kind: Kind| if kind == Kind::Sharpness { 0.97..1.03 } else { 0.98..1.02 };
        let along = |at: usize| (at as f32 + 0.5) / 8.0 - 0.5;
        type Change = fn(f32, f32) -> [f32; 4];
        let cases: [(&[(Kind, f64)], Change); 5] = [
            (&[], |_, _| [1.0; 4]),
            (&[(Kind::Red, 1.08), (Kind::Blue, 0.92)], |_, _| [1.08, 1.0, 0.92, 1.0]),
            (&[(Kind::SlopeX, 0.8)], |x, _| [0.8_f32.powf(x); 4]),
            (&[(Kind::SlopeY, 1.2)], |_, y| [1.2_f32.powf(y); 4]),
            (&[(Kind::Sharpness, 0.7)], |_, _| [1.0, 1.0, 1.0, 0.7]),
        ];
        for (expected, change) in cases {
            let found = changed(|at, cell| {
                let by = change(along(at % 8), along(at / 8));
                cell.colours.iter_mut().zip(by).for_each(|(colour, by)| *colour *= by);
                cell.detail *= by[3];
            });
            for kind in Kind::ALL {
                let number = found.of(kind);
                match expected.iter().find(|(other, _)| *other == kind) {
                    Some((_, by)) => {
                        assert!((number / by - 1.0).abs() < 0.03, "{}: {number}, {by}", kind.name())
                    }
                    None => {
                        assert!(usual(kind).contains(&number), "{}: {number} in {expected:?}", kind.name())
                    }
                }
            }
            assert_eq!((found.of(Kind::Light), found.of(Kind::Sharpness)), (found.light, found.sharpness));
        }
        let light = learned();
        for kind in Kind::ALL {
            let (low, high) = light.range_of(kind);
            let is_narrow = (0.9..1.02).contains(&low) && (0.98..1.1).contains(&high) && low <= high;
            assert!(is_narrow, "{}: {low} {high}", kind.name());
        }
        assert_eq!(light.range_of(Kind::Light), light.range());
    }

    #[test]
    fn too_little_and_too_much_light_are_named() {
        assert_eq!(lit(0.2).reason, Some(Reason::TooDark));
        assert_eq!(lit(5.0).reason, Some(Reason::TooBright));
    }

    #[test]
    fn blur_takes_detail_and_leaves_colours() {
        let found = changed(|_, cell| cell.detail *= 0.3);
        assert_eq!(found.reason, Some(Reason::Blurred), "{found:?}");
        assert_eq!(changed(|_, cell| cell.detail *= 0.6).reason, None);
    }

    #[test]
    fn a_hand_over_the_lens_covers_the_frame() {
        let hand = |_: usize, cell: &mut Cell| *cell = Cell { colours: [0.4, 0.25, 0.2], detail: 0.001 };
        assert_eq!(changed(hand).reason, Some(Reason::Covered));
    }

    #[test]
    fn missing_and_strange_parts_are_for_the_detector() {
        let is_part = |at: usize| (2..6).contains(&(at % 8)) && (2..6).contains(&(at / 8));
        let missing = |at: usize, cell: &mut Cell| {
            if is_part(at) {
                *cell = Cell { colours: [0.6; 3], detail: 0.006 };
            }
        };
        assert_eq!(changed(missing).reason, None);
        let third = |at: usize, cell: &mut Cell| {
            if at < CELLS / 3 {
                *cell = Cell { colours: [0.05; 3], detail: 0.1 };
            }
        };
        let found = changed(third);
        assert!(found.reason.is_none() && (found.light - 1.0).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn reasons_are_one_word_everywhere() {
        for reason in Reason::ALL {
            assert_eq!(Reason::named(reason.name()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        assert_eq!(Reason::named("dark"), None);
    }
}
