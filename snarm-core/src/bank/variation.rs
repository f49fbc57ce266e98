//! What varies among good frames: the sets of views by which frames become more like each other.
//!
//! A few pictures of the stream are asked. Each is compared with the others as a frame is with a bank that does not know it: how
//! far its hardest places are from the three nearest descriptors of the others, and how far where the others are seen in a set of
//! views, too. A set that brings them nearer shows what good frames do: they come in other light, lie a little beside their
//! place, or in any turn. Distances are those to all descriptors, before any are thinned.

use std::fmt;

use snarm_kernels::nearest::{self, Filter, Workspace, nearest, squared_norms};

use crate::dataset::Picture;
use crate::error::Result;
use crate::synthetic::augmentation::Views;

/// The most pictures that are asked, and the fewest that say anything.
pub(super) const MOST_PICTURES: usize = 12;
/// See [`MOST_PICTURES`].
pub(super) const FEWEST_PICTURES: usize = 4;

/// The most bytes of pictures that are kept where there are more than [`FEWEST_PICTURES`] of them.
const MOST_BYTES: usize = 160 << 20;

/// What a set has to lower the logarithm of the median picture's distance by.
const MARGIN: f64 = 0.1;

/// The sets that are tried.
const SETS: [Views; 3] = [Views::Light, Views::Pose, Views::Turns];

/// The most descriptors of a picture that are compared, evenly spread over it.
const MOST_ROWS: usize = 2048;

/// One in so many places is hard.
const HARD: usize = 4;

/// One in so many hard places counts: with [`HARD`] the highest sixty-fourth part of all.
const HIGHEST: usize = 16;

/// Descriptors that a place is compared with, as a token is in a bank.
const NEAREST: usize = 3;

/// Views that were learned though none were asked for, or those that the frames asked for, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenViews {
    /// The sets that are learned.
    pub sets: Vec<Views>,
    /// The frames that were asked.
    pub frames: usize,
    /// For each set that was tried by itself, the part by which it lowers what a frame differs from the others, 0..1. None
    /// where the frames are too few to tell.
    pub lower: Vec<(Views, f64)>,
}

/// Such as `views: turns learned; among 12 frames views make one that much more like the others: light 2 %, pose 4 %, turns
/// 31 %`.
impl fmt::Display for ChosenViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sets, frames, lower } = self;
        write!(f, "views: {} learned; ", names(sets))?;
        if lower.is_empty() {
            let asked = if *frames == 1 { "one good frame alone does" } else { "so few good frames do" };
            return write!(
                f,
                "{asked} not say how others differ: expected {FEWEST_PICTURES}, found {frames}"
            );
        }
        let least = 100.0 * (1.0 - (-MARGIN).exp());
        write!(
            f,
            "expected views that make one of {frames} frames more like the others by {least:.0} %, found"
        )?;
        for (at, (set, part)) in lower.iter().enumerate() {
            write!(f, "{} {} {:.0} %", if at == 0 { "" } else { "," }, set.name(), 100.0 * part)?;
        }
        Ok(())
    }
}

/// The names of sets of views, such as `light+turns`; `none` of none.
pub(super) fn names(sets: &[Views]) -> String {
    let names: Vec<&str> = sets.iter().map(|set| set.name()).collect();
    if names.is_empty() { Views::None.name().to_owned() } else { names.join("+") }
}

/// How many pictures of so many bytes each are kept.
pub(super) fn most_pictures(bytes: usize) -> usize {
    (MOST_BYTES / bytes.max(1)).clamp(FEWEST_PICTURES, MOST_PICTURES)
}

/// Some descriptors of a picture.
pub(super) struct Encoded {
    width: usize,
    rows: Vec<f32>,
    norms: Vec<f32>,
}

impl Encoded {
    /// Of descriptors of that width, but for the tokens that `ignored` names (empty: none).
    pub(super) fn of(descriptors: &[f32], width: usize, ignored: &[bool]) -> Result<Self> {
        let tokens = descriptors.chunks_exact(width).enumerate();
        let seen: Vec<&[f32]> = tokens
            .filter(|(token, _)| !ignored.get(*token).copied().unwrap_or(false))
            .map(|(_, row)| row)
            .collect();
        let step = seen.len().div_ceil(MOST_ROWS).max(1);
        let rows: Vec<f32> = seen.into_iter().step_by(step).flatten().copied().collect();
        let mut norms = vec![0.0; rows.len() / width];
        squared_norms(&rows[..], width, &mut norms[..])?;
        Ok(Self { width, rows, norms })
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.rows[at * self.width..][..self.width]
    }
}

/// Squared distances of places to the nearest descriptors, nearest first.
type Near = Vec<[f32; NEAREST]>;

