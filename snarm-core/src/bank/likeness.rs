//! How much frames are alike, and which of them say nothing about another one.
//!
//! Good pictures are often there twice: under other names, in a clip that loops, in a burst, in a folder that was copied
//! into another. A frame scores too well against a copy of itself, and so does one of a slow stream against its
//! neighbours. Which of the two a series is, shows in the frames themselves. Each is kept as a sketch: a random projection of
//! all its descriptors in their places, whose distances are those of the descriptors (Johnson and Lindenstrauss), a few
//! percent more or less.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::blocks::Blocks;
use crate::error::Result;

/// Numbers of a sketch.
pub(super) const NUMBERS: usize = 128;

/// Frames that differ less than this part of what a frame differs from its [`NEAREST`]th nearest are copies of it, in
/// sets whose frames differ in many ways. The nearest, and not all, since a folder may hold variants, and a frame differs
/// little from all of its variant.
const OF_NEAREST: f64 = 0.4;

/// See [`OF_NEAREST`]: above the number of pictures that are usually taken of one part.
const NEAREST: usize = 5;

/// Frames that differ in few ways, such as their place alone, come near each other by chance. No more than one in a
/// hundred is taken for a copy by that: for dimension D, the nearest of five lies nearer than c times the fifth with
/// probability 1 - (1 - c^D)^4.
const BY_CHANCE: f64 = 0.01;

/// Where many frames are there more than once, what copies differ and what other frames differ lie apart: by this factor
/// at least.
const APART: f64 = 2.0;

/// Part of the frames that are copies where that shows, and the fewest pairs: two of few frames may be alike by chance.
const MANY: f64 = 0.1;
/// See [`MANY`].
const PAIRS: usize = 3;

/// Part of the copies that may differ by more than copies do and less than other frames.
const STRAY: f64 = 0.02;

/// Copies of single pictures differ no more than this in any case: by what compression, noise and a shot a moment later
/// change. Pictures of one variant differ
/// more, however few there are of it. Measured: docs/accuracy.md.
const MOST: f64 = 0.15;

/// In a stream they also differ less than this part of what neighbours usually differ: where it moves slowly, the
/// neighbours of a frame are alike and no copies.
const OF_NEIGHBOURS: f64 = 0.5;

/// Frames that differ less than this relative change are copies in any case.
const SAME: f64 = 1e-3;

/// Part of the frames whose neighbour must be more alike than the frame two behind it, in a stream that moves. In a set
/// it is half of them, in a set that is sorted by variant some more.
const ORDERED: f64 = 0.9;

/// Part of the neighbours that may differ as frames far apart do, in a stream that moves: more do in bursts.
const CUT: f64 = 0.15;

/// By this factor frames far apart differ more than neighbours, where a stream drifts.
const DRIFT: f64 = 1.2;

/// The most frames that a frame is compared with, beside its neighbours; evenly spread where there are more.
const COMPARED: usize = 4096;

/// Neighbours to each side that a frame is compared with in any case.
const BESIDE: usize = 8;

/// The most frames whose neighbours tell in how many ways frames differ.
const FOR_DIMENSION: usize = 256;

/// Seed of the projection, the same for all banks.
const SEED: u64 = 0x5eed_0f51;

/// What is kept of a frame to tell how much others are like it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sketch([f32; NUMBERS]);

impl Sketch {
    /// That of a frame by its descriptors, rows of `width`. Ignored tokens do not count.
    pub(super) fn of(descriptors: &[f32], width: usize, ignored: &[bool]) -> Self {
        let mut sketch = [0.0_f32; NUMBERS];
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        for (token, row) in descriptors.chunks_exact(width).enumerate() {
            // Drawn for ignored tokens, too: a place has the same projection in all frames.
            for part in row.chunks(NUMBERS) {
                let (turn, sign) = (rng.random_range(0..part.len()), if rng.random() { 1.0 } else { -1.0 });
                if ignored.get(token).copied().unwrap_or(false) {
                    continue;
                }
                let (head, tail) = part.split_at(turn);
                let turned = tail.iter().chain(head);
                sketch.iter_mut().zip(turned).for_each(|(sum, value)| *sum += sign * value);
            }
        }
        Self(sketch)
    }
}

