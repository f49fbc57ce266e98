//! Kernels by name, and what they are called with.

/// A kernel: its name and the PTX of its module, which ends in a zero.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) ptx: &'static str,
}

/// Names a kernel of the PTX file beside the source that uses this.
macro_rules! kernel {
    ($file:literal, $name:literal) => {
        $crate::device::cuda::Kernel { name: $name, ptx: concat!(include_str!($file), "\0") }
    };
}
pub(crate) use kernel;

/// An argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arg {
    /// An address in the memory of the device, or 0.
    Address(u64),
    Int(i32),
    Float(f32),
}

impl Arg {
    /// A size, which kernels count in 32 bits. One that does not fit is refused by every contract's launch: a negative size
    /// makes a kernel do nothing.
    pub(crate) fn size(n: usize) -> Self {
        Self::Int(i32::try_from(n).unwrap_or(-1))
    }

    pub(super) fn bytes(&self) -> u8 {
        match self {
            Self::Address(_) => 8,
            Self::Int(_) | Self::Float(_) => 4,
        }
    }

    /// Where its value lies, as the driver wants to have it.
    pub(super) fn address(&self) -> *mut std::ffi::c_void {
        let at: *const std::ffi::c_void = match self {
            Self::Address(value) => std::ptr::from_ref(value).cast(),
            Self::Int(value) => std::ptr::from_ref(value).cast(),
            Self::Float(value) => std::ptr::from_ref(value).cast(),
        };
        at.cast_mut()
    }
}

/// Bytes of each argument of a kernel, by the text of its module; nothing where it is not in there.
pub(super) fn sizes_of_arguments(ptx: &str, name: &str) -> Option<Vec<u8>> {
    let (_, after) = ptx.split_once(&format!(".entry {name}("))?;
    let (list, _) = after.split_once(')')?;
    let sizes = list.split(',').map(str::trim).filter(|parameter| !parameter.is_empty());
    sizes
        .map(|parameter| match parameter.split_whitespace().nth(1)? {
            ".u64" | ".s64" | ".b64" | ".f64" => Some(8),
            ".u32" | ".s32" | ".b32" | ".f32" => Some(4),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_arguments_are_those_of_the_text() {
        let ptx = "\n.visible .entry f(\n\t.param .u64 f_param_0,\n\t.param .u32 f_param_1,\n\t.param .f32 f_param_2\n)\n{";
        assert_eq!(sizes_of_arguments(ptx, "f"), Some(vec![8, 4, 4]));
        assert_eq!(sizes_of_arguments(ptx, "g"), None);
        assert_eq!(sizes_of_arguments(".entry g()", "g"), Some(vec![]));
    }
}
