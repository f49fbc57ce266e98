//! Our numbers against those of the public reference implementations.

mod encoder;
mod file;
mod head;
mod losses;
mod matching;
mod metrics;
mod preprocess;
mod scan_orders;
mod selective_scan;
mod train_step;
