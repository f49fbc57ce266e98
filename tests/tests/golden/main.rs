//! Our numbers against those of the public reference implementations.

mod encoder;
mod file;
mod matching;
mod metrics;
mod preprocess;
mod scan_orders;
