//! The cells of learned frames, by which a bank knows their light.

use rand_chacha::ChaCha8Rng;
use snarm_kernels::light::Cell;

use super::reservoir::{Place, Reservoir};
use crate::light::{CELLS, Light};

/// The most frames of one tile that are kept, and of many tiles.
const MOST_FRAMES: usize = 512;
const FEWEST_FRAMES: usize = 64;

/// Cells of learned frames.
pub(super) struct Cells {
    /// The number of each frame, and its cells.
    frames: Vec<(u32, Vec<Cell>)>,
    reservoir: Reservoir,
    /// Of the bank that is continued.
    before: Option<Light>,
}

impl Cells {
    pub(super) fn new(rng: ChaCha8Rng, before: Option<Light>) -> Self {
        Self { frames: Vec::new(), reservoir: Reservoir::new(MOST_FRAMES, rng), before }
    }

    /// Offers the cells of a frame, those of all its tiles; none where they were not measured.
    pub(super) fn offer(&mut self, image: u32, cells: &[Cell]) {
        if cells.is_empty() {
            return;
        }
        if self.frames.is_empty() {
            let tiles = (cells.len() / CELLS).max(1);
            self.reservoir.limit((MOST_FRAMES / tiles).clamp(FEWEST_FRAMES, MOST_FRAMES));
        }
        let frame = || (image, cells.to_vec());
        match self.reservoir.place() {
            Place::Append => self.frames.push(frame()),
            Place::Replace(at) => self.frames[at] = frame(),
            Place::Skip => {}
        }
    }

    /// Takes back the frames from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        let before = self.frames.len();
        self.frames.retain(|(image, _)| *image < first);
        self.reservoir.forget(before - self.frames.len());
    }

    /// What light they have; nothing of too few.
    pub(super) fn light(&self) -> Option<Light> {
        let frames: Vec<&[Cell]> = self.frames.iter().map(|(_, cells)| &cells[..]).collect();
        match &self.before {
            Some(before) => Some(before.and(&frames)),
            None => Light::of(&frames),
        }
    }
}
