//! Our numbers against those of the public reference implementations.

mod decoder;
mod encoder;
mod file;
mod losses;
mod matching;
mod metrics;
mod preprocess;
mod reconstruction;
mod scan_orders;
mod selective_scan;
mod train_step;
