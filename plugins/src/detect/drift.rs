//! Whether the light or the sharpness of a stream leaves what was learned.

use snarm_core::light::{Kind, Light, Quality};

use crate::meta;

/// Frames that the mean reaches back.
const FRAMES: f64 = 32.0;

/// How far beyond the learned range a number has drifted, as a factor, and how near it comes back.
const OUT: f64 = 1.05;
const BACK: f64 = 1.03;

/// The same for the sharpness, which changes with what parts show.
const OUT_OF_FOCUS: f64 = 1.15;
const BACK_IN_FOCUS: f64 = 1.1;

/// What is told of a number that leaves its range, or comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) drifting: bool,
    /// Mean of the last frames, as a multiple of what is usual.
    pub(super) value: f64,
    /// The learned range.
    pub(super) range: (f64, f64),
}

/// The learned ranges, in the order of [`Kind::ALL`].
pub(super) type Ranges = [(f64, f64); Kind::ALL.len()];

/// Those of a bank.
pub(super) fn ranges(light: &Light) -> Ranges {
    Kind::ALL.map(|kind| light.range_of(kind))
}

/// All that may drift in a stream.
#[derive(Debug, Default)]
pub(super) struct Drifts([Drift; Kind::ALL.len()]);

impl Drifts {
    /// Takes what a frame says of its quality; what has drifted or come back by that.
    pub(super) fn see(&mut self, quality: &Quality, ranges: &Ranges) -> Vec<Told> {
        let all = Kind::ALL.into_iter().zip(&mut self.0).zip(ranges);
        let told = |((kind, drift), range): ((Kind, &mut Drift), &(f64, f64))| {
            let ends = match kind {
                Kind::Sharpness => (OUT_OF_FOCUS, BACK_IN_FOCUS),
                _ => (OUT, BACK),
            };
            let drifting = drift.see(quality.of(kind), *range, ends)?;
            Some(Told { kind, drifting, value: drift.value()?, range: *range })
        };
        all.filter_map(told).collect()
    }

    /// Writes the means of the last frames, each under the name of its kind; -1 where there were none.
    pub(super) fn write(&self, fields: &mut gst::Structure) {
        for (kind, drift) in Kind::ALL.iter().zip(&self.0) {
            fields.set(kind.name(), drift.value().unwrap_or(meta::NONE));
        }
    }
}

/// Writes the learned ranges, as `light-low` and `light-high` for each kind; -1 where they are not known.
pub(super) fn write_ranges(ranges: Option<&Ranges>, fields: &mut gst::Structure) {
    for (at, kind) in Kind::ALL.iter().enumerate() {
        let (low, high) = ranges.map_or((meta::NONE, meta::NONE), |ranges| ranges[at]);
        fields.set(format!("{}-low", kind.name()), low);
        fields.set(format!("{}-high", kind.name()), high);
    }
}

/// One number of the last frames.
#[derive(Debug, Default)]
struct Drift {
    /// Mean of the logarithms, and frames in it.
    mean: f64,
    frames: u32,
    is_out: bool,
}

impl Drift {
    /// Takes the number of a frame, as a multiple of what is usual. Whether it has drifted, where that has just changed, by the
    /// learned range from `low` to `high` and how far beyond it is out, and back again.
    fn see(&mut self, number: f64, (low, high): (f64, f64), (out, back): (f64, f64)) -> Option<bool> {
        self.frames = self.frames.saturating_add(1);
        let share = 1.0 / f64::from(self.frames).min(FRAMES);
        self.mean += share * (number.max(f64::MIN_POSITIVE).ln() - self.mean);
        let beyond = if self.is_out { back } else { out };
        let is_out = !(low / beyond..=high * beyond).contains(&self.mean.exp());
        // The first frames after a start are no mean yet.
        if is_out == self.is_out || f64::from(self.frames) < FRAMES / 4.0 {
            return None;
        }
        self.is_out = is_out;
        Some(is_out)
    }

    /// The mean of the last frames, where there were some.
    fn value(&self) -> Option<f64> {
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
            told.extend(drift.see(light, RANGE, (OUT, BACK)));
        }
        assert_eq!(told, [true, false]);
        assert!((drift.value().unwrap() - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_dark_frame_is_no_drift() {
        let mut drift = Drift::default();
        let lights = (0..200).map(|frame| if frame % 50 == 49 { 0.5 } else { 1.0 });
        assert_eq!(lights.filter_map(|light| drift.see(light, RANGE, (OUT, BACK))).count(), 0);
        assert_eq!(Drift::default().value(), None);
    }

    #[test]
    fn every_kind_has_its_mean_and_its_range() {
        gst::init().unwrap();
        let mut fields = gst::Structure::new_empty("figures");
        Drifts::default().write(&mut fields);
        write_ranges(None, &mut fields);
        assert_eq!(fields.n_fields(), 3 * Kind::ALL.len());
        assert!(fields.iter().all(|(_, value)| value.get::<f64>().unwrap() == meta::NONE), "{fields}");
        write_ranges(Some(&[RANGE; Kind::ALL.len()]), &mut fields);
        let number = |name: &str| fields.get::<f64>(name).unwrap();
        assert_eq!((number("slope-x-low"), number("red-high")), RANGE);
    }
}
