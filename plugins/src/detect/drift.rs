//! Whether the light of a stream leaves what was learned.

/// Frames that the mean reaches back.
const FRAMES: f64 = 32.0;

/// How far beyond the learned range the light has drifted, as a factor, and how near it comes back.
const OUT: f64 = 1.05;
const BACK: f64 = 1.03;

/// The light of the last frames.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// Mean of the logarithms, and frames in it.
    mean: f64,
    frames: u32,
    is_out: bool,
}

impl Drift {
    /// Takes the light of a frame, as a multiple of what is usual. Whether it has drifted, where that has just changed, by the
    /// learned range from `low` to `high`.
    pub(super) fn see(&mut self, light: f64, (low, high): (f64, f64)) -> Option<bool> {
        self.frames += 1;
        let share = 1.0 / f64::from(self.frames).min(FRAMES);
        self.mean += share * (light.max(f64::MIN_POSITIVE).ln() - self.mean);
        let beyond = if self.is_out { BACK } else { OUT };
        let is_out = !(low / beyond..=high * beyond).contains(&self.mean.exp());
        // The first frames after a start are no mean yet.
        if is_out == self.is_out || f64::from(self.frames) < FRAMES / 4.0 {
            return None;
        }
        self.is_out = is_out;
        Some(is_out)
    }

    /// The mean light of the last frames, where there were some.
    pub(super) fn light(&self) -> Option<f64> {
        (self.frames > 0).then(|| self.mean.exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: (f64, f64) = (0.95, 1.05);

    #[test]
    fn light_that_leaves_and_comes_back_is_told_once_each() {
        let mut drift = Drift::default();
        let mut told = Vec::new();
        for light in [[1.0; 60], [0.8; 60], [1.0; 60]].concat() {
            told.extend(drift.see(light, RANGE));
        }
        assert_eq!(told, [true, false]);
        assert!((drift.light().unwrap() - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_dark_frame_is_no_drift() {
        let mut drift = Drift::default();
        let lights = (0..200).map(|frame| if frame % 50 == 49 { 0.5 } else { 1.0 });
        assert_eq!(lights.filter_map(|light| drift.see(light, RANGE)).count(), 0);
        assert_eq!(Drift::default().light(), None);
    }
}
