//! How far a reconstruction lies from the features: at each level 1 - the cosine of the two, brought to the pixels of the
//! input. Their sum is divided by 9, the published program's number of levels times the sum of their weights.

use snarm_kernels::Grid;
use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::columns::{self, columns};
use snarm_kernels::cosine_distance::cosine_distance;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::upsample::{Corners, Upsample};

use super::levels::Levels;
use crate::error::Result;

/// What a pixel of each level counts.
const WEIGHT: f32 = 1.0 / 9.0;

/// Comparisons of one stream.
pub(super) struct Comparison {
    channels: [usize; 3],
    distances: [Buffer; 3],
    upsample: [Upsample; 3],
    pixels: Buffer,
    map: Buffer,
}

impl Comparison {
    /// Of levels on `grids`, as maps of `size` pixels, at a place.
    pub(super) fn at(place: &Place, channels: [usize; 3], grids: [Grid; 3], size: Grid) -> Result<Self> {
        let [fine, middle, coarse] = grids.map(|grid| Buffer::new(place, grid.cells()));
        Ok(Self {
            channels,
            distances: [fine?, middle?, coarse?],
            upsample: grids.map(|grid| Upsample::new(grid.into(), size.into(), 1, Corners::Centres)),
            pixels: Buffer::new(place, size.cells())?,
            map: Buffer::new(place, size.cells())?,
        })
    }

    /// The map of one frame, (rows, columns).
    pub(super) fn run(&mut self, features: Levels<'_>, reconstructed: Levels<'_>) -> Result<&Buffer> {
        let Self { channels, distances, upsample, pixels, map } = self;
        let whole = columns::Place::all(1);
        for (i, distances) in distances.iter_mut().enumerate() {
            cosine_distance(features[i], reconstructed[i], channels[i], &mut *distances)?;
            upsample[i].run(&*distances, &mut *pixels)?;
            match i {
                0 => columns(&*pixels, 1, WEIGHT, whole, &mut *map)?,
                _ => add_scaled(&*pixels, WEIGHT, &mut *map)?,
            }
        }
        Ok(map)
    }
}
