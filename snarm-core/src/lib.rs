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
pub mod pickle;
pub mod registry;
pub mod results;
pub mod synthetic;
pub mod training;
pub mod view;

pub use error::{Error, Result};
pub use snarm_kernels::{cuda, device, frame, simd, threads};
