//! Visual anomaly detection by Self-Navigated Residual Mamba (arXiv 2508.01591): encoders, banks, detector.
//!
//! The way of a frame starts in [`detector`]. This crate knows the kernels, files and metrics; it knows neither
//! GStreamer nor the terminal.

pub mod bank;
pub mod convert;
pub mod dataset;
pub mod detector;
pub mod encoder;
mod error;
mod extract;
pub mod geometry;
pub mod ignore;
mod layers;
pub mod metrics;
pub mod models;
pub mod overlay;
pub mod pickle;
mod postprocess;
pub mod registry;
pub mod results;
pub mod synthetic;
pub mod training;
pub mod weights;

pub use error::{Error, Result};
pub use snarm_kernels::{cuda, device, frame, simd, threads};
