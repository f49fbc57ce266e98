//! Compute kernels of SNARM: one folder an operation, each with its contract, a plain reference and fast bodies.
//!
//! This crate knows SIMD, threads and CUDA. It knows no models, no files, no GStreamer, and prints nothing. Operations run
//! on the threads and at the level of the queue that they are called from:
//!
//! ```
//! use snarm_kernels::nearest::{Filter, Rows, Workspace, nearest, squared_norms};
//!
//! let rows = [0.0, 0.0, 3.0, 4.0];
//! let (mut norms, mut indices, mut squares) = ([0.0; 2], [0], [0.0]);
//! snarm_kernels::threads::install(|| {
//!     squared_norms(&rows, 2, &mut norms)?;
//!     let rows = Rows { data: &rows[..], norms: &norms };
//!     let (all, mut workspace) = (Filter::default(), Workspace::default());
//!     nearest(&[3.0, 3.0], 2, rows, all, 1, &mut workspace, &mut indices, &mut squares)
//! })??;
//! assert_eq!((indices, squares), ([1], [1.0]));
//! # Ok::<(), snarm_kernels::Error>(())
//! ```

pub mod adamw;
pub mod add_norm;
pub mod add_scaled;
mod aligned;
pub mod attention;
pub mod batch_norm;
pub mod blend;
pub mod blur;
pub mod causal_conv;
pub mod channel_pool;
mod color;
pub mod columns;
pub mod components;
pub mod conv3x3;
pub mod coreset;
pub mod cosine_distance;
pub mod cross_scan;
pub mod depthwise;
pub mod device;
pub mod dropout;
mod error;
#[cfg(test)]
#[expect(unreachable_pub, reason = "every room's tests share the file")]
#[path = "../../tests/src/fake_cuda.rs"]
mod fake_cuda;
pub mod focal;
pub mod frame;
pub mod gather;
pub mod gelu;
mod grid;
pub mod hide;
pub mod hybrid_score;
pub mod instance_norm;
pub mod layer_norm;
mod layout;
pub mod light;
pub mod linear;
pub mod magnify;
pub mod mark;
pub mod matched_residual;
mod math;
pub mod max_pool;
pub mod mean3x3;
pub mod mean_sigmoid;
pub mod mlp;
pub mod nearest;
pub mod outer;
pub mod patches;
pub mod pooled_max;
pub mod preprocess;
pub mod rate;
pub mod relative_change;
pub mod relu;
pub mod residual;
pub mod resize;
pub mod row_dot;
pub mod row_mean;
mod same;
pub mod scale_columns;
pub mod scatter;
pub mod selective_scan;
pub mod sigmoid;
pub mod silu;
#[cfg(test)]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "every room's tests skip by the same file, and not every one needs all of it"
)]
#[path = "../../tests/src/skip.rs"]
mod skip;
pub mod softmax;
pub mod split;
pub mod stitch;
#[cfg(test)]
mod testing;
mod tile;
pub mod unfold;
pub mod unit_rows;
pub mod upsample;
pub mod weigh;
pub mod window;
pub mod windows;

pub use device::{cuda, simd, threads};
pub use error::{Error, Result};
pub use grid::Grid;
pub use tile::Precision;
