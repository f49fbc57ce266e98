//! In which precision the processor multiplies.

use std::fmt;
use std::str::FromStr;

use snarm_kernels::{Precision, simd};

use crate::error::{Error, Result};

/// What the name of a precision says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PrecisionChoice {
    /// What changes no verdict: f32. Products in bf16 move some scores by more than a hundredth (docs/benchmarks.md).
    #[default]
    Auto,
    /// Products as exact as numbers of 32 bits are.
    F32,
    /// Products of numbers rounded to bf16.
    Bf16,
}

impl PrecisionChoice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::F32, Self::Bf16];

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => Precision::F32.name(),
            Self::Bf16 => Precision::Bf16.name(),
        }
    }

    /// The precision.
    ///
    /// # Errors
    /// When one is asked for by name that the processor does not multiply in.
    pub fn choose(self) -> Result<Precision> {
        match self {
            Self::Auto | Self::F32 => Ok(Precision::F32),
            Self::Bf16 if Precision::Bf16.is_available() => Ok(Precision::Bf16),
            Self::Bf16 => {
                let expected = "bf16 on a processor with AVX512-BF16 alone, else auto or f32".to_owned();
                let found = format!("bf16 at the level {}", simd::isa().name());
                Err(Error::Setting { name: "precision", expected, found })
            }
        }
    }
}

impl FromStr for PrecisionChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|choice| choice.name() == text).ok_or_else(|| {
            let expected = "auto, f32 or bf16".to_owned();
            Error::Setting { name: "precision", expected, found: text.to_owned() }
        })
    }
}

impl fmt::Display for PrecisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for choice in PrecisionChoice::ALL {
            assert_eq!(choice.to_string().parse::<PrecisionChoice>().unwrap(), choice);
        }
        let error = "half".parse::<PrecisionChoice>().unwrap_err().to_string();
        assert!(error.contains("expected auto, f32 or bf16, found half"), "{error}");
    }

    #[test]
    fn what_the_processor_lacks_is_refused_by_name_alone() {
        assert!(PrecisionChoice::Auto.choose().unwrap().is_available());
        assert_eq!(PrecisionChoice::F32.choose().unwrap(), Precision::F32);
        match PrecisionChoice::Bf16.choose() {
            Ok(precision) => assert!(precision == Precision::Bf16 && precision.is_available()),
            Err(error) => {
                assert!(!Precision::Bf16.is_available());
                assert!(error.to_string().contains("a processor with AVX512-BF16"), "{error}");
            }
        }
    }
}
