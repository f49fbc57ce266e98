//! Places in two parts: those of the lowest values, and the others. Equal values are ordered by place.
//!
//! # Shapes
//! values (n), left out (n) or empty -> low and high, places ascending, together all places that are not left out.

mod cpu;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use self::cpu::Split;
