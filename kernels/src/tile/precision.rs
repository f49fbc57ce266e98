//! What elements of matrix products are rounded to.

use crate::simd::{Isa, isa};

/// Precision of the elements of matrix products; sums are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to eight bits of mantissa: a relative error of at most 1/256.
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether the level in use multiplies in it.
    pub fn is_available(self) -> bool {
        self.is_available_at(isa())
    }

    pub(super) fn is_available_at(self, isa: Isa) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => isa == Isa::Avx512 && has_bf16(),
        }
    }
}

/// Whether the processor multiplies bf16.
#[cfg(target_arch = "x86_64")]
pub(super) fn has_bf16() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether the processor multiplies bf16.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn has_bf16() -> bool {
    false
}

/// Two numbers, rounded to bf16, in the bits of one: the first in the lower half.
pub(super) fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits(u32::from(round(low)) | u32::from(round(high)) << 16)
}

/// The numbers of a pair.
pub(super) fn unpaired(pair: f32) -> [f32; 2] {
    let bits = pair.to_bits();
    [f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000)]
}

/// The nearest bf16, the even one of two; what the processor rounds to, but for numbers below the smallest normal one, which it
/// takes for zero.
fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}