/// Relative change between two sketches: 0 for equal ones, near 1.4 for frames that have nothing in common.
fn change(a: &[f32], b: &[f32]) -> f64 {
    let (mut difference, mut length) = ([0.0_f32; 8], [0.0_f32; 8]);
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            difference[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
            length[lane] += a[lane] * a[lane] + b[lane] * b[lane];
        }
    }
    let sum = |lanes: [f32; 8]| lanes.into_iter().map(f64::from).sum::<f64>();
    (2.0 * sum(difference) / sum(length).max(f64::MIN_POSITIVE)).sqrt()
}

/// Sketches of frames, by ascending number.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sketches {
    images: Vec<u32>,
    data: Vec<f32>,
}

impl Sketches {
    /// Sketches as a file has them; nothing where the two do not belong together, or are no sketches.
    pub(super) fn of(images: Vec<u32>, data: Vec<f32>) -> Option<Self> {
        let fits = data.len() == images.len() * NUMBERS && images.is_sorted_by(|a, b| a < b);
        (fits && data.iter().all(|value| value.abs() < 1e12)).then_some(Self { images, data })
    }

    /// Numbers of the frames.
    pub(super) fn images(&self) -> &[u32] {
        &self.images
    }

    /// All sketches, one after the other.
    pub(super) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Adds that of a frame, whose number is the highest so far.
    pub(super) fn add(&mut self, image: u32, sketch: &Sketch) {
        self.images.push(image);
        self.data.extend_from_slice(&sketch.0);
    }

    /// Number of the first frame that this one is the same as.
    pub(super) fn same(&self, sketch: &Sketch) -> Option<u32> {
        let is_same = |at: &usize| change(self.sketch(*at), &sketch.0) < SAME;
        (0..self.len()).find(is_same).map(|at| self.images[at])
    }

    /// Takes back the frames from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        let kept = self.images.partition_point(|image| *image < first);
        self.images.truncate(kept);
        self.data.truncate(kept * NUMBERS);
    }

    /// The sketches of these frames alone.
    pub(super) fn only(&self, images: &HashSet<u32>) -> Self {
        let mut kept = Self::default();
        for (image, sketch) in self.images.iter().zip(self.data.chunks_exact(NUMBERS)) {
            if images.contains(image) {
                kept.images.push(*image);
                kept.data.extend_from_slice(sketch);
            }
        }
        kept
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn sketch(&self, at: usize) -> &[f32] {
        &self.data[at * NUMBERS..][..NUMBERS]
    }

    /// Relative change between two frames by their places.
    fn change(&self, a: usize, b: usize) -> f64 {
        change(self.sketch(a), self.sketch(b))
    }

    /// What a frame, by its place, differs from others, those that are the same aside; ascending.
    fn changes(&self, at: usize) -> Vec<f64> {
        let n = self.len();
        let step = n.div_ceil(COMPARED).max(1);
        let beside = at.saturating_sub(BESIDE)..(at + BESIDE + 1).min(n);
        let far = (0..n).step_by(step).filter(|other| !beside.contains(other));
        let changes =
            far.chain(beside.clone()).filter(|other| *other != at).map(|other| self.change(at, other));
        let mut all: Vec<f64> = changes.filter(|change| *change > SAME).collect();
        all.sort_unstable_by(f64::total_cmp);
        all
    }

    /// What a frame of a series, by its place, differs from its copies at most.
    fn limit(&self, at: usize, series: &Series) -> f64 {
        let changes = self.changes(at);
        let usual = changes.get(NEAREST - 1).or(changes.last()).copied().unwrap_or_default();
        let limit = if series.is_stream() {
            (OF_NEAREST * usual).min(OF_NEIGHBOURS * series.near)
        } else {
            MOST.min(series.copies.max(series.part * usual))
        };
        limit.max(SAME)
    }
}

/// What the frames of a bank are to each other.
#[derive(Debug)]
pub(super) struct Likeness<'a> {
    sketches: &'a Sketches,
    series: Series,
    blocks: Blocks,
    /// For each frame the first one that it is a copy of: itself, if it is none. Places, not numbers.
    originals: Vec<usize>,
    /// Number of the first new frame.
    first: u32,
}

