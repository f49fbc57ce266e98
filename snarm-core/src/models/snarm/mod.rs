//! Self-Navigated Residual Mamba: inter-residuals against the bank, a waypoint map that finds the frame's own trusted
//! tokens, intra-residuals against those.
//!
//! Without a trained head the residuals themselves are the score (`score`); a trained head reads the same residuals.

pub mod head;
mod matching;
mod navigate;
mod score;

use std::time::Instant;

pub use self::matching::{Inter, Intra};
pub use self::navigate::{Navigation, TRUSTED_FRACTION};
use crate::bank::Bank;
use crate::detector::StageTimes;
use crate::error::{Error, Result};

/// Name of the calibration of the residual score.
pub const TRAINING_FREE: &str = "training-free";

/// SNARM for one stream.
pub struct Snarm {
    grid: usize,
    width: usize,
    inter: Inter,
    navigation: Navigation,
    intra: Intra,
    map: Vec<f32>,
}

impl Snarm {
    /// Without a trained head.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens.
    pub fn training_free(grid: usize, width: usize) -> Result<Self> {
        if grid < 2 {
            let expected = "a grid of at least 2 x 2 tokens".to_owned();
            return Err(Error::Mismatch { what: "SNARM", expected, found: grid.to_string() });
        }
        let (inter, intra) = (Inter::new(width), Intra::new(grid * grid, width));
        Ok(Self { grid, width, inter, navigation: Navigation::default(), intra, map: Vec::new() })
    }

    /// Raw scores (grid, grid). Rows of the bank from image `unlike` do not count: a frame that is in the bank is so
    /// scored as if it were not.
    ///
    /// # Errors
    /// When the descriptors do not fit the bank.
    pub fn score(
        &mut self,
        descriptors: &[f32],
        bank: &Bank,
        unlike: Option<u32>,
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        let tokens = self.grid * self.grid;
        if descriptors.len() != tokens * self.width || bank.width() != self.width {
            let expected = format!("{tokens} descriptors of the bank's width, {}", bank.width());
            let found = format!("{} values for a width of {}", descriptors.len(), self.width);
            return Err(Error::Mismatch { what: "SNARM", expected, found });
        }
        let start = Instant::now();
        self.inter.run(descriptors, bank.rows(), unlike.map(|image| (image, bank.images())))?;
        times.inter_match = start.elapsed();

        let start = Instant::now();
        self.navigation.run(self.inter.transformed(), self.width, None);
        times.navigate = start.elapsed();

        let start = Instant::now();
        self.intra.run(descriptors, self.navigation.trusted())?;
        times.intra_match = start.elapsed();

        let start = Instant::now();
        score::residual_score(&self.inter, &self.intra, &mut self.map);
        times.decode = start.elapsed();
        Ok(&self.map)
    }
}
