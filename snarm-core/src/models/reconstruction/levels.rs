//! What is fused, reconstructed and compared.

use snarm_kernels::device::BufferView;

/// The levels of features, each (cells, channels), the finest first.
pub type Levels<'a> = [BufferView<'a>; 3];
