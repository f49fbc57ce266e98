//! Visual anomaly detection by Self-Navigated Residual Mamba (arXiv 2508.01591): encoders, banks, detector.
//!
//! The way of a frame starts in [`detect`]. This crate knows the kernels, files and metrics; it knows neither
//! GStreamer nor the terminal. Good pictures make a bank, and a detector compares others with it (`examples/detect.rs` does
//! so with files):
//!
//! ```
//! use std::sync::Arc;
//!
//! use snarm_core::bank::{BankBuilder, BankSettings};
//! use snarm_core::detect::Detector;
//! use snarm_core::frame::Frame;
//! use snarm_core::registry;
//!
//! // RGB pictures of 64 x 48 pixels: a shaded part, and one with a bright spot.
//! let part = |i: usize, spot: u8| -> Vec<u8> {
//!     let value = |at: usize| {
//!         let (x, y) = (at / 3 % 64, at / 3 / 64);
//!         let lit = (20..34).contains(&x) && (16..30).contains(&y);
//!         (60 + 2 * x + y + 7 * at * i % 5) as u8 + if lit { spot } else { 0 }
//!     };
//!     (0..64 * 48 * 3).map(value).collect()
//! };
//! let encoder = registry::encoder(None)?;
//! let mut builder = BankBuilder::new(Arc::clone(&encoder), BankSettings::default())?;
//! for i in 0..4 {
//!     builder.add(&Frame::rgb(&part(i, 0), 64, 48)?)?;
//! }
//! let bank = Arc::new(builder.finish(&mut |_, _, _| {})?);
//!
//! let mut detector = Detector::new(encoder, bank)?;
//! let limits = detector.bank_limits();
//! let found = detector.detect(&Frame::rgb(&part(5, 60), 64, 48)?, &limits)?;
//! assert!(found.verdict.is_anomalous() && !found.regions.is_empty());
//! # Ok::<(), snarm_core::Error>(())
//! ```

pub mod bank;
pub mod convert;
pub mod dataset;
pub mod detect;
pub mod encoder;
pub mod environment;
mod error;
pub mod files;
mod layers;
pub mod light;
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
pub use snarm_kernels::{Grid, Precision, cuda, device, frame, simd, threads};