impl<'a> Likeness<'a> {
    /// Looks at all frames. Those from the number `first` on are new, `frames` of them; in a stream blocks of neighbours
    /// are at most `fraction` of them long.
    pub(super) fn new(sketches: &'a Sketches, first: u32, frames: usize, fraction: f64) -> Result<Self> {
        let new = sketches.images.partition_point(|image| *image < first)..sketches.len();
        let series = snarm_kernels::threads::install(|| Series::of(sketches, new))?;
        tracing::debug!(?series, "what the learned frames are like");
        // Whoever asks for no blocks has none.
        let fraction = if series.is_stream() { fraction } else { 0.0 };
        let blocks = Blocks::new(first as usize, frames, fraction);
        let originals = snarm_kernels::threads::install(|| originals(sketches, &series))?;
        Ok(Self { sketches, series, blocks, originals, first })
    }

    /// Frames, new ones and those before, that are copies of one before them.
    pub(super) fn copies(&self) -> usize {
        let new = |at: usize| self.sketches.images[at] >= self.first;
        self.originals.iter().enumerate().filter(|(at, original)| *at != **original && new(*at)).count()
    }

    /// Whether neighbours are left out together with a frame.
    pub(super) fn in_blocks(&self) -> bool {
        self.blocks.are_long()
    }

    /// Number of the frame that this one is a copy of; its own, if it is none.
    pub(super) fn original(&self, image: u32) -> u32 {
        self.place(image).map_or(image, |at| self.sketches.images[self.originals[at]])
    }

    /// Numbers of the frames that must not count while `image` is scored: itself, its block of neighbours in a stream, and
    /// the copies of all of them.
    pub(super) fn left_out(&self, image: u32) -> HashSet<u32> {
        let block = self.blocks.of(image);
        let neighbour = |other: &u32| *other >= self.first && self.blocks.of(*other) == block;
        let places = || self.sketches.images.iter().enumerate();
        let known: HashSet<usize> =
            places().filter(|(_, other)| neighbour(other)).map(|(at, _)| self.originals[at]).collect();
        let here = self.place(image).map(|here| (here, self.sketches.limit(here, &self.series)));
        let alike = |at: usize| here.is_some_and(|(here, limit)| self.sketches.change(here, at) < limit);
        let out =
            |at: usize, other: &u32| neighbour(other) || known.contains(&self.originals[at]) || alike(at);
        let found = places().filter(|(at, other)| out(*at, other)).map(|(_, other)| *other);
        found.chain([image]).collect()
    }

    /// Whether a frame belongs to the block of another: also of one whose sketch was given up.
    pub(super) fn are_neighbours(&self, a: u32, b: u32) -> bool {
        a == b || (a >= self.first && b >= self.first && self.blocks.of(a) == self.blocks.of(b))
    }

    fn place(&self, image: u32) -> Option<usize> {
        self.sketches.images.binary_search(&image).ok()
    }
}

/// For each frame the first one before it that it is a copy of and that is none itself; itself where there is none.
fn originals(sketches: &Sketches, series: &Series) -> Vec<usize> {
    let limits: Vec<f64> = (0..sketches.len()).into_par_iter().map(|at| sketches.limit(at, series)).collect();
    let mut all = Vec::with_capacity(sketches.len());
    let mut firsts: Vec<usize> = Vec::new();
    for (at, limit) in limits.into_iter().enumerate() {
        let recent = &firsts[firsts.len().saturating_sub(COMPARED)..];
        let same = |first: &&usize| sketches.change(**first, at) < limit;
        let found = recent.par_iter().with_min_len(512).find_first(same).copied();
        if found.is_none() {
            firsts.push(at);
        }
        all.push(found.unwrap_or(at));
    }
    all
}

/// What a series of frames is like.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Series {
    /// What neighbours usually differ, those that differ not at all aside.
    near: f64,
    /// What frames usually differ.
    far: f64,
    /// Part of the frames whose neighbour is more alike than the frame two behind it.
    ordered: f64,
    /// Part of the frames that differ from their neighbour as from any other.
    cuts: f64,
    /// Part of what a frame differs from its [`NEAREST`]th nearest that it differs from copies at most, in a set.
    part: f64,
    /// What copies differ at most where many of the frames are there more than once; 0 elsewhere.
    copies: f64,
}

