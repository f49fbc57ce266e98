//! What light learned frames have, cell by cell and as a range of planes.

use snarm_kernels::light::{COLOURS, Cell, Gain, PLANES, Usual, compare};

use super::quality::{self, Kind, Quality};
use super::seen::{ENDS, Seen, has_detail};
use super::{CELLS, Logs, PER_MAD, logs, logs_of, median};

/// Numbers of a cell in a file.
pub(crate) const NUMBERS: usize = 8;

/// Light so far beside the learned range, as a logarithm, is still usual.
const NEAR: f32 = 0.015;

/// Part of the learned range that light may lie beside it.
const BESIDE: f32 = 0.1;

/// The largest logarithm that can be one: e to it and e to what lies twice as far below are numbers. Others are damage.
const LARGEST: f32 = 40.0;

/// The light of learned frames, which a bank keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    /// Those of all tiles, one tile after the other.
    cells: Vec<Usual>,
    low: [f32; ENDS],
    high: [f32; ENDS],
}

impl Light {
    /// From the cells of frames, of the same number of tiles each; nothing of less than two frames.
    pub(crate) fn of(frames: &[&[Cell]]) -> Option<Self> {
        let cells = frames.first()?.len();
        let frames: Vec<&[Cell]> = frames.iter().copied().filter(|frame| frame.len() == cells).collect();
        if frames.len() < 2 || cells == 0 {
            return None;
        }
        let shown: Vec<Vec<Logs>> = frames.iter().map(|frame| frame.iter().map(logs).collect()).collect();
        let mut room = vec![0.0; frames.len()];
        let mut of_cell = |cell: usize| {
            let mut usual = Usual { median: [0.0; 4], deviation: [0.0; 4] };
            for number in 0..4 {
                room.iter_mut().zip(&shown).for_each(|(v, frame)| *v = frame[cell][number]);
                let middle = median(&mut room);
                room.iter_mut().for_each(|v| *v = (*v - middle).abs());
                (usual.median[number], usual.deviation[number]) = (middle, PER_MAD * median(&mut room));
            }
            usual
        };
        let light =
            Self { cells: (0..cells).map(&mut of_cell).collect(), low: [0.0; ENDS], high: [0.0; ENDS] };
        let seen: Vec<Seen> = light.look(&frames).collect();
        Some(light.ranged(&seen))
    }

    /// With the range of frames as these were seen: without the highest and lowest fiftieth, so that an odd frame says
    /// nothing.
    fn ranged(mut self, seen: &[Seen]) -> Self {
        let all: Vec<[f32; ENDS]> = seen.iter().map(Seen::numbers).collect();
        for number in 0..ENDS {
            let mut sorted: Vec<f32> = all.iter().map(|numbers| numbers[number]).collect();
            sorted.sort_by(f32::total_cmp);
            let off = sorted.len() / 50;
            if let (Some(low), Some(high)) = (sorted.get(off), sorted.iter().rev().nth(off)) {
                (self.low[number], self.high[number]) = (*low, *high);
            }
        }
        self
    }

    /// With the light of frames that came later, by the cells of those before.
    pub(crate) fn and(&self, frames: &[&[Cell]]) -> Self {
        let seen: Vec<Seen> = self.look(frames).collect();
        if seen.is_empty() {
            return self.clone();
        }
        let mut later = self.clone().ranged(&seen);
        later.low.iter_mut().zip(self.low).for_each(|(low, own)| *low = low.min(own));
        later.high.iter_mut().zip(self.high).for_each(|(high, own)| *high = high.max(own));
        later
    }

    /// Tiles that were measured.
    pub(crate) fn tiles(&self) -> usize {
        self.cells.len() / CELLS
    }

    /// What is usual in a tile.
    fn usual(&self, tile: usize) -> Option<&[Usual]> {
        self.cells.get(tile * CELLS..(tile + 1) * CELLS)
    }

    /// How a tile looks beside what is usual there, and the gains that bring it to the learned range of light, 0 where it is there
    /// already or too far away; nothing where the tile was not learned.
    pub(crate) fn see(&self, tile: usize, cells: &[Cell]) -> Option<(Seen, [Gain; COLOURS])> {
        let usual: &[f32] = bytemuck::cast_slice(self.usual(tile)?);
        let mut found = [[Gain::default(); COLOURS]; 2];
        let numbers: &mut [f32] = bytemuck::cast_slice_mut(&mut found);
        compare(bytemuck::cast_slice::<_, f32>(cells), usual, &self.near(), numbers).ok()?;
        let [planes, gains] = found;
        Some((self.seen(tile, cells, planes)?, gains))
    }

