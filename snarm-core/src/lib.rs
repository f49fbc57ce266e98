//! Visual anomaly detection by Self-Navigated Residual Mamba (arXiv 2508.01591): encoders, banks, detector.
//!
//! The way of a frame starts in [`detect`]. This crate knows the kernels, files and metrics; it knows neither
//! GStreamer nor the terminal.

pub mod bank;
pub mod convert;
pub mod dataset;
pub mod detect;
pub mod encoder;
pub mod environment;
mod error;
pub mod files;
mod layers;
mod memory;
pub mod metrics;
pub mod models;
pub mod overlay;
pub mod paths;
// A door for tests.
#[doc(hidden)]
pub mod pickle;
mod printable;
pub mod registry;
pub mod results;
#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "every room's tests skip by the same file, and not every one needs all of it"
)]
#[path = "../../tests/src/skip.rs"]
mod skip;
pub mod synthetic;
pub mod training;
pub mod view;
pub mod y4m;

pub use error::{Error, Result};
pub use printable::{printable, printable_lines};
pub use snarm_kernels::{cuda, device, frame, simd, threads};
