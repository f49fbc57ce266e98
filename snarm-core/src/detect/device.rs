//! Where frames are scored.

use std::fmt;
use std::str::FromStr;

use snarm_kernels::cuda::{self, Mirror, Queue};
use snarm_kernels::device::{BufferView, Place};

use crate::error::{Error, Result};

/// What the name of a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// A CUDA device where one is found and does all that is needed, else the processor.
    Auto,
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of that number.
    Cuda(usize),
}

impl Choice {
    /// The place, which is opened.
    ///
    /// # Errors
    /// When there is no such device, or no driver for it. With [`Choice::Auto`] never.
    pub(crate) fn open(self) -> Result<Place> {
        match self {
            Self::Cpu => Ok(Place::Host),
            Self::Cuda(number) => Ok(Place::Cuda(Queue::new(number)?)),
            Self::Auto => match Queue::new(0) {
                Ok(queue) => Ok(Place::Cuda(queue)),
                Err(reason) => {
                    // Most machines have none, which is no reason for a warning; one that is of no use is.
                    let is_there = !cuda::probe().is_ok_and(|devices| devices.is_empty());
                    if is_there {
                        tracing::warn!("frames are scored on the CPU: {reason}");
                    } else {
                        tracing::info!("frames are scored on the CPU: {reason}");
                    }
                    Ok(Place::Host)
                }
            },
        }
    }
}

/// The name of a place in results: `cpu`, or `cuda:` and the number of the device.
pub fn device_name(place: &Place) -> String {
    match place {
        Place::Host => "cpu".to_owned(),
        Place::Cuda(queue) => format!("cuda:{}", queue.device().ordinal),
    }
}

/// Copies numbers of a device to the host, where they are when its work has been waited for.
///
/// # Errors
/// When they are on the host, there is no room for them, or the copy fails.
pub(super) fn copy_home(
    mirror: &mut Mirror,
    start: usize,
    from: BufferView<'_>,
) -> snarm_kernels::Result<()> {
    match from {
        BufferView::Cuda(from) => mirror.copy(start, from),
        BufferView::Host(_) => Err(snarm_kernels::Error::Apart { op: "mirror" }),
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
        match (text, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(number)) => Ok(Self::Cuda(number)),
            _ => {
                let expected = "auto, cpu, cuda, or cuda:N for the CUDA device of that number".to_owned();
                Err(Error::Setting { name: "device", expected, found: text.to_owned() })
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, choice) in [("auto", Choice::Auto), ("cpu", Choice::Cpu), ("cuda:3", Choice::Cuda(3))] {
            assert_eq!((text.parse::<Choice>().unwrap(), choice.to_string()), (choice, text.to_owned()));
        }
        assert_eq!("cuda".parse::<Choice>().unwrap(), Choice::Cuda(0));
        let error = "gpu".parse::<Choice>().unwrap_err().to_string();
        assert!(
            error.contains("expected auto, cpu, cuda, or cuda:N") && error.contains("found gpu"),
            "{error}"
        );
    }
}
