//! The figures of an evaluation: by category, their mean, as JSON and as a table.

use anyhow::Result;
use serde_json::{Map, Value};
use snarm_core::metrics::{Samples, auroc, average_precision, f1_max};

use crate::output::Table;

/// Names of the figures, in the order of [`Scores::values`].
const NAMES: [&str; 5] = ["image_auroc", "pixel_auroc", "image_ap", "image_f1max", "pixel_ap"];

/// The figures of one category; none where one of the two kinds of sample is missing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scores {
    values: [Option<f64>; NAMES.len()],
}

impl Scores {
    /// Works out the figures of scored images and pixels.
    pub(super) fn new(images: Samples, pixels: Samples) -> Result<Self> {
        let (images, pixels) = (images.rank()?, pixels.rank()?);
        let values = [
            auroc(&images),
            auroc(&pixels),
            average_precision(&images),
            f1_max(&images).map(|best| best.f1),
            average_precision(&pixels),
        ];
        Ok(Self { values })
    }

    fn to_json(self) -> Value {
        let pairs = NAMES.iter().zip(self.values);
        Value::Object(pairs.map(|(&name, value)| (name.to_owned(), Value::from(value))).collect())
    }

    fn cells(self) -> impl Iterator<Item = String> {
        self.values.into_iter().map(|value| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}")))
    }
}

/// The figures of all categories, in the order in which they were evaluated.
#[derive(Debug, Default)]
pub(super) struct Report {
    categories: Vec<(String, Scores)>,
}

impl Report {
    pub(super) fn add(&mut self, name: String, scores: Scores) {
        self.categories.push((name, scores));
    }

    /// The mean of each figure over the categories that have it.
    fn mean(&self) -> Scores {
        let values = std::array::from_fn(|i| {
            let known: Vec<f64> =
                self.categories.iter().filter_map(|(_, s)| s.values.get(i).copied().flatten()).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        });
        Scores { values }
    }

    /// `{"categories": {name: figures}, "mean": figures}`.
    pub(super) fn to_json(&self) -> Value {
        let categories: Map<_, _> =
            self.categories.iter().map(|(name, s)| (name.clone(), s.to_json())).collect();
        serde_json::json!({ "categories": categories, "mean": self.mean().to_json() })
    }

    pub(super) fn table(&self) -> Table {
        let mut header = vec!["category"];
        header.extend(NAMES);
        let mut table = Table::new(&header);
        let mean = ("mean".to_owned(), self.mean());
        for (name, scores) in self.categories.iter().chain([&mean]) {
            table.row(std::iter::once(name.clone()).chain(scores.cells()).collect());
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(scores: &[(f32, bool)]) -> Samples {
        let mut samples = Samples::new();
        samples.extend(scores.iter().copied());
        samples
    }

    #[test]
    fn a_figure_that_a_category_lacks_is_null_and_left_out_of_the_mean() {
        let mut report = Report::default();
        let images = [(0.1, false), (0.9, true)];
        report.add("a".into(), Scores::new(samples(&images), samples(&[(0.2, true), (0.1, false)])).unwrap());
        report.add("b".into(), Scores::new(samples(&images), Samples::new()).unwrap());
        let json = report.to_json();
        assert_eq!(json["categories"]["a"]["pixel_auroc"], 1.0);
        assert!(json["categories"]["b"]["pixel_auroc"].is_null());
        assert_eq!(json["mean"]["pixel_auroc"], 1.0);
        assert_eq!(json["mean"]["image_auroc"], 1.0);
    }
}
