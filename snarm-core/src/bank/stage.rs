//! Steps of making a bank.

/// Steps of [`super::BankBuilder::build`], for progress displays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildStage {
    /// Finding the views that frames ask for.
    Views,
    /// Picking the coreset.
    Reduce,
    /// Scoring good frames.
    Calibrate,
}
