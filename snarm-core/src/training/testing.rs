//! Tests on every device: on the kernels, on the compositions of candle's ops that a GPU gets, run by the CPU, and on a GPU.

use std::cell::Cell;

use super::{Device, DeviceKind};
use crate::cuda;
use crate::skip::skip;

thread_local! {
    /// Whether ops take their compositions on the CPU, too; asked by `ops::on_kernels` alone.
    pub(super) static COMPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` on this thread as on a device that the kernels do not know.
pub(super) fn composed<R>(body: impl FnOnce() -> R) -> R {
    let before = COMPOSED.replace(true);
    let made = body();
    COMPOSED.set(before);
    made
}

/// Runs `body` on this thread on the kernels, also within [`composed`].
pub(super) fn kernels<R>(body: impl FnOnce() -> R) -> R {
    let before = COMPOSED.replace(false);
    let made = body();
    COMPOSED.set(before);
    made
}

/// Runs a test on the first GPU, or says why not.
pub(super) fn on_cuda(test: impl FnOnce(&Device)) {
    if !cfg!(feature = "cuda") {
        skip("cuda", "built without the feature cuda");
    } else if cuda::probe().unwrap().is_empty() {
        skip("cuda", "no CUDA device on this machine");
    } else {
        test(&DeviceKind::Cuda(0).open().unwrap());
    }
}

/// Runs each test, a function of a device, in three ways.
macro_rules! on_every_device {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use crate::training::testing::{composed, on_cuda};

            #[test]
            fn kernels() {
                super::$test(&candle_core::Device::Cpu);
            }

            #[test]
            fn compositions() {
                composed(|| super::$test(&candle_core::Device::Cpu));
            }

            #[test]
            fn cuda() {
                on_cuda(super::$test);
            }
        })*
    };
}

pub(super) use on_every_device;
