//! The elements with frames in CUDA memory, by GStreamer's own `cudaupload` and `cudadownload` on a driver over host memory
//! (`tests/fake-cuda`). Each test runs in a process of its own, which finds that driver.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what fails here fails the test, and what is skipped says why"
)]

mod common;
mod contexts;
mod drawing;
mod fallbacks;
mod frames;
