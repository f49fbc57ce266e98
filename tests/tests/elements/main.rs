//! The three elements as applications meet them: on a harness, in pipelines, from the command line and from Python.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails the test, and what is skipped says why"
)]

mod attach;
mod bank;
mod broken;
mod common;
mod detect;
mod errors;
mod events;
mod family;
mod figures;
mod flow;
mod hard_use;
mod hot_swap;
mod interest;
mod learning;
mod light;
mod limited;
mod limits;
mod model;
mod outside;
mod overlay;
mod pages;
mod part;
mod process;
mod properties;
mod properties_bank;
mod properties_overlay;
mod results;
mod robust;
mod survival;
mod turned;
