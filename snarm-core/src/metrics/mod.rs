//! How well scores separate anomalous from normal: one metric a file.
//!
//! Samples are images or pixels. Images are read from one [`Ranking`]; pixels, of which there may be billions, are
//! collected by [`PixelScores`] in bounded memory. Definitions are those of scikit-learn and of MVTec AD; scores that
//! are equal move together. Nothing here knows images or data sets.

mod aupro;
mod auroc;
mod average_precision;
mod binned;
mod curve;
mod f1_max;
mod pixels;
mod ranking;
mod regions;

pub use aupro::AUPRO_LIMIT;
pub use auroc::auroc;
pub use average_precision::average_precision;
pub use curve::{Curve, CurvePoint};
pub use f1_max::{F1Max, f1_max};
pub use pixels::{Binning, PixelFigures, PixelScores, PixelStep};
pub use ranking::{Ranking, Samples, Step};

#[cfg(test)]
mod tests;