/// The nearest of both.
fn nearer(a: &[f32; NEAREST], b: &[f32; NEAREST]) -> [f32; NEAREST] {
    let mut both = [f32::INFINITY; 2 * NEAREST];
    both[..NEAREST].copy_from_slice(a);
    both[NEAREST..].copy_from_slice(b);
    both.sort_by(f32::total_cmp);
    let mut nearest = [0.0; NEAREST];
    nearest.copy_from_slice(&both[..NEAREST]);
    nearest
}

fn both(a: &Near, b: &Near) -> Near {
    a.iter().zip(b).map(|(a, b)| nearer(a, b)).collect()
}

/// Lets the queries of a picture hear of the descriptors of another one.
fn compare(queries: &[f32], other: &Encoded, near: &mut Near, workspace: &mut Workspace) -> Result<()> {
    let (mut indices, mut squares) = (vec![0; near.len() * NEAREST], vec![0.0; near.len() * NEAREST]);
    let rows = nearest::Rows { data: &other.rows[..], norms: &other.norms[..] };
    let (i, s) = (&mut indices[..], &mut squares[..]);
    snarm_kernels::threads::install(|| {
        nearest(queries, other.width, rows, Filter::default(), NEAREST, workspace, i, s)
    })??;
    for (near, found) in near.iter_mut().zip(squares.as_chunks::<NEAREST>().0) {
        *near = nearer(near, found);
    }
    Ok(())
}

/// What the nearest descriptors of a place are away.
fn distance(near: &[f32; NEAREST]) -> f64 {
    near.iter().map(|square| f64::from(*square).sqrt()).sum::<f64>() / NEAREST as f64
}

/// The logarithm of what the hardest places are away.
fn score(near: &Near) -> f64 {
    let mut distances: Vec<f64> = near.iter().map(distance).filter(|d| d.is_finite()).collect();
    distances.sort_by(|a, b| b.total_cmp(a));
    distances.truncate((distances.len() / HIGHEST).max(1));
    (distances.iter().sum::<f64>() / distances.len().max(1) as f64).max(f64::MIN_POSITIVE).ln()
}

/// How much lower the median picture scores.
fn gain(before: &[Near], after: &[Near]) -> f64 {
    let mut gains: Vec<f64> = before.iter().zip(after).map(|(b, a)| score(b) - score(a)).collect();
    gains.sort_by(f64::total_cmp);
    let middle = |at: usize| gains.get(at).copied().unwrap_or_default();
    (middle(gains.len() / 2) + middle(gains.len().saturating_sub(1) / 2)) / 2.0
}

