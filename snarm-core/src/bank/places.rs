//! Where in the frame each descriptor of a bank is usual: a part may be intact and yet lie where it does not belong.
//!
//! What a tile of the frames shows is a grid of places, some tokens each. The learned frames that are kept are matched with the bank:
//! a row is seen at the places of the tokens that it is among the three nearest of. While inspecting, a row matches tokens from
//! its places alone and those around them, within a radius that the learned frames decide on ([`Placing::Auto`]).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use snarm_kernels::Grid;

use crate::error::Result;
use crate::memory;

/// Tokens that a side of a place has where the grid allows it: a twentieth of the frame with the default encoder.
const TOKENS: usize = 2;

/// Bits of a word, and so the most columns of places.
const BITS: usize = 32;

/// The most words of a row, tiles together.
const WORDS: usize = 40;

/// Nearest rows of a token that are seen at its place, as many as it is matched with.
const SEEN: usize = 3;

/// The radii that are tried, in places.
pub(super) const RADII: [usize; 3] = [1, 2, 4];

/// The place of rows that nobody knows.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Whether places count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placing {
    /// Every row counts everywhere.
    None,
    /// Rows count near their places where no learned frame, or one in a hundred, becomes an alarm by that.
    #[default]
    Auto,
}

/// The grid of places of a tile, and how far around its places a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// Rows of places.
    pub rows: usize,
    /// Columns of places, at most 32.
    pub columns: usize,
    /// Places to each side around those that a row was seen at.
    pub radius: usize,
}

impl Placed {
    /// For grids of tokens of so many tiles.
    pub(super) fn of(tokens: Grid, tiles: usize) -> Self {
        let rows = tokens.rows.div_ceil(TOKENS).min(WORDS / tiles.max(1)).max(1);
        Self { rows, columns: tokens.columns.div_ceil(TOKENS).min(BITS), radius: 0 }
    }

    pub(super) fn is_sane(&self) -> bool {
        (1..=WORDS).contains(&self.rows) && (1..=BITS).contains(&self.columns) && self.radius <= WORDS
    }

    /// The radius in parts of what a tile shows, the larger of its sides' parts.
    pub fn reach(&self) -> f64 {
        self.radius as f64 / self.rows.min(self.columns) as f64
    }

    /// The place of each token of a tile, row by row.
    pub(crate) fn of_tokens(&self, tokens: Grid, tile: usize) -> impl Iterator<Item = u32> {
        let Self { rows, columns, .. } = *self;
        (0..tokens.cells()).map(move |token| {
            let (row, column) = (token / tokens.columns, token % tokens.columns);
            let word = tile * rows + row * rows / tokens.rows;
            (word * BITS + column * columns / tokens.columns) as u32
        })
    }
}

/// The places of all rows of a memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    placed: Placed,
    /// Words of a row.
    words: usize,
    /// Where rows were seen, `words` words of each.
    seen: Vec<u32>,
    /// Where they count.
    counts: Vec<u32>,
}

impl Places {
    /// Of rows that were seen there; nothing where these are no such words.
    pub(super) fn of(placed: Placed, vectors: usize, seen: Vec<u32>) -> Option<Self> {
        if !placed.is_sane() {
            return None;
        }
        let (words, inside) = (seen.len() / vectors.max(1), u32::MAX >> (BITS - placed.columns));
        let fits = seen.len() == words * vectors && words > 0 && words.is_multiple_of(placed.rows);
        let is_sane = fits && seen.iter().all(|word| word & !inside == 0);
        is_sane.then(|| Self::within(placed, words, seen, |_| true))
    }

    /// Of rows that were seen there, of which `stays` names those that are searched among.
    fn within(placed: Placed, words: usize, seen: Vec<u32>, stays: impl Fn(usize) -> bool) -> Self {
        let counts = widened(placed, words, &seen, stays);
        Self { placed, words, seen, counts }
    }

    /// The grid of places.
    pub fn placed(&self) -> Placed {
        self.placed
    }

    /// Words of a row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Where rows count, `words` words of each; see [`snarm_kernels::nearest::Places`].
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Where rows were seen.
    pub(super) fn seen(&self) -> &[u32] {
        &self.seen
    }

    /// Those of the rows that stay.
    pub(super) fn only(&self, stays: impl Fn(usize) -> bool) -> Option<Self> {
        let rows = self.seen.chunks_exact(self.words).enumerate().filter(|(row, _)| stays(*row));
        let kept: Vec<&[u32]> = rows.map(|(_, words)| words).collect();
        Self::of(self.placed, kept.len(), kept.concat())
    }
}

