//! Where a network is trained.

use std::fmt;
use std::str::FromStr;

pub use candle_core::Device;

use crate::cuda;
use crate::error::{Error, Result};

const NAME: &str = "device";

/// What the name of a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceKind {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of that number, in a build with the feature `cuda`.
    Cuda(usize),
}

impl FromStr for DeviceKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => Err(wrong("cpu, cuda, or cuda:N for the CUDA device of that number", text)),
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceKind {
    /// Opens the device.
    ///
    /// # Errors
    /// When this build cannot train on it, or there is no such device or no driver for it.
    pub fn open(self) -> Result<Device> {
        let Self::Cuda(number) = self else { return Ok(Device::Cpu) };
        if !cfg!(feature = "cuda") {
            let expected = "cpu in this build; one with CUDA is made by `cargo build --release -p snarm-pipelines \
                            --features cuda` where the CUDA toolkit (nvcc) is installed";
            return Err(wrong(expected, self));
        }
        let expected =
            format!("a CUDA device of number {number} and a driver that runs it (`nvidia-smi` lists them)");
        let found = cuda::probe().map_err(|reason| wrong(&expected, reason))?;
        if !found.iter().any(|device| device.ordinal == number) {
            return Err(wrong(expected, format!("{} CUDA devices", found.len())));
        }
        Device::new_cuda(number).map_err(|reason| wrong(expected, reason))
    }
}

fn wrong(expected: impl Into<String>, found: impl ToString) -> Error {
    Error::Setting { name: NAME, expected: expected.into(), found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, kind) in
            [("cpu", DeviceKind::Cpu), ("cuda:0", DeviceKind::Cuda(0)), ("cuda:3", DeviceKind::Cuda(3))]
        {
            assert_eq!((text.parse::<DeviceKind>().unwrap(), kind.to_string().as_str()), (kind, text));
        }
        assert_eq!("cuda".parse::<DeviceKind>().unwrap(), DeviceKind::Cuda(0));
        for text in ["gpu", "cuda:", "cuda:-1", "CPU", ""] {
            let refused = text.parse::<DeviceKind>().unwrap_err().to_string();
            assert!(refused.starts_with("device: expected cpu, cuda, or cuda:N") && refused.ends_with(text));
        }
    }

    #[test]
    fn what_a_build_or_a_machine_lacks_is_named() {
        assert!(DeviceKind::Cpu.open().unwrap().is_cpu());
        let refused = DeviceKind::Cuda(4096).open().unwrap_err().to_string();
        let named = if cfg!(feature = "cuda") { "nvidia-smi" } else { "--features cuda" };
        assert!(refused.starts_with("device: expected") && refused.contains(named), "{refused}");
    }
}
