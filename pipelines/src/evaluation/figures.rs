//! The figures of a category, and the mean of several.

use serde_json::Value;
use snarm_core::metrics::{PixelFigures, Ranking, auroc, average_precision, f1_max};

/// Names of the figures in files, in the order of [`Figures::values`].
pub(crate) const NAMES: [&str; 7] =
    ["image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap", "pixel_f1max", "aupro"];

/// The figures of one category; none where one of the two kinds of sample is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) values: [Option<f64>; NAMES.len()],
}

impl Figures {
    /// Puts the figures of images and of pixels together.
    pub(crate) fn new(images: &Ranking, pixels: &PixelFigures) -> Self {
        let values = [
            auroc(images),
            average_precision(images),
            f1_max(images).map(|best| best.f1),
            pixels.auroc,
            pixels.average_precision,
            pixels.f1_max.map(|best| best.f1),
            pixels.aupro,
        ];
        Self { values }
    }

    /// The mean of each figure over those that have it.
    pub(crate) fn mean<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let values = std::array::from_fn(|i| {
            let known: Vec<f64> = all.clone().filter_map(|f| f.values.get(i).copied().flatten()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        });
        Self { values }
    }

    /// Each figure under its name.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (String, Value)> {
        NAMES.into_iter().zip(self.values).map(|(name, value)| (name.to_owned(), Value::from(value)))
    }

    pub(crate) fn cells(self) -> impl Iterator<Item = String> {
        self.values.into_iter().map(|value| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_a_category_lacks_is_left_out_of_the_mean() {
        let mut a = Figures::default();
        let mut b = Figures::default();
        (a.values[0], b.values[0], a.values[6]) = (Some(0.5), Some(1.0), Some(0.25));
        let mean = Figures::mean([a, b].iter());
        assert_eq!(mean.values, [Some(0.75), None, None, None, None, None, Some(0.25)]);
        assert!(Figures::default().pairs().all(|(_, value)| value.is_null()));
    }
}
