//! CUDA as it is found at run time: the driver is opened by name, so one binary serves machines with and without it.
//! With the feature `cuda-linked` the driver is linked instead, since cudarc knows only one way at a time.

use std::sync::atomic::{AtomicBool, Ordering};

use cudarc::driver::{CudaContext, result, sys};

use crate::error::{Error, Result};

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub ordinal: usize,
    /// Its name.
    pub name: String,
    /// Compute capability, as in 9.0.
    pub capability: (i32, i32),
    /// Bytes of its memory.
    pub memory: usize,
}

static DISABLED: AtomicBool = AtomicBool::new(false);

/// Whether [`probe`] leaves the driver alone and finds no device.
pub fn disable(disabled: bool) {
    DISABLED.store(disabled, Ordering::Relaxed);
}

/// All CUDA devices of this machine; none where there is no driver, or one without a device.
///
/// # Errors
/// When a driver is there and refuses to start.
pub fn probe() -> Result<Vec<Device>> {
    if DISABLED.load(Ordering::Relaxed) || !has_driver() {
        return Ok(Vec::new());
    }
    match result::init() {
        // A driver that stayed where there is no device any more.
        Err(result::DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        started => started.map_err(failed)?,
    }
    let count = result::device::get_count().map_err(failed)?;
    (0..count).map(device).collect()
}

/// A linked driver is there, or the program had not started.
#[cfg(feature = "cuda-linked")]
fn has_driver() -> bool {
    true
}

#[cfg(not(feature = "cuda-linked"))]
#[expect(unsafe_code, reason = "opening a library runs its initialisers")]
fn has_driver() -> bool {
    // SAFETY: libcuda's initialisers have no preconditions; this is how every CUDA program starts.
    unsafe { sys::is_culib_present() }
}

#[expect(unsafe_code, reason = "the driver's calls are foreign")]
fn device(ordinal: i32) -> Result<Device> {
    use sys::CUdevice_attribute_enum as Attribute;
    let handle = result::device::get(ordinal).map_err(failed)?;
    let name = result::device::get_name(handle).map_err(failed)?;
    // SAFETY: `handle` was given by the driver a moment ago, and devices do not go away while a process runs.
    let (memory, major, minor) = unsafe {
        (
            result::device::total_mem(handle).map_err(failed)?,
            result::device::get_attribute(handle, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                .map_err(failed)?,
            result::device::get_attribute(handle, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
                .map_err(failed)?,
        )
    };
    Ok(Device { ordinal: ordinal as usize, name, capability: (major, minor), memory })
}

/// Copies data to a device and back: the smallest proof that it works.
///
/// # Errors
/// When any step fails, or the data came back changed.
pub fn check(ordinal: usize) -> Result<()> {
    let context = CudaContext::new(ordinal).map_err(failed)?;
    let stream = context.default_stream();
    let sent: Vec<f32> = (0..1000_u16).map(f32::from).collect();
    let on_device = stream.clone_htod(&sent).map_err(failed)?;
    let back = stream.clone_dtoh(&on_device).map_err(failed)?;
    if sent == back {
        return Ok(());
    }
    Err(Error::Cuda(format!("device {ordinal}: expected the data that was sent, found other data")))
}

fn failed(error: result::DriverError) -> Error {
    Error::Cuda(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_devices_are_found_and_work() {
        let devices = probe().unwrap();
        if devices.is_empty() {
            crate::skip::skip("cuda", "no CUDA device on this machine");
        }
        for device in devices {
            println!("{device:?}");
            assert!(device.memory > 0 && device.capability.0 > 0);
            check(device.ordinal).unwrap();
        }
    }
}
