//! How far a reconstruction lies from the features: at each level 1 - the cosine of the two, brought to the pixels of the
//! input. Their sum is divided by 9, the published program's number of levels times the sum of their weights.

use snarm_kernels::Grid;
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::cosine_distance::cosine_distance;
use snarm_kernels::upsample::{Corners, Upsample};

use super::levels::Levels;
use crate::error::Result;

/// What a pixel of each level counts.
const WEIGHT: f32 = 1.0 / 9.0;

/// Comparisons of one stream.
pub(super) struct Comparison {
    channels: [usize; 3],
    distances: [Vec<f32>; 3],
    upsample: [Upsample; 3],
    pixels: Vec<f32>,
    map: Vec<f32>,
}

impl Comparison {
    /// Of levels on `grids`, as maps of `size` pixels.
    pub(super) fn new(channels: [usize; 3], grids: [Grid; 3], size: Grid) -> Self {
        Self {
            channels,
            distances: grids.map(|grid| vec![0.0; grid.cells()]),
            upsample: grids.map(|grid| Upsample::new(grid.into(), size.into(), 1, Corners::Centres)),
            pixels: vec![0.0; size.cells()],
            map: vec![0.0; size.cells()],
        }
    }

    /// The map of one frame, (rows, columns).
    pub(super) fn run(&mut self, features: Levels<'_>, reconstructed: Levels<'_>) -> Result<&[f32]> {
        self.map.fill(0.0);
        for (i, distances) in self.distances.iter_mut().enumerate() {
            cosine_distance(features[i], reconstructed[i], self.channels[i], &mut *distances)?;
            self.upsample[i].run(&*distances, &mut self.pixels)?;
            add_scaled(&self.pixels, WEIGHT, &mut self.map)?;
        }
        Ok(&self.map)
    }
}
