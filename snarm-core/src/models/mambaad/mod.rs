//! MambaAD (He et al. 2024, arXiv 2404.06564): a decoder of state-space blocks reconstructs the features of a ResNet-34,
//! scanning maps in eight directions along Hilbert's curve. What it consists of is in [`reconstruction`](super::reconstruction).

use crate::models::reconstruction::Kind;

/// The family. The published program can scan along other curves and in fewer directions.
pub static KIND: Kind = Kind { family: "mambaad", curve: None, directions: &[2, 4, 8], quarters: false };