    /// How a tile looks whose planes are known.
    pub(crate) fn seen(&self, tile: usize, cells: &[Cell], planes: [Gain; COLOURS]) -> Option<Seen> {
        let usual = self.usual(tile)?;
        let level = Seen { planes, sharpness: 0.0 }.level();
        // Contrast grows with the light.
        let (mut details, mut count) = ([0.0; CELLS], 0);
        for (own, usual) in logs_of(cells).iter().zip(usual).filter(|(_, usual)| has_detail(usual)) {
            details[count] = own[3] - usual.median[3] - level;
            count += 1;
        }
        Some(Seen { planes, sharpness: median(&mut details[..count]) })
    }

    /// What cells usually look like, as the kernels read it: tile after tile.
    pub(crate) fn usual_cells(&self) -> &[f32] {
        bytemuck::cast_slice(&self.cells)
    }

    /// The range of light that frames stay in as they are: the learned one, and a little more on each side.
    pub(crate) fn near(&self) -> [f32; 2 * PLANES] {
        let mut range = [0.0; 2 * PLANES];
        let (lows, highs) = range.split_at_mut(PLANES);
        for at in 0..PLANES {
            let (low, high) = (self.low[at], self.high[at]);
            let room = NEAR + BESIDE * (high - low);
            (lows[at], highs[at]) = (low - room, high + room);
        }
        range
    }

