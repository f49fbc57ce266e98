//! What is fused, reconstructed and compared.

/// The levels of features, each (cells, channels), the finest first.
pub type Levels<'a> = [&'a [f32]; 3];
