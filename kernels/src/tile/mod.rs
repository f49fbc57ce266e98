//! Matrix products: the panels they read, and the tiles that they are made of.

mod bf16;
mod f32;
mod panels;
mod precision;
#[cfg(test)]
mod tests;

pub(crate) use self::f32::{RowBlock, Sink, Tiled, add_tile, hand_on, tile, tile_rows, tiled};
pub use self::panels::Panels;
pub(crate) use self::panels::{MAX_COLS, tile_cols};
pub use self::precision::Precision;

/// Multiplies a block of rows with all panels, in their precision, and hands each tile row to `sink`. Single-threaded: callers
/// split rows over threads.
pub(crate) fn multiply<K: Sink>(a: &RowBlock<'_>, b: &Panels, sink: &mut K) {
    match b.precision() {
        Precision::F32 => f32::multiply(a, b, sink),
        Precision::Bf16 => bf16::multiply(a, b, sink),
    }
}
