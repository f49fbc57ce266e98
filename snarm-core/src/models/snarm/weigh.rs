//! What a decoder says, weighted by what the residuals say.
//!
//! A decoder that reads relative residuals learned on products that are not the one in front of the camera: it knows what
//! defects look like, and at times takes a rare but good detail for one. The residual score knows nothing of defects, but
//! how unusual a token is for this very product. Their product finds defective images better than either (docs/accuracy.md).

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::hybrid_score::hybrid_score;
use snarm_kernels::upsample::{Corners, Upsample};
use snarm_kernels::weigh::weigh;

use super::matching::Matching;
use crate::error::Result;

/// Weighs the probabilities of a decoder: p (r / l)^(1/2), with the residual score r of a place and the level l that is usual
/// for good frames of the product.
pub(crate) struct Weigh {
    scores: Buffer,
    upsample: Upsample,
    upsampled: Buffer,
    map: Buffer,
}

impl Weigh {
    /// For a grid of tokens and a map of probabilities of that size, at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub(crate) fn new(place: &Place, grid: Grid, size: Grid) -> Result<Self> {
        Ok(Self {
            scores: Buffer::new(place, grid.cells())?,
            upsample: Upsample::new(grid.into(), size.into(), 1, Corners::Edges),
            upsampled: Buffer::new(place, size.cells())?,
            map: Buffer::new(place, size.cells())?,
        })
    }

    /// The weighted map (rows, columns): `distances` are the mean distances of the tokens to their nearest bank rows.
    ///
    /// # Errors
    /// When a length does not fit, operands live apart, or the device fails.
    pub(crate) fn run(
        &mut self,
        probabilities: BufferView<'_>,
        distances: BufferView<'_>,
        intra: &Matching,
        level: f32,
    ) -> Result<&Buffer> {
        hybrid_score(distances, intra.distances_there(), &mut self.scores)?;
        self.upsample.run(&self.scores, &mut self.upsampled)?;
        weigh(probabilities, &self.upsampled, level, &mut self.map)?;
        Ok(&self.map)
    }
}

#[cfg(test)]
mod tests {
    use snarm_kernels::nearest::squared_norms;

    use super::*;
    use crate::encoder::seeded::values;

    #[test]
    fn usual_places_keep_their_probability_and_unusual_ones_gain() {
        let (grid, side, width) = (4, 8, 6);
        let frame = values("frame", grid * grid * width, 0.0, 1.0);
        let mut norms = vec![0.0; grid * grid];
        squared_norms(&frame, width, &mut norms).unwrap();
        let mut intra = Matching::new(width);
        intra.with_trusted(&frame, &(0..8).collect::<Vec<u32>>()).unwrap();
        // Distances for which every token has the same residual score.
        let mut distances: Vec<f32> = intra.distances().iter().map(|t| t.sqrt().powf(-1.0 / 3.0)).collect();
        let probabilities = vec![0.3; side * side];
        let mut weigh = Weigh::new(&Place::Host, Grid::square(grid), Grid::square(side)).unwrap();
        let mut run = |distances: &[f32], level: f32| -> Vec<f32> {
            let map = weigh.run((&probabilities).into(), distances.into(), &intra, level).unwrap();
            map.view().host("test").unwrap().to_vec()
        };
        let map = run(&distances, 1.0);
        assert!(map.iter().all(|v| (v - 0.3).abs() < 1e-4), "{map:?}");
        distances[5] *= 16.0_f32.powf(4.0 / 3.0);
        let map = run(&distances, 1.0);
        // Four times the probability in the middle of the token, which no pixel is exactly at.
        let peak = map.iter().copied().fold(0.0, f32::max);
        assert!((0.8..1.2).contains(&peak), "{peak}");
        assert!((map[63] - 0.3).abs() < 1e-4);
        let louder = run(&distances, 4.0);
        assert!(louder.iter().zip(&map).all(|(a, b)| (2.0 * a - b).abs() < 1e-4));
    }
}
