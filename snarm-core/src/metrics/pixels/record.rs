//! A scored pixel as one integer.

/// Orders by falling score, then by rising area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record(u64);

impl Record {
    /// A pixel of a region of `area` pixels; area 0 is a normal pixel. The score must be a number.
    pub(super) fn new(score: f32, area: u32) -> Self {
        // Adding zero makes one zero of the two, which must tie.
        let bits = (score + 0.0).to_bits();
        let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self::from_key(!ascending, area)
    }

    pub(super) const fn from_key(key: u32, area: u32) -> Self {
        Self((key as u64) << 32 | area as u64)
    }

    /// The score as a number that rises while the score falls.
    pub(super) fn key(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) fn area(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn score(self) -> f32 {
        let ascending = !self.key();
        f32::from_bits(if ascending >> 31 == 1 { ascending & !(1 << 31) } else { !ascending })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_falling_scores() {
        let scores =
            [f32::INFINITY, 3.5, 1.0, f32::MIN_POSITIVE, 1e-45, 0.0, -1e-45, -2.0, f32::NEG_INFINITY];
        let records = scores.map(|score| Record::new(score, 7));
        assert!(records.is_sorted_by(|a, b| a < b));
        assert_eq!(records.map(Record::score), scores);
        assert_eq!(Record::new(-0.0, 0), Record::new(0.0, 0));
        assert!(Record::new(0.5, 0) < Record::new(0.5, 1));
        assert_eq!(Record::new(0.5, u32::MAX).area(), u32::MAX);
    }
}
