//! Which learned frames are left out of the bank together while one of them is scored.
//!
//! Neighbouring frames of a video are nearly the same, so a frame scores too well against its own neighbours. The
//! stream is cut into blocks of neighbouring frames, and a frame is scored without its whole block: blocked
//! cross-validation (Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or
//! phylogenetic structure", Ecography 2017).

/// Block of frames that are never left out: those of the bank that is continued.
const EARLIER: u32 = u32::MAX;

/// Blocks of equal length, give or take a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    first: u32,
    frames: usize,
    count: usize,
}

impl Blocks {
    /// Blocks of at most that fraction of the frames, and of at least one: 0 makes each frame a block. The frames are
    /// numbered from `first`.
    pub(super) fn new(first: usize, frames: usize, fraction: f64) -> Self {
        let longest = ((fraction * frames as f64) as usize).max(1);
        Self { first: first as u32, frames, count: frames.div_ceil(longest) }
    }

    /// Block of a frame.
    pub(super) fn of(&self, image: u32) -> u32 {
        match image.checked_sub(self.first) {
            Some(at) => (at as usize * self.count / self.frames.max(1)) as u32,
            None => EARLIER,
        }
    }

    /// Whether a block may hold more than one frame.
    pub(super) fn are_long(&self) -> bool {
        self.count < self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(first: usize, frames: usize, fraction: f64) -> Vec<u32> {
        let blocks = Blocks::new(first, frames, fraction);
        (0..(first + frames) as u32).map(|image| blocks.of(image)).collect()
    }

    #[test]
    fn a_block_is_a_run_of_at_most_the_fraction() {
        assert_eq!(blocks(0, 10, 0.2), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(blocks(0, 7, 0.5), [0, 0, 0, 1, 1, 2, 2]);
        for (frames, fraction) in [(2, 0.5), (3, 0.5), (31, 0.2), (64, 0.1), (1000, 0.33)] {
            let of = blocks(0, frames, fraction);
            let longest = of.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap();
            assert!(of.is_sorted() && longest as f64 <= fraction * frames as f64, "{frames} {fraction}");
            let count = of.last().unwrap() + 1;
            assert!(count >= 2 && f64::from(count) <= 1.5 / fraction + 1.0, "{frames} {fraction}: {count}");
        }
    }

    #[test]
    fn few_frames_and_a_fraction_of_zero_make_each_frame_a_block() {
        for (frames, fraction) in [(4, 0.2), (2, 0.5), (9, 0.0)] {
            assert_eq!(blocks(0, frames, fraction), (0..frames as u32).collect::<Vec<_>>());
            assert!(!Blocks::new(0, frames, fraction).are_long());
        }
        assert!(Blocks::new(0, 10, 0.2).are_long());
    }

    #[test]
    fn frames_of_an_earlier_bank_are_in_no_block() {
        assert_eq!(blocks(3, 2, 0.2), [EARLIER, EARLIER, EARLIER, 0, 1]);
    }
}
