//! What a decoder says, weighted by what the residuals say.
//!
//! A decoder that reads relative residuals learned on products that are not the one in front of the camera: it knows what
//! defects look like, and at times takes a rare but good detail for one. The residual score knows nothing of defects, but
//! how unusual a token is for this very product. Their product finds defective images better than either (docs/accuracy.md).

use snarm_kernels::Grid;
use snarm_kernels::hybrid_score::hybrid_score;
use snarm_kernels::upsample::{Corners, Upsample};
use snarm_kernels::weigh::weigh;

use super::matching::Matching;
use crate::error::Result;

/// Weighs the probabilities of a decoder: p (r / l)^(1/2), with the residual score r of a place and the level l that is usual
/// for good frames of the product.
pub(crate) struct Weigh {
    scores: Vec<f32>,
    upsample: Upsample,
    upsampled: Vec<f32>,
    map: Vec<f32>,
}

impl Weigh {
    /// For a grid of tokens and a map of probabilities of that size.
    pub(crate) fn new(grid: Grid, size: Grid) -> Self {
        Self {
            scores: vec![0.0; grid.cells()],
            upsample: Upsample::new(grid.into(), size.into(), 1, Corners::Edges),
            upsampled: vec![0.0; size.cells()],
            map: vec![0.0; size.cells()],
        }
    }

    /// The weighted map (rows, columns): `distances` are the mean distances of the tokens to their nearest bank rows.
    ///
    /// # Errors
    /// When a length does not fit.
    pub(crate) fn run(
        &mut self,
        probabilities: &[f32],
        distances: &[f32],
        intra: &Matching,
        level: f32,
    ) -> Result<&[f32]> {
        hybrid_score(distances, intra.distances(), &mut self.scores)?;
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
        let mut weigh = Weigh::new(Grid::square(grid), Grid::square(side));
        let probabilities = vec![0.3; side * side];
        let map = weigh.run(&probabilities, &distances, &intra, 1.0).unwrap();
        assert!(map.iter().all(|v| (v - 0.3).abs() < 1e-4), "{map:?}");
        distances[5] *= 16.0_f32.powf(4.0 / 3.0);
        let map = weigh.run(&probabilities, &distances, &intra, 1.0).unwrap().to_vec();
        // Four times the probability in the middle of the token, which no pixel is exactly at.
        let peak = map.iter().copied().fold(0.0, f32::max);
        assert!((0.8..1.2).contains(&peak), "{peak}");
        assert!((map[63] - 0.3).abs() < 1e-4);
        let louder = weigh.run(&probabilities, &distances, &intra, 4.0).unwrap();
        assert!(louder.iter().zip(&map).all(|(a, b)| (2.0 * a - b).abs() < 1e-4));
    }
}
