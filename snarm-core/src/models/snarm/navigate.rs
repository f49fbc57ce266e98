//! The waypoint map and what it decides: which tokens are trusted, and which are hard.

use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::row_mean::row_mean;
use snarm_kernels::split::Split;

use crate::error::Result;

/// Fraction of the tokens that is trusted.
pub const TRUSTED_FRACTION: f64 = 0.75;

/// Waypoint values and the split that follows from them.
#[derive(Debug, Default)]
pub struct Navigation {
    waypoints: Vec<f32>,
    /// Means of tokens in the memory of a device.
    means: Option<Buffer>,
    split: Split,
}

impl Navigation {
    /// For residuals at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(place: &Place) -> Result<Self> {
        let means = if *place == Place::Host { None } else { Some(Buffer::new(place, 0)?) };
        Ok(Self { means, ..Self::default() })
    }

    /// Splits tokens by their transformed inter-residuals (n, width): the waypoint value of a token is their mean, plus
    /// what a trained navigator says (n), and the tokens of the lowest values are trusted. Their number is the rounded
    /// fraction, half to even. Tokens that `ignored` names (empty: none) are in neither part.
    ///
    /// # Errors
    /// When the residuals are not whole rows, or navigator or ignored tokens are of another number.
    pub fn run<'a>(
        &mut self,
        transformed: impl Into<BufferView<'a>>,
        width: usize,
        navigator: Option<&[f32]>,
        ignored: &[bool],
    ) -> Result<()> {
        let transformed = transformed.into();
        let n = transformed.len() / width.max(1);
        self.waypoints.resize(n, 0.0);
        match &mut self.means {
            None => row_mean(transformed, width, &mut self.waypoints)?,
            Some(means) => {
                means.resize(n)?;
                row_mean(transformed, width, &mut *means)?;
                means.read(&mut self.waypoints)?;
            }
        }
        if let Some(navigator) = navigator {
            add_scaled(navigator, 1.0, &mut self.waypoints)?;
        }
        Ok(self.split.run(&self.waypoints, ignored, TRUSTED_FRACTION)?)
    }

    /// Waypoint value of each token.
    pub fn waypoints(&self) -> &[f32] {
        &self.waypoints
    }

    /// The trusted tokens, ascending.
    pub fn trusted(&self) -> &[u32] {
        self.split.low()
    }

    /// The other tokens, ascending.
    pub fn hard(&self) -> &[u32] {
        self.split.high()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_three_quarters_are_trusted() {
        let mut navigation = Navigation::default();
        navigation.run(&[0.4, 0.4, 0.1, 0.1, 0.9, 0.9, 0.3, 0.3], 2, None, &[]).unwrap();
        assert_eq!((navigation.trusted(), navigation.hard()), (&[0, 1, 3][..], &[2][..]));
    }

    #[test]
    fn ignored_tokens_are_neither_trusted_nor_hard() {
        let mut navigation = Navigation::default();
        let ignored = [false, true, false, false, true, false];
        navigation.run(&[0.4, 0.1, 0.2, 0.9, 1.0, 0.3], 1, None, &ignored).unwrap();
        assert_eq!((navigation.trusted(), navigation.hard()), (&[0, 2, 5][..], &[3][..]));
    }

    #[test]
    fn a_grid_of_49_trusts_1801_tokens() {
        let mut navigation = Navigation::default();
        navigation.run(&vec![1.0; 2401], 1, None, &[]).unwrap();
        assert_eq!((navigation.trusted().len(), navigation.hard().len()), (1801, 600));
        assert_eq!(navigation.trusted()[1800], 1800, "equal values are ordered by token");
    }
}
