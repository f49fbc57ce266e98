//! The choice of precision that the elements offer.

use snarm_core::detect::PrecisionChoice;
use snarm_core::{Error, Precision};

use crate::properties::choices;

choices! {
    /// In which precision the processor multiplies.
    Products, "GstSnarmPrecision";
    #[default]
    Auto, "auto", "Auto: what changes no verdict, which is f32";
    F32, "f32", "F32: as exact as numbers of 32 bits are";
    Bf16, "bf16", "Bf16: rounded to 8 bits of mantissa, with sums in f32; on processors that have it";
}

impl Products {
    /// The precision.
    ///
    /// # Errors
    /// When one is asked for by name that the processor does not multiply in.
    pub(crate) fn choose(self) -> Result<Precision, Error> {
        match self {
            Self::Auto => PrecisionChoice::Auto,
            Self::F32 => PrecisionChoice::F32,
            Self::Bf16 => PrecisionChoice::Bf16,
        }
        .choose()
    }
}
