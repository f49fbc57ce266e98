//! Banks: made from good frames, kept in files, refused when damaged, never lost.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod build;
mod calibration;
mod common;
mod file;
mod groups;
mod places;
mod refused;
mod views;
