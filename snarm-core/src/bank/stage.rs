//! Steps of making a bank.

/// Steps of [`super::BankBuilder::build`], for progress displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// Picking the coreset.
    Reduce,
    /// Scoring good frames.
    Calibrate,
}
