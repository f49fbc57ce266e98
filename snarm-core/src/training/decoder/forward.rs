//! What a decoder in training makes of a sample: the map that it would make in use, by candle's forward pass, so that also
//! heads with parts left out can be validated.

use std::sync::Arc;

use snarm_kernels::Grid;
use snarm_kernels::device::Place;
use snarm_kernels::mean_sigmoid::mean_sigmoid;
use snarm_kernels::upsample::{Corners, Upsample};

use super::assemble::{Assembler, Entry};
use super::samples::Sample;
use super::{Mode, Net};
use crate::detect::ImageScore;
use crate::detect::postprocess::RawMap;
use crate::error::Result;
use crate::models::snarm::Weigh;
use crate::models::snarm::decoder::ORDERS;

/// Validates on samples.
pub(super) struct Validation {
    grid: usize,
    upsample: Upsample,
    upsampled: Vec<f32>,
    map: Vec<f32>,
    weigh: Weigh,
    raw: RawMap,
}

impl Validation {
    pub(super) fn new(grid: usize, side: usize, branches: usize) -> Result<Self> {
        let views = branches * ORDERS;
        Ok(Self {
            grid,
            upsample: Upsample::new((grid, grid), (side, side), views, Corners::Centres),
            upsampled: vec![0.0; side * side * views],
            map: vec![0.0; side * side],
            weigh: Weigh::new(&Place::Host, Grid::square(grid), Grid::square(side))?,
            raw: RawMap::new(Grid::square(side), Grid::square(side), ImageScore::Windows),
        })
    }

    /// The smoothed map (side, side), the image score, and the highest pixel.
    pub(super) fn run(
        &mut self,
        net: &Net<'_>,
        sample: &Arc<Sample>,
        assembler: &mut Assembler,
        key: u64,
    ) -> Result<(&[f32], f64, f64)> {
        let batch = assembler.batch(&[(Arc::clone(sample), Entry::plain(key))], net.variables)?;
        let (tokens, views) = (self.grid * self.grid, net.shape.views());
        let mut logits = vec![0.0; tokens * views];
        for branch in 0..net.shape.branches {
            let found: Vec<f32> = net.run(branch, &batch, Mode::Validate)?.logits.flatten_all()?.to_vec1()?;
            for (i, logit) in found.iter().enumerate() {
                logits[i % tokens * views + branch * ORDERS + i / tokens] = *logit;
            }
        }
        self.upsample.run(&logits, &mut self.upsampled)?;
        mean_sigmoid(&self.upsampled, &mut self.map)?;
        let map = match sample.level {
            // Without intra-residuals there is no residual score.
            Some(level) if !assembler.without().intra => self
                .weigh
                .run((&self.map).into(), (&sample.distances).into(), assembler.intra(), level)?
                .view()
                .host("weigh")?,
            _ => &self.map,
        };
        let (score, peak) = self.raw.of_whole(map, sample.visible)?;
        Ok((self.raw.map(), score, peak))
    }
}
