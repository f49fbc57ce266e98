//! Matrix products: the panels they read, and the tile that they are made of.

mod f32;
mod panels;

pub(crate) use self::f32::{RowBlock, Sink, Tiled, multiply, tile, tile_rows, tiled};
pub use self::panels::Panels;
pub(crate) use self::panels::{MAX_COLS, tile_cols};