impl Series {
    fn of(sketches: &Sketches, range: std::ops::Range<usize>) -> Self {
        let apart = |lag: usize| {
            let range = range.clone();
            let follow = move |at: &usize| sketches.images[at + lag] - sketches.images[*at] == lag as u32;
            (range.start..range.end.saturating_sub(lag)).filter(follow)
        };
        let neighbours: Vec<f64> = apart(1).map(|at| sketches.change(at, at + 1)).collect();
        let near = median(neighbours.iter().copied().filter(|change| *change > SAME).collect());
        let far = median(
            pairs(range.len())
                .map(|(a, b)| (range.start + a, range.start + b))
                .map(|(a, b)| sketches.change(a, b))
                .collect(),
        );
        let later: Vec<bool> =
            apart(2).map(|at| sketches.change(at, at + 1) < sketches.change(at, at + 2)).collect();
        let ordered = later.iter().filter(|ordered| **ordered).count() as f64 / later.len().max(1) as f64;
        let middle = 0.5 * (near + far);
        let cuts = neighbours.iter().filter(|change| **change > middle).count() as f64;
        let cuts = cuts / neighbours.len().max(1) as f64;
        let part = OF_NEAREST.min((1.0 - (1.0 - BY_CHANCE).powf(0.25)).powf(1.0 / dimension(sketches)));
        Self { near, far, ordered, cuts, part, copies: copies(sketches) }
    }

    /// Whether neighbours belong together: the frames move, or drift without a cut. A folder sorted by variant has cuts.
    fn is_stream(&self) -> bool {
        let moves = self.ordered > ORDERED && self.cuts < CUT;
        moves || (self.far > DRIFT * self.near && self.near > 0.0 && self.cuts == 0.0)
    }
}

/// What copies differ at most, where many frames are there more than once: copies differ by noise and compression, which
/// are about the same in all of them, and other frames by so much more that hardly any differ by what lies between. The
/// dimension in which frames lie does not count here.
fn copies(sketches: &Sketches) -> f64 {
    let n = sketches.len();
    let step = n.div_ceil(COMPARED).max(1);
    // The nearest, and some farther away: of long bursts all near ones are copies.
    let ranks: Vec<usize> = std::iter::successors(Some(1), |rank: &usize| Some(rank + rank.div_ceil(2)))
        .take_while(|rank| 2 * rank <= n)
        .collect();
    let nearest = |at: usize| -> Vec<f64> {
        let changes = sketches.changes(at);
        ranks.iter().filter_map(|rank| changes.get(rank - 1).copied()).collect()
    };
    let mut pool: Vec<f64> =
        (0..n).step_by(step).collect::<Vec<usize>>().into_par_iter().flat_map_iter(nearest).collect();
    pool.sort_unstable_by(f64::total_cmp);
    let fewest = (MANY * n.div_ceil(step) as f64).max(2.0 * PAIRS as f64) as usize;
    let (mut widest, mut found) = (APART, 0.0);
    for count in fewest..=pool.len() {
        let level = pool[count - 1];
        let others = pool.get(count + (STRAY * count as f64) as usize);
        let Some(others) = others.filter(|_| level < MOST) else { break };
        if others / level >= widest {
            (widest, found) = (others / level, level);
        }
    }
    // Above all copies, below all others.
    0.5 * (1.0 + APART) * found
}

/// In how many ways frames differ: the dimension in which points that lie evenly have neighbours at such distances. Of
/// twice as many neighbours the farthest is 2^(1/D) times as far away, as a median.
fn dimension(sketches: &Sketches) -> f64 {
    let n = sketches.len();
    let few = NEAREST.min(n.saturating_sub(1) / 2);
    let ratios = (0..n).step_by(n.div_ceil(FOR_DIMENSION).max(1)).filter_map(|at| {
        let changes = sketches.changes(at);
        Some(changes.get(few.checked_sub(1)?)? / changes.get(2 * few - 1)?)
    });
    let ratio = median(ratios.collect());
    if ratio > 0.0 { (0.5_f64.ln() / ratio.min(1.0 - 1e-9).ln()).max(f64::MIN_POSITIVE) } else { 1.0 }
}

