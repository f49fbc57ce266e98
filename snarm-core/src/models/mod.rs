//! Detection models: what turns descriptors and a bank into a map of raw scores.
//!
//! A family is one folder here and one arm of [`Model`]. Importing frames, encoding, post-processing, metadata and
//! drawing know none of them.

pub mod scan_order;
pub mod snarm;

use std::sync::Arc;

use crate::bank::Memory;
use crate::detect::StageTimes;
use crate::encoder::Geometry;
use crate::error::Result;

/// A detection model with the scratch of one stream.
pub enum Model {
    /// Self-Navigated Residual Mamba.
    Snarm(Box<snarm::Snarm>),
}

impl Model {
    /// SNARM for descriptors of that geometry. Without a trained head the hybrid residuals themselves are the score.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens, or the head reads another width.
    pub fn snarm(geometry: &Geometry, head: Option<Arc<snarm::head::Head>>) -> Result<Self> {
        Ok(Self::Snarm(Box::new(match head {
            None => snarm::Snarm::training_free(geometry.grid, geometry.width)?,
            Some(head) => snarm::Snarm::with_head(head, geometry.grid, geometry.width, geometry.side)?,
        })))
    }

    /// What calibrations made with this model are filed under.
    pub fn scorer(&self) -> &str {
        match self {
            Self::Snarm(snarm) => snarm.scorer(),
        }
    }

    /// The trained head, where there is one.
    pub fn head(&self) -> Option<&Arc<snarm::head::Head>> {
        match self {
            Self::Snarm(snarm) => snarm.head(),
        }
    }

    /// Where the head's time of the last frame went, where there is a head.
    pub fn head_times(&self) -> Option<snarm::head::Times> {
        match self {
            Self::Snarm(snarm) => snarm.head_times(),
        }
    }

    /// Side of the map of raw scores.
    pub fn map_side(&self) -> usize {
        match self {
            Self::Snarm(snarm) => snarm.map_side(),
        }
    }

    /// Raw scores (map side, map side) of one frame's descriptors (grid * grid, width). Tokens that `ignored` names
    /// (empty: none) are neither trusted nor hard; their scores mean nothing.
    ///
    /// # Errors
    /// When the descriptors do not fit the bank.
    pub fn score(
        &mut self,
        descriptors: &[f32],
        bank: &Memory,
        unlike: Option<u32>,
        ignored: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        match self {
            Self::Snarm(snarm) => snarm.score(descriptors, bank, unlike, ignored, times),
        }
    }
}
