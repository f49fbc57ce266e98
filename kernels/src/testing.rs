//! What the tests of the operations share.

use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use proptest::prelude::*;

use crate::device::{Buffer, Element, Place, cuda};
use crate::fake_cuda::{self, FAKE_CUDA, Mode};
use crate::grid::Grid;
use crate::windows::Window;

/// The driver that the tests of this process use; nothing where they use the machine's own, or there is none.
static DRIVER: OnceLock<Option<Library>> = OnceLock::new();

/// Loads the driver over host memory, so that it is found when the driver is looked for by its name.
#[expect(unsafe_code, reason = "opening a library runs its initialisers")]
pub(crate) fn driver() -> Option<&'static Library> {
    let load = || {
        let named = std::env::var_os(FAKE_CUDA).filter(|name| !name.is_empty());
        if named.as_ref().is_some_and(|name| name == "real") {
            return None;
        }
        let file = match named {
            Some(file) => file.into(),
            None => fake_cuda::folder(Mode::Plain)?.join("libcuda.so.1"),
        };
        // SAFETY: the library is ours, and its initialisers only enter kernels into a table.
        let library = unsafe { Library::open(Some(&file), RTLD_NOW | RTLD_GLOBAL) };
        Some(library.unwrap_or_else(|e| panic!("{}: {e}", file.display())))
    };
    DRIVER.get_or_init(load).as_ref()
}

/// What the driver over host memory has been asked for so far; nothing on a real device.
#[expect(unsafe_code, reason = "a function of a library")]
pub(crate) fn count(what: &str) -> Option<u64> {
    let what = std::ffi::CString::new(what).unwrap();
    // SAFETY: the function is that of tests/fake-cuda/driver.cpp.
    unsafe {
        let count =
            driver()?.get::<extern "C" fn(*const std::ffi::c_char) -> u64>(b"fake_cuda_count").unwrap();
        Some(count(what.as_ptr()))
    }
}

/// A queue of the device that operations are tested on; a skipped test where there is none. The levels of the CPU are
/// nothing to a device: where `SNARM_ISA` lowers the level, it is not tested again.
pub(crate) fn device() -> Option<Place> {
    if std::env::var_os("SNARM_ISA").is_some() {
        return None;
    }
    if driver().is_none() && cuda::probe().is_ok_and(|devices| devices.is_empty()) {
        crate::skip::skip("cuda", "no CUDA device on this machine");
        return None;
    }
    Some(Place::Cuda(cuda::Queue::new(0).unwrap()))
}

/// All that a buffer holds.
pub(crate) fn read<T: Element>(buffer: &Buffer<T>) -> Vec<T> {
    let mut values = vec![T::default(); buffer.len()];
    buffer.read(&mut values).unwrap();
    values
}

/// Fails unless values are close, in the units of the largest expected value.
#[track_caller]
pub(crate) fn assert_near(expected: &[f32], found: &[f32], tolerance: f32) {
    let most = expected.iter().fold(1e-6_f32, |most, v| most.max(v.abs()));
    assert_close(expected, found, tolerance * most);
}

/// Maps, their numbers of channels, and windows over them.
pub(crate) fn windows_over_maps() -> impl Strategy<Value = (Grid, usize, Window)> {
    let sizes = (1_usize..14, 1_usize..14, 1_usize..9, 1_usize..6, 1_usize..4, 0_usize..6);
    sizes.prop_map(|(rows, columns, c, side, step, border)| {
        (Grid { rows, columns }, c, Window { side, step, border: border.min(side - 1) })
    })
}

/// Deterministic values in -1..1.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Fails at the first pair farther apart than `tolerance`.
#[track_caller]
pub(crate) fn assert_close(expected: &[f32], found: &[f32], tolerance: f32) {
    assert_eq!(expected.len(), found.len());
    for (i, (e, f)) in expected.iter().zip(found).enumerate() {
        assert!((e - f).abs() <= tolerance, "at {i}: expected {e}, found {f}, tolerance {tolerance}");
    }
}

/// Compares a gradient with central differences of `loss`, along every axis of a short `x` and along a few directions of
/// any. `loss` should be computed in f64. The tolerance is relative to the gradient's length.
#[track_caller]
pub(crate) fn assert_gradient(x: &[f32], gradient: &[f32], tolerance: f64, loss: impl Fn(&[f32]) -> f64) {
    assert_eq!(x.len(), gradient.len());
    let length = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt().max(1e-3);
    let axes = x.len().min(24);
    let axis = |i: usize| -> Vec<f32> {
        let at = i * x.len() / axes.max(1);
        (0..x.len()).map(|j| f32::from(u8::from(j == at))).collect()
    };
    let directions = (0..axes).map(axis).chain((0..3).map(|seed| noise(x.len(), 900 + seed)));
    for direction in directions {
        let size = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let h = (4e-3 / size) as f32;
        let moved =
            |sign: f32| -> Vec<f32> { x.iter().zip(&direction).map(|(x, v)| x + sign * h * v).collect() };
        let (plus, minus) = (moved(1.0), moved(-1.0));
        // What was really moved, after rounding.
        let slope: f64 = plus
            .iter()
            .zip(&minus)
            .zip(gradient)
            .map(|((p, m), g)| (f64::from(*p) - f64::from(*m)) * f64::from(*g))
            .sum();
        let difference = loss(&plus) - loss(&minus);
        let error = (difference - slope).abs() / (2.0 * f64::from(h) * size);
        assert!(
            error <= tolerance * length,
            "slope {slope:e}, difference {difference:e}, gradient's length {length:e}"
        );
    }
}

/// Sum of the products of two slices, in f64: a loss whose gradient with respect to `y` is `dy`.
pub(crate) fn dot(y: &[f32], dy: &[f32]) -> f64 {
    assert_eq!(y.len(), dy.len());
    y.iter().zip(dy).map(|(y, dy)| f64::from(*y) * f64::from(*dy)).sum()
}