/// Finds the sets of views that bring pictures nearer to each other, the one that does it most first; another one has to do so
/// beside it. `encode` gives the descriptors of a picture; `step` hears how many are encoded, of how many.
pub(super) fn find(
    pictures: &[&Picture],
    encode: &mut dyn FnMut(&Picture) -> Result<Encoded>,
    step: &mut dyn FnMut(usize, usize),
) -> Result<ChosenViews> {
    let views: usize = SETS.iter().map(|set| set.list().len()).sum();
    let (mut done, total) = (0, pictures.len() * (1 + views));
    let mut encode = |picture: &Picture| {
        step(done, total);
        done += 1;
        encode(picture)
    };
    let mut workspace = Workspace::default();
    let plain = pictures.iter().map(|picture| encode(picture)).collect::<Result<Vec<_>>>()?;
    let (mut queries, mut known) = (Vec::new(), Vec::new());
    for (at, picture) in plain.iter().enumerate() {
        let mut near: Near = vec![[f32::INFINITY; NEAREST]; picture.norms.len()];
        for (_, other) in plain.iter().enumerate().filter(|(other, _)| *other != at) {
            compare(&picture.rows, other, &mut near, &mut workspace)?;
        }
        let mut hardest: Vec<usize> = (0..near.len()).collect();
        hardest.sort_by(|a, b| distance(&near[*b]).total_cmp(&distance(&near[*a])));
        hardest.truncate((hardest.len() / HARD).max(1));
        queries.push(hardest.iter().flat_map(|at| picture.row(*at)).copied().collect::<Vec<f32>>());
        known.push(hardest.iter().map(|at| near[*at]).collect::<Near>());
    }
    let mut by_views = Vec::new();
    for set in SETS {
        let mut near: Vec<Near> =
            known.iter().map(|near| vec![[f32::INFINITY; NEAREST]; near.len()]).collect();
        for (at, picture) in pictures.iter().enumerate() {
            for view in set.list() {
                let seen = encode(&view.of(picture))?;
                let others = queries.iter().zip(&mut near).enumerate().filter(|(other, _)| *other != at);
                for (_, (queries, near)) in others {
                    compare(queries, &seen, near, &mut workspace)?;
                }
            }
        }
        by_views.push((set, near));
    }
    let with = |known: &[Near], near: &[Near]| -> Vec<Near> {
        known.iter().zip(near).map(|(known, near)| both(known, near)).collect()
    };
    let part = |(set, near): &(Views, Vec<Near>)| (*set, 1.0 - (-gain(&known, &with(&known, near))).exp());
    let lower = by_views.iter().map(part).collect();
    let (mut sets, mut now) = (Vec::new(), known.clone());
    while let Some((most, at)) = by_views
        .iter()
        .enumerate()
        .map(|(at, (_, near))| (gain(&now, &with(&now, near)), at))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(most, _)| *most > MARGIN)
    {
        let (set, near) = by_views.swap_remove(at);
        tracing::debug!(?set, most, "views bring frames nearer to each other");
        now = with(&now, &near);
        sets.push(set);
    }
    step(total, total);
    Ok(ChosenViews { sets, frames: pictures.len(), lower })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::augmentation::Augmentation;

    const SIDE: usize = 48;

    /// A round part whose surface looks like itself nowhere else, on an even ground; a little noise is another in every picture.
    fn part(number: usize) -> Picture {
        let level = |at: usize| {
            let (x, y) = ((at % SIDE) as f32 - 23.5, (at / SIDE) as f32 - 23.5);
            let surface = 45.0 * (0.5 * x + 0.01 * y * y).sin() + 45.0 * (0.4 * y + 0.02 * x * y).cos();
            let mixed = (at + 10_000 * number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
            let inside = (21.0 - x.hypot(y)).clamp(0.0, 1.0);
            (60.0 + inside * (60.0 + surface + mixed as f32 / 8.0)) as u8
        };
        Picture { data: (0..SIDE * SIDE).flat_map(|at| [level(at); 3]).collect(), width: SIDE, height: SIDE }
    }

    /// Descriptors are the grey levels of 6 x 6 pixels.
    fn encode(picture: &Picture) -> Result<Encoded> {
        let cells = (0..64).flat_map(|cell| {
            let corner = cell / 8 * 6 * SIDE + cell % 8 * 6;
            (0..36).map(move |at| corner + at / 6 * SIDE + at % 6)
        });
        let rows: Vec<f32> = cells.map(|at| f32::from(picture.data[3 * at]) / 255.0).collect();
        Encoded::of(&rows, 36, &[])
    }

    fn found(pictures: &[Picture]) -> ChosenViews {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let mut steps = Vec::new();
        let found = find(&pictures, &mut encode, &mut |done, all| steps.push((done, all))).unwrap();
        let all = 40 * pictures.len();
        assert!(steps.is_sorted() && steps.last() == Some(&(all, all)), "{steps:?}");
        assert_eq!(found.lower.iter().map(|(set, _)| *set).collect::<Vec<_>>(), SETS);
        found
    }

    #[test]
    fn parts_that_are_alike_ask_for_no_views() {
        let found = found(&(0..6).map(part).collect::<Vec<_>>());
        assert!(found.sets.is_empty(), "{found}");
        assert!(
            found.to_string().starts_with("views: none learned; expected views that make one of 6 frames")
        );
    }

    #[test]
    fn parts_in_any_turn_ask_for_turns() {
        let turns = [0.0, 30.0, 75.0, 135.0, 195.0, 285.0];
        let strewn = |(i, degrees)| Augmentation::Turn(degrees).of(&part(i));
        let found = found(&turns.into_iter().enumerate().map(strewn).collect::<Vec<_>>());
        assert_eq!(found.sets, [Views::Turns], "{found}");
        assert!(found.to_string().starts_with("views: turns learned; "), "{found}");
    }

    #[test]
    fn parts_in_other_light_ask_for_light() {
        let dimmed = |i| Augmentation::Gain([0.8_f32.powi(i as i32); 3]).of(&part(i));
        let found = found(&(0..6).map(dimmed).collect::<Vec<_>>());
        assert_eq!(found.sets, [Views::Light], "{found}");
    }

    #[test]
    fn one_frame_says_that_it_is_alone() {
        let chosen = |frames| ChosenViews { sets: vec![Views::All], frames, lower: Vec::new() };
        let text =
            "views: all learned; one good frame alone does not say how others differ: expected 4, found 1";
        assert_eq!(chosen(1).to_string(), text);
        assert!(
            chosen(3)
                .to_string()
                .ends_with("so few good frames do not say how others differ: expected 4, found 3")
        );
    }

    #[test]
    fn pictures_take_no_more_memory_than_they_may() {
        assert_eq!(most_pictures(3 * 1920 * 1080), 12);
        assert_eq!(most_pictures(3 * 3840 * 2160), 6);
        assert_eq!((most_pictures(0), most_pictures(usize::MAX)), (12, 4));
    }

    #[test]
    fn ignored_tokens_and_more_than_are_compared_are_left_out() {
        let rows: Vec<f32> = (0..10).map(|v| v as f32).collect();
        let ignored: Vec<bool> = (0..5).map(|token| token == 1).collect();
        assert_eq!(Encoded::of(&rows, 2, &ignored).unwrap().rows, [0.0, 1.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let many = Encoded::of(&vec![0.0; 2 * 5000], 2, &[]).unwrap();
        assert_eq!(many.norms.len(), 1667);
    }
}