/// The words of rows with the places around theirs. Places that fewer than [`SEEN`] of the rows that `stays` names count at become
/// those of all rows.
fn widened(placed: Placed, words: usize, seen: &[u32], stays: impl Fn(usize) -> bool) -> Vec<u32> {
    let Placed { rows, columns, radius } = placed;
    let inside = u32::MAX >> (BITS - columns);
    let mut counts = vec![0; seen.len()];
    let mut beside = vec![0_u32; words];
    let mut known = vec![[0_u32; SEEN]; words];
    for (row, (seen, counts)) in seen.chunks_exact(words).zip(counts.chunks_exact_mut(words)).enumerate() {
        for (wide, word) in beside.iter_mut().zip(seen) {
            *wide =
                (0..=radius.min(BITS - 1)).fold(0, |wide, step| wide | word << step | word >> step) & inside;
        }
        for (tile, counts) in beside.chunks_exact(rows).zip(counts.chunks_exact_mut(rows)) {
            for (at, word) in counts.iter_mut().enumerate() {
                let around = &tile[at.saturating_sub(radius)..(at + radius + 1).min(rows)];
                *word = around.iter().fold(0, |all, word| all | word);
            }
        }
        if stays(row) {
            // Bit by bit a count to three.
            for (known, word) in known.iter_mut().zip(&*counts) {
                known[2] |= known[1] & word;
                known[1] |= known[0] & word;
                known[0] |= word;
            }
        }
    }
    let open: Vec<u32> = known.iter().map(|known| !known[SEEN - 1] & inside).collect();
    if open.iter().any(|word| *word != 0) {
        for counts in counts.chunks_exact_mut(words) {
            counts.iter_mut().zip(&open).for_each(|(word, open)| *word |= open);
        }
    }
    counts
}

/// What the learned frames that are kept say of the places of rows.
pub(super) struct Occupancy {
    placed: Placed,
    words: usize,
    /// What is known whatever frames are left out: where rows were taken from, and what a bank before knew.
    known: Vec<u32>,
    /// The same with what all frames saw.
    seen: Vec<u32>,
    /// How many frames saw a row at a place: (vectors, words, columns).
    frames: Vec<u16>,
    /// What each frame saw, as places in `frames`.
    by: HashMap<u32, Vec<u32>>,
}

