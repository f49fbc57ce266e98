//! 8-connected components of the part of a map that reaches a threshold.
//!
//! # Shapes
//! x (h, w) row-major; labels (h, w): 0 outside, components numbered from 1 in the order of their first pixel; parts: one
//! a component, in that order.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::{Components, Part};
