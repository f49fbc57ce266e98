//! How well scores separate anomalous from normal: one metric a file, all of them read from one [`Ranking`].
//!
//! Samples are images or pixels. Definitions are those of scikit-learn; scores that are equal move together.
//! Nothing here knows images or files.

mod auroc;
mod average_precision;
mod f1_max;
mod ranking;

pub use auroc::auroc;
pub use average_precision::average_precision;
pub use f1_max::{F1Max, f1_max};
pub use ranking::{Ranking, Samples, Step};

#[cfg(test)]
mod tests;