/// Pairs of different numbers below `n`, at most some thousands, evenly spread.
fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let step = n.div_ceil(64).max(1);
    let some = move || (0..n).step_by(step);
    some().flat_map(move |a| some().filter(move |b| a < *b).map(move |b| (a, b)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptors in a frame, and their width.
    const TOKENS: usize = 50;
    const WIDTH: usize = 160;

    fn random(seed: u64, scale: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..TOKENS * WIDTH).map(|_| scale * (rng.random::<f32>() - 0.5)).collect()
    }

    fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }

    fn sketches(frames: impl IntoIterator<Item = Vec<f32>>) -> Sketches {
        let mut all = Sketches::default();
        for (image, frame) in frames.into_iter().enumerate() {
            all.add(image as u32, &Sketch::of(&frame, WIDTH, &[]));
        }
        all
    }

    fn likeness(sketches: &Sketches) -> Likeness<'_> {
        Likeness::new(sketches, 0, sketches.len(), 0.2).unwrap()
    }

    fn out(likeness: &Likeness<'_>, image: u32) -> Vec<u32> {
        let mut out: Vec<u32> = likeness.left_out(image).into_iter().collect();
        out.sort_unstable();
        out
    }

    /// A part of its own on the ground that all share, with the noise of a shot.
    fn part(part: u64, shot: u64) -> Vec<f32> {
        sum(&sum(&random(1, 1.0), &random(100 + part, 0.5)), &random(10_000 + 100 * part + shot, 0.1))
    }

    #[test]
    fn sketches_are_as_far_apart_as_what_they_are_made_of() {
        for scale in [0.01, 0.1, 1.0] {
            let (a, change) = (random(1, 1.0), random(2, scale));
            let both = sketches([a.clone(), sum(&a, &change)]);
            let squares = |v: &[f32]| v.iter().map(|v| f64::from(v * v)).sum::<f64>();
            let exact = (2.0 * squares(&change) / (squares(&a) + squares(&sum(&a, &change)))).sqrt();
            let found = both.change(0, 1);
            assert!((0.75..1.33).contains(&(found / exact)), "{found} for {exact}");
        }
    }

    #[test]
    fn what_is_ignored_makes_no_difference() {
        let (a, mut b) = (random(1, 1.0), random(1, 1.0));
        b[3 * WIDTH..4 * WIDTH].fill(9.0);
        let ignored: Vec<bool> = (0..TOKENS).map(|token| token == 3).collect();
        let mut both = Sketches::default();
        both.add(0, &Sketch::of(&a, WIDTH, &ignored));
        both.add(1, &Sketch::of(&b, WIDTH, &ignored));
        assert_eq!(both.change(0, 1), 0.0);
    }

    #[test]
    fn copies_are_found_wherever_they_lie() {
        // Under other names, and one after the other; equal, and as another shot of the same part.
        for shot in [0, 1] {
            let behind = sketches((0..24).map(|i| part(i % 12, shot * (i / 12))));
            let likeness = likeness(&behind);
            assert_eq!((likeness.copies(), likeness.in_blocks()), (12, false));
            assert_eq!((out(&likeness, 5), out(&likeness, 17)), (vec![5, 17], vec![5, 17]));
            let beside = sketches((0..36).map(|i| part(i / 3, shot * (i % 3))));
            let likeness = self::likeness(&beside);
            assert_eq!((likeness.copies(), likeness.in_blocks()), (24, false));
            assert_eq!(out(&likeness, 4), [3, 4, 5]);
        }
        let none = sketches((0..12).map(|i| part(i, 0)));
        assert_eq!(likeness(&none).copies(), 0);
        let two = sketches((0..2).map(|i| part(i, 0)));
        assert_eq!((likeness(&two).copies(), out(&likeness(&two), 0)), (0, vec![0]));
    }

    #[test]
    fn a_sorted_folder_loses_no_variant() {
        // Of few pictures, too, which are as near each other beside all others as copies are.
        for of_each in [6, 4, 2] {
            let variants = sketches((0..30).map(|i| sum(&part(i, 0), &random(50_000 + i / of_each, 2.0))));
            let likeness = likeness(&variants);
            assert_eq!((likeness.copies(), likeness.in_blocks()), (0, false), "{of_each}");
            assert_eq!(out(&likeness, 7), [7]);
        }
    }

    /// Frames that differ in their place alone, with the noise of a shot, which copies of them share but for a little.
    fn placed(place: u64, change: u64) -> Vec<f32> {
        let at = (place * 37 % 61) as f32 / 61.0;
        let between =
            random(1, 1.0).iter().zip(random(2, 1.0)).map(|(a, b)| a + at * (b - a)).collect::<Vec<f32>>();
        sum(&sum(&between, &random(100 + place, 0.15)), &random(10_000 + 100 * place + change, 0.03))
    }

    #[test]
    fn copies_of_frames_that_differ_in_their_place_alone_are_found() {
        let once = sketches((0..24).map(|i| placed(i, 0)));
        assert_eq!(likeness(&once).copies(), 0);
        // Twice, in bursts of three, and in bursts of more than a frame is compared with.
        for shots in [2, 3, 8] {
            let bursts = sketches((0..8 * shots).map(|i| placed(i / shots, i % shots)));
            let likeness = likeness(&bursts);
            let expected = (8 * (shots as usize - 1), false);
            assert_eq!((likeness.copies(), likeness.in_blocks()), expected, "{shots}");
            let second: Vec<u32> = (0..shots as u32).map(|shot| shots as u32 + shot).collect();
            assert_eq!(out(&likeness, shots as u32 + 1), second);
        }
    }

    /// A walk: each frame differs a little from the one before.
    fn walk(frames: usize, noise: f32) -> Vec<Vec<f32>> {
        let mut at = random(1, 1.0);
        let mut all = Vec::new();
        for i in 0..frames as u64 {
            at = sum(&at, &random(200 + i, 0.2));
            all.push(sum(&at, &random(70_000 + i, noise)));
        }
        all
    }

    #[test]
    fn neighbours_in_a_stream_are_left_out_and_a_second_round_is_too() {
        // What moves, and what drifts under noise.
        for noise in [0.02, 0.2] {
            let once = sketches(walk(50, noise));
            let likeness = likeness(&once);
            assert_eq!((likeness.copies(), likeness.in_blocks()), (0, true), "{noise}");
            assert_eq!(out(&likeness, 25), (20..30).collect::<Vec<_>>());
            let twice = sketches([walk(50, noise), walk(50, noise)].concat());
            let likeness = self::likeness(&twice);
            assert_eq!((likeness.copies(), likeness.in_blocks()), (50, true), "{noise}");
            let expected: Vec<u32> = (20..40).chain(70..90).collect();
            assert_eq!(out(&likeness, 25), expected);
        }
    }

    #[test]
    fn frames_that_stand_still_are_no_copies_of_each_other() {
        let still = sketches((0..20).map(|i| sum(&random(1, 1.0), &random(300 + i, 0.1))));
        let likeness = likeness(&still);
        assert_eq!((likeness.copies(), out(&likeness, 3)), (0, vec![3]));
    }

    #[test]
    fn frames_of_an_earlier_bank_are_left_out_where_they_are_copied() {
        let all = sketches((0..18).map(|i| part(i % 12, 0)));
        let likeness = Likeness::new(&all, 12, 6, 0.2).unwrap();
        assert_eq!((likeness.copies(), out(&likeness, 13)), (6, vec![1, 13]));
    }

    #[test]
    fn sketches_that_a_file_cannot_have_are_refused() {
        assert!(Sketches::of(vec![1, 2], vec![0.0; 2 * NUMBERS]).is_some());
        assert!(Sketches::of(vec![2, 1], vec![0.0; 2 * NUMBERS]).is_none());
        assert!(Sketches::of(vec![1], vec![0.0; 2 * NUMBERS]).is_none());
        assert!(Sketches::of(vec![1], vec![f32::NAN; NUMBERS]).is_none());
    }
}
