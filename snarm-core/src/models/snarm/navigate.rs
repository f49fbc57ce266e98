//! The waypoint map and what it decides: which tokens are trusted, and which are hard.

use snarm_kernels::add_scaled::add_scaled;
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::row_mean::row_mean;
use snarm_kernels::split::{Split, SplitThere};

use crate::error::{Error, Result};

/// Fraction of the tokens that is trusted.
pub const TRUSTED_FRACTION: f64 = 0.75;

/// Waypoint values and the split that follows from them.
#[derive(Debug, Default)]
pub struct Navigation {
    waypoints: Vec<f32>,
    split: Split,
    there: Option<There>,
}

/// The same in the memory of a device.
#[derive(Debug)]
struct There {
    waypoints: Buffer,
    split: SplitThere,
}

/// What a device decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// The trusted tokens, ascending.
    pub(super) trusted: &'a Buffer<u32>,
    /// The part of each token, as [`snarm_kernels::split`] names them.
    pub(super) parts: &'a Buffer<u32>,
    /// Number of hard tokens.
    pub(super) hard: usize,
}

impl Navigation {
    /// For residuals at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(place: &Place) -> Result<Self> {
        let there = || -> Result<There> {
            Ok(There { waypoints: Buffer::new(place, 0)?, split: SplitThere::new(place)? })
        };
        let there = if *place == Place::Host { None } else { Some(there()?) };
        Ok(Self { there, ..Self::default() })
    }

    /// Splits tokens by their transformed inter-residuals (n, width): the waypoint value of a token is their mean, plus
    /// what a trained navigator says (n), and the tokens of the lowest values are trusted. Their number is the rounded
    /// fraction, half to even. Tokens that `ignored` names (empty: none) are in neither part.
    ///
    /// # Errors
    /// When the residuals are not whole rows or live on a device, or navigator or ignored tokens are of another number.
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
        row_mean(transformed, width, &mut self.waypoints)?;
        if let Some(navigator) = navigator {
            add_scaled(navigator, 1.0, &mut self.waypoints)?;
        }
        Ok(self.split.run(&self.waypoints, ignored, TRUSTED_FRACTION)?)
    }

    /// As [`Self::run`] in the memory of a device, which nobody waits for: returns its trusted tokens, and for each token the
    /// part that it is in, with the number of hard ones.
    ///
    /// # Errors
    /// As there, and when this is not at the place of the residuals.
    pub(super) fn run_there(
        &mut self,
        transformed: BufferView<'_>,
        width: usize,
        navigator: Option<&Buffer>,
        ignored: &[bool],
    ) -> Result<Parts<'_>> {
        let Some(There { waypoints, split }) = &mut self.there else {
            let (expected, found) = ("a navigation at a device".to_owned(), "one of the host".to_owned());
            return Err(Error::Mismatch { what: "SNARM", expected, found });
        };
        waypoints.resize(transformed.len() / width.max(1))?;
        row_mean(transformed, width, &mut *waypoints)?;
        if let Some(navigator) = navigator {
            add_scaled(navigator, 1.0, &mut *waypoints)?;
        }
        split.run(waypoints, ignored, TRUSTED_FRACTION)?;
        Ok(Parts { trusted: split.low(), parts: split.parts(), hard: split.high() })
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
