//! What the views read, of either way to run them.

use candle_core::Tensor;

/// Parameters of the views: all (views, c) but the bias, which is (views).
#[derive(Debug, Clone, Copy)]
pub struct Projection<'a> {
    /// Weight of the norm.
    pub norm_weight: &'a Tensor,
    /// Bias of the norm.
    pub norm_bias: &'a Tensor,
    /// Weight of the projection.
    pub weight: &'a Tensor,
    /// Bias of the projection.
    pub bias: &'a Tensor,
}
