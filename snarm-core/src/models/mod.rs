//! Detection models: what turns descriptors and a bank into a map of raw scores.
//!
//! A family is one folder here and one arm of [`Model`]. Importing frames, encoding, post-processing, metadata and
//! drawing know none of them.

pub mod scan_order;
pub mod snarm;

use crate::bank::Bank;
use crate::detector::StageTimes;
use crate::error::Result;

/// A detection model with the scratch of one stream.
pub enum Model {
    /// Self-Navigated Residual Mamba.
    Snarm(Box<snarm::Snarm>),
}

impl Model {
    /// SNARM without a trained head: the hybrid residuals themselves are the score.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens.
    pub fn training_free(grid: usize, width: usize) -> Result<Self> {
        Ok(Self::Snarm(Box::new(snarm::Snarm::training_free(grid, width)?)))
    }

    /// What calibrations made with this model are filed under.
    pub fn scorer(&self) -> &'static str {
        match self {
            Self::Snarm(_) => snarm::TRAINING_FREE,
        }
    }

    /// Raw scores (grid, grid) of one frame's descriptors (grid * grid, width).
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
        match self {
            Self::Snarm(snarm) => snarm.score(descriptors, bank, unlike, times),
        }
    }
}
