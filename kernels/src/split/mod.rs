//! Places in two parts: those of the lowest values, and the others. Equal values are ordered by place.
//!
//! # Shapes
//! values (n), left out (n) or empty -> low and high, places ascending, together all places that are not left out. On a
//! device: low, and for each place the part that it is in, [`LOW`], [`HIGH`] or [`LEFT_OUT`].

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use self::cpu::Split;
pub use self::cuda::SplitThere;

/// A place among the lowest values.
pub const LOW: u32 = 0;
/// A place among the others.
pub const HIGH: u32 = 1;
/// A place in neither part.
pub const LEFT_OUT: u32 = 2;

/// The number of places in the lower part of `places`: the rounded fraction, half to even.
fn count_of_low(places: usize, fraction: f64) -> usize {
    (places as f64 * fraction.clamp(0.0, 1.0)).round_ties_even() as usize
}
