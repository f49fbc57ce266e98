//! The waypoint map and what it decides: which tokens are trusted, and which are hard.

/// Fraction of the tokens that is trusted.
pub const TRUSTED_FRACTION: f64 = 0.75;

/// Waypoint values and the split that follows from them.
#[derive(Debug, Default)]
pub struct Navigation {
    waypoints: Vec<f32>,
    order: Vec<u32>,
    trusted: Vec<u32>,
    hard: Vec<u32>,
}

impl Navigation {
    /// Splits tokens by their transformed inter-residuals (n, width): the waypoint value of a token is their mean, plus
    /// what a trained navigator says (n), and the tokens of the lowest values are trusted. Their number is the rounded
    /// fraction, half to even. Tokens that `ignored` names (empty: none) are in neither part.
    pub fn run(&mut self, transformed: &[f32], width: usize, navigator: Option<&[f32]>, ignored: &[bool]) {
        self.waypoints.clear();
        self.waypoints.extend(transformed.chunks_exact(width).map(|row| {
            // Four partial sums keep the rounding small and the order fixed.
            let mut sums = [0.0_f32; 4];
            row.chunks(4).for_each(|four| sums.iter_mut().zip(four).for_each(|(sum, v)| *sum += v));
            sums.iter().sum::<f32>() / width as f32
        }));
        if let Some(navigator) = navigator {
            self.waypoints.iter_mut().zip(navigator).for_each(|(waypoint, learned)| *waypoint += learned);
        }
        self.split(ignored);
    }

    /// Splits by the waypoint values. Equal values are ordered by token.
    fn split(&mut self, ignored: &[bool]) {
        self.order.clear();
        let is_seen = |token: &u32| !ignored.get(*token as usize).copied().unwrap_or(false);
        self.order.extend((0..self.waypoints.len() as u32).filter(is_seen));
        let count = (self.order.len() as f64 * TRUSTED_FRACTION).round_ties_even() as usize;
        let waypoints = &self.waypoints;
        self.order.sort_unstable_by(|a, b| {
            waypoints[*a as usize].total_cmp(&waypoints[*b as usize]).then(a.cmp(b))
        });
        let (trusted, hard) = self.order.split_at(count);
        for (part, tokens) in [(&mut self.trusted, trusted), (&mut self.hard, hard)] {
            part.clear();
            part.extend_from_slice(tokens);
            part.sort_unstable();
        }
    }

    /// Waypoint value of each token.
    pub fn waypoints(&self) -> &[f32] {
        &self.waypoints
    }

    /// The trusted tokens, ascending.
    pub fn trusted(&self) -> &[u32] {
        &self.trusted
    }

    /// The other tokens, ascending.
    pub fn hard(&self) -> &[u32] {
        &self.hard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_three_quarters_are_trusted() {
        let mut navigation = Navigation::default();
        navigation.run(&[0.4, 0.4, 0.1, 0.1, 0.9, 0.9, 0.3, 0.3], 2, None, &[]);
        assert_eq!((navigation.trusted(), navigation.hard()), (&[0, 1, 3][..], &[2][..]));
    }

    #[test]
    fn ignored_tokens_are_neither_trusted_nor_hard() {
        let mut navigation = Navigation::default();
        let ignored = [false, true, false, false, true, false];
        navigation.run(&[0.4, 0.1, 0.2, 0.9, 1.0, 0.3], 1, None, &ignored);
        assert_eq!((navigation.trusted(), navigation.hard()), (&[0, 2, 5][..], &[3][..]));
    }

    #[test]
    fn a_grid_of_49_trusts_1801_tokens() {
        let mut navigation = Navigation::default();
        navigation.run(&vec![1.0; 2401], 1, None, &[]);
        assert_eq!((navigation.trusted().len(), navigation.hard().len()), (1801, 600));
        assert_eq!(navigation.trusted()[1800], 1800, "equal values are ordered by token");
    }
}