    /// How the tiles of frames look.
    fn look<'a>(&'a self, frames: &'a [&[Cell]]) -> impl Iterator<Item = Seen> {
        let fits = frames.iter().filter(|frame| frame.len() == self.cells.len());
        fits.flat_map(|frame| {
            let tiles = frame.chunks_exact(CELLS).enumerate();
            tiles.filter_map(|(tile, cells)| self.see(tile, cells)).map(|(seen, _)| seen)
        })
    }

    /// What a frame says of its own quality, from the cells of all its tiles and how those of them look that were seen.
    pub(crate) fn quality(&self, cells: &[Cell], seen: &[(usize, Seen)]) -> Quality {
        let tiles = seen.iter().filter_map(|(tile, seen)| {
            Some((logs_of(cells.get(tile * CELLS..)?), self.usual(*tile)?, *seen))
        });
        quality::of(tiles, self.ends())
    }

    /// Mean level and sharpness at both ends of the range.
    pub(super) fn ends(&self) -> [(f32, f32); 2] {
        [&self.low, &self.high].map(|numbers| (numbers[0], numbers[ENDS - 1]))
    }

    /// The range of light that was learned, as multiples of what is usual.
    pub fn range(&self) -> (f64, f64) {
        let [low, high] = self.ends().map(|(level, _)| f64::from(level.exp()));
        (low, high)
    }

    /// The range of learned frames of what may drift, as multiples of what is usual.
    pub fn range_of(&self, kind: Kind) -> (f64, f64) {
        (kind.multiple(&self.low), kind.multiple(&self.high))
    }

    /// For a file: [`NUMBERS`] for each cell, and the two ends of the range.
    pub(crate) fn to_numbers(&self) -> (Vec<f32>, Vec<f32>) {
        let cells = self.cells.iter().flat_map(|usual| usual.median.into_iter().chain(usual.deviation));
        (cells.collect(), self.low.into_iter().chain(self.high).collect())
    }

    /// From what a file says; nothing where that cannot be true.
    pub(crate) fn from_numbers(cells: &[f32], range: &[f32]) -> Option<Self> {
        let (low, high) = range.split_at_checked(ENDS)?;
        let (low, high): ([f32; ENDS], [f32; ENDS]) = (low.try_into().ok()?, high.try_into().ok()?);
        let is_sane = |v: &f32| v.is_finite() && v.abs() < LARGEST;
        let usual = |numbers: &[f32; NUMBERS]| Usual {
            median: std::array::from_fn(|i| numbers[i]),
            deviation: std::array::from_fn(|i| numbers[4 + i]),
        };
        let (chunks, rest) = cells.as_chunks::<NUMBERS>();
        let found = Self { cells: chunks.iter().map(usual).collect(), low, high };
        let whole = rest.is_empty() && !chunks.is_empty() && chunks.len().is_multiple_of(CELLS);
        let ordered = low.iter().zip(&high).all(|(low, high)| low <= high);
        let positive = found.cells.iter().all(|usual| usual.deviation.iter().all(|v| *v >= 0.0));
        (whole && ordered && positive && cells.iter().chain(range).all(is_sane)).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A steady picture that gets brighter to the right, times `by`.
    fn frame(i: usize, by: [f32; COLOURS]) -> Vec<Cell> {
        let cell = |cell: usize| {
            let colour = 0.3 + 0.04 * (cell % 8) as f32 + 0.001 * ((5 * i + cell) % 7) as f32;
            Cell { colours: by.map(|by| by * colour), detail: 0.02 }
        };
        (0..CELLS).map(cell).collect()
    }

    fn learned(lights: &[f32]) -> Light {
        let frames: Vec<Vec<Cell>> = lights.iter().enumerate().map(|(i, by)| frame(i, [*by; 3])).collect();
        Light::of(&frames.iter().map(|frame| &frame[..]).collect::<Vec<_>>()).unwrap()
    }

    fn correction(light: &Light, tile: usize, cells: &[Cell]) -> Option<[Gain; COLOURS]> {
        let (_, gains) = light.see(tile, cells)?;
        (gains != [Gain::default(); COLOURS]).then_some(gains)
    }

    #[test]
    fn light_as_it_was_learned_is_not_touched() {
        let light = learned(&[1.0, 0.9, 1.1, 1.0]);
        for by in [0.9, 1.0, 1.1, 1.115] {
            assert_eq!(correction(&light, 0, &frame(9, [by; 3])), None, "{by}");
        }
        let (low, high) = light.range();
        assert!((0.88..0.91).contains(&low) && (1.09..1.12).contains(&high), "{low} {high}");
    }

    #[test]
    fn other_light_is_brought_to_the_edge_of_what_was_learned() {
        let light = learned(&[1.0; 6]);
        let gains = correction(&light, 0, &frame(9, [0.8, 0.8, 1.0])).unwrap();
        let levels = gains.map(|gain| gain.level.exp());
        assert!((1.18..1.26).contains(&levels[0]) && (0.96..1.03).contains(&levels[2]), "{levels:?}");
        // Brightness varied while learning, the tint did not.
        let varied = learned(&[0.6, 0.8, 1.0]);
        let tinted = correction(&varied, 0, &frame(9, [0.86, 0.8, 0.74])).unwrap();
        let levels = tinted.map(|gain| gain.level.exp());
        assert!(levels[0] < 0.97 && levels[2] > 1.04 && (levels[1] - 1.0).abs() < 0.03, "{levels:?}");
        // So dark that no gain brings back what the sensor lost.
        assert_eq!(correction(&light, 0, &frame(9, [0.3; 3])), None);
        assert_eq!(correction(&light, 1, &frame(9, [0.8; 3])), None, "a tile that was not learned");
    }

    #[test]
    fn a_bank_that_goes_on_keeps_the_light_of_both() {
        let light = learned(&[1.0; 4]);
        let brighter = frame(5, [1.3; 3]);
        assert!(correction(&light, 0, &brighter).is_some());
        let both = light.and(&[&brighter, &frame(6, [1.3; 3])]);
        assert_eq!(correction(&both, 0, &brighter), None);
        assert_eq!(correction(&both, 0, &frame(7, [1.0; 3])), None);
    }

    #[test]
    fn light_is_read_as_it_was_written_and_damage_is_seen() {
        let light = learned(&[0.9, 1.0, 1.1]);
        let (cells, range) = light.to_numbers();
        assert_eq!(Light::from_numbers(&cells, &range), Some(light));
        assert_eq!(Light::from_numbers(&cells[1..], &range), None);
        assert_eq!(Light::from_numbers(&cells, &range[1..]), None);
        let turned: Vec<f32> = range.iter().rev().copied().collect();
        assert_eq!(Light::from_numbers(&cells, &turned), None);
        for damage in [f32::NAN, f32::INFINITY, -1e30] {
            let mut cells = cells.clone();
            cells[6] = damage;
            assert_eq!(Light::from_numbers(&cells, &range), None);
        }
    }

    #[test]
    fn a_level_that_would_be_infinite_is_damage() {
        let (cells, range) = learned(&[1.0, 1.1, 0.9, 1.0]).to_numbers();
        let light = Light::from_numbers(&cells, &range).unwrap();
        assert!(light.range().0.is_finite() && light.range().1.is_finite());
        // The highest level is the first number of the upper end.
        for (level, is_taken) in [(39.0, true), (89.0, false), (500.0, false), (f32::INFINITY, false)] {
            let mut range = range.clone();
            range[ENDS..].iter_mut().for_each(|number| *number = level);
            let found = Light::from_numbers(&cells, &range);
            assert_eq!(found.is_some(), is_taken, "{level}");
            assert!(found.is_none_or(|light| light.range().1.is_finite()), "{level}");
        }
    }

    #[test]
    fn one_frame_says_nothing_of_light() {
        assert_eq!(Light::of(&[&frame(0, [1.0; 3])]), None);
        assert_eq!(Light::of(&[]), None);
    }
}