impl Occupancy {
    /// Of rows that were taken from these places, and of what is known of them from before, words as those of `placed` or none.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new(placed: Placed, tiles: usize, own: &[u32], earlier: Vec<u32>) -> Result<Self> {
        let words = tiles * placed.rows;
        let cells = own.len() * words * placed.columns;
        memory::check("the places of a bank's vectors", cells * size_of::<u16>())?;
        let mut known = earlier;
        known.resize(own.len() * words, 0);
        for (row, place) in known.chunks_exact_mut(words).zip(own) {
            if let Some(word) = row.get_mut(*place as usize / BITS) {
                *word |= 1 << (place % BITS as u32);
            }
        }
        Ok(Self { placed, words, seen: known.clone(), known, frames: vec![0; cells], by: HashMap::new() })
    }

    /// Takes what an image saw: for each token of a tile that counts its place and the rows that it matched.
    pub(super) fn add<'a>(&mut self, image: u32, tokens: impl Iterator<Item = (u32, &'a [u32])>) {
        let (words, columns, n) = (self.words, self.placed.columns, self.frames.len());
        let cell = |place: u32, row: u32| {
            let (word, column) = (place as usize / BITS, place as usize % BITS);
            (row as usize * words + word) * columns + column
        };
        let cells = tokens.flat_map(|(place, rows)| rows.iter().map(move |row| cell(place, *row)));
        let mut seen: Vec<u32> = cells.filter(|cell| *cell < n).map(|cell| cell as u32).collect();
        seen.sort_unstable();
        seen.dedup();
        for cell in seen.iter().map(|cell| *cell as usize) {
            self.frames[cell] += 1;
            self.seen[cell / columns] |= 1 << (cell % columns);
        }
        self.by.entry(image).or_default().extend(seen);
    }

    /// Where rows were seen, by all frames but those that are left out.
    fn seen(&mut self, is_out: impl Fn(u32) -> bool) -> Vec<u32> {
        let out = self.by.iter().filter(|(image, _)| is_out(**image));
        let out: Vec<usize> = out.flat_map(|(_, cells)| cells).map(|cell| *cell as usize).collect();
        let (mut seen, columns) = (self.seen.clone(), self.placed.columns);
        for cell in &out {
            self.frames[*cell] -= 1;
            let (word, bit) = (cell / columns, 1 << (cell % columns));
            if self.frames[*cell] == 0 {
                seen[word] &= !bit | self.known[word];
            }
        }
        out.iter().for_each(|cell| self.frames[*cell] += 1);
        seen
    }

    /// The places of rows within a radius.
    pub(super) fn places(&mut self, radius: usize) -> Places {
        self.without(radius, |_| false, |_| true)
    }

    /// The places of rows within a radius, as if some images had not been learned; `stays` names the rows that are left.
    pub(super) fn without(
        &mut self,
        radius: usize,
        is_out: impl Fn(u32) -> bool,
        stays: impl Fn(usize) -> bool,
    ) -> Places {
        Places::within(Placed { radius, ..self.placed }, self.words, self.seen(is_out), stays)
    }

    pub(super) fn placed(&self) -> Placed {
        self.placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Placed = Placed { rows: 3, columns: 4, radius: 0 };

    /// The word of a place.
    fn at(row: usize, column: usize) -> u32 {
        (row * BITS + column) as u32
    }

    /// Rows of 3 words that count at the place.
    fn counting(places: &Places, place: u32) -> Vec<usize> {
        let (word, bit) = (place as usize / BITS, place as usize % BITS);
        let rows = places.counts().chunks_exact(places.words()).enumerate();
        rows.filter(|(_, words)| words[word] >> bit & 1 == 1).map(|(row, _)| row).collect()
    }

    #[test]
    fn tokens_have_places_of_about_two_by_two_and_many_tiles_share_the_words() {
        let square = Placed::of(Grid::square(40), 1);
        assert_eq!((square.rows, square.columns), (20, 20));
        let places: Vec<u32> = square.of_tokens(Grid::square(40), 0).collect();
        assert_eq!((places[0], places[1], places[2], places[40], places[80]), (0, 0, 1, 0, 32));
        assert_eq!(places[1599], at(19, 19));
        let wide = Placed::of(Grid { rows: 20, columns: 80 }, 1);
        assert_eq!((wide.rows, wide.columns), (10, 32));
        let last = wide.of_tokens(Grid { rows: 20, columns: 80 }, 0).last();
        assert_eq!(last, Some(at(9, 31)));
        let tiled = Placed::of(Grid::square(40), 9);
        assert_eq!((tiled.rows, tiled.columns), (4, 20));
        assert_eq!(tiled.of_tokens(Grid::square(40), 8).last(), Some(at(8 * 4 + 3, 19)));
        assert_eq!(Placed::of(Grid::square(40), 64).rows, 1);
        assert_eq!(Placed::of(Grid { rows: 3, columns: 1 }, 1), Placed { rows: 2, columns: 1, radius: 0 });
    }

    #[test]
    fn rows_count_where_they_were_seen_and_around() {
        let own = [at(0, 0), at(0, 0), at(0, 1), at(2, 3), NOWHERE];
        let mut occupancy = Occupancy::new(GRID, 1, &own, Vec::new()).unwrap();
        occupancy
            .add(7, [(at(0, 0), &[4_u32, 3][..]), (at(1, 0), &[0][..]), (at(1, 0), &[0][..])].into_iter());
        let near = occupancy.places(0);
        assert_eq!(counting(&near, at(0, 0)), [0, 1, 3, 4]);
        // Where fewer than three are known all count.
        assert_eq!(counting(&near, at(1, 0)), [0, 1, 2, 3, 4]);
        let around = occupancy.places(1);
        assert_eq!(counting(&around, at(0, 1)), [0, 1, 2, 3, 4]);
        assert_eq!(counting(&around, at(1, 1)), [0, 1, 2, 3, 4]);
        assert_eq!(around.placed(), Placed { radius: 1, ..GRID });
        // Nothing lies beyond the columns.
        assert!(around.counts().iter().all(|word| word >> 4 == 0));
    }

    #[test]
    fn what_a_frame_saw_does_not_count_without_it() {
        let mut occupancy = Occupancy::new(GRID, 1, &[NOWHERE; 4], Vec::new()).unwrap();
        let all: Vec<u32> = (0..4).collect();
        occupancy.add(1, [(at(0, 0), &all[..]), (at(2, 2), &all[..3])].into_iter());
        occupancy.add(2, [(at(0, 0), &all[..3])].into_iter());
        let whole = occupancy.places(0);
        let less = occupancy.without(0, |image| image == 1, |_| true);
        assert_eq!(
            (counting(&whole, at(0, 0)), counting(&less, at(0, 0))),
            (vec![0, 1, 2, 3], vec![0, 1, 2])
        );
        assert_eq!(
            (counting(&whole, at(2, 2)), counting(&less, at(2, 2))),
            (vec![0, 1, 2], vec![0, 1, 2, 3])
        );
        // And is there again afterwards.
        assert_eq!(occupancy.places(0), whole);
        // Rows that are left out do not make a place known.
        let others = occupancy.without(0, |_| false, |row| row != 2);
        assert_eq!(counting(&others, at(2, 2)), [0, 1, 2, 3]);
    }

    #[test]
    fn words_that_are_no_places_are_refused() {
        let sane = Placed { radius: 1, ..GRID };
        assert!(Places::of(sane, 2, vec![1, 2, 8, 0, 0, 15]).is_some());
        let seen = |words: &[u32]| Places::of(sane, 2, words.to_vec()).is_none();
        assert!(seen(&[1, 2, 16, 0, 0, 0]), "a column too far");
        assert!(seen(&[1, 2, 3, 4]) && seen(&[1; 5]) && seen(&[]));
        for placed in [(0, 4, 1), (3, 0, 1), (3, 33, 1), (41, 4, 1), (3, 4, usize::MAX)] {
            let (rows, columns, radius) = placed;
            assert_eq!(Places::of(Placed { rows, columns, radius }, 2, vec![1; 2 * rows.min(64)]), None);
        }
    }

    #[test]
    fn rows_that_stay_keep_their_places() {
        let places = Places::of(GRID, 4, vec![1, 2, 4, 8, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        let some = places.only(|row| row != 1).unwrap();
        assert_eq!(some.seen(), [1, 2, 4, 3, 4, 5, 6, 7, 8]);
        assert_eq!(places.only(|_| false), None);
    }
}
