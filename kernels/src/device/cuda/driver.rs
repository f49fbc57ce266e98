//! What is asked of the driver before the first call: cudarc ends the program where a library or a function is missing, so
//! nothing is called that was not found to be there.

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;

use super::Device;
use crate::error::{Error, Result};

/// The oldest version of CUDA whose drivers read the kernels: PTX 7.8. 520 is the first such driver.
const VERSION: i32 = 11_080;

/// The least compute capability: tensor cores with bf16, asynchronous copies.
const CAPABILITY: (i32, i32) = (8, 0);

/// The functions of the driver that this crate calls, by itself or through cudarc.
#[cfg(not(feature = "cuda-linked"))]
const FUNCTIONS: [&str; 36] = [
    "cuCtxGetCurrent",
    "cuCtxGetDevice",
    "cuCtxPopCurrent_v2",
    "cuCtxPushCurrent_v2",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDeviceTotalMem_v2",
    "cuDriverGetVersion",
    "cuFuncSetAttribute",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuInit",
    "cuLaunchKernel",
    "cuMemAlloc_v2",
    "cuMemFreeHost",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemcpyDtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemsetD8Async",
    "cuModuleGetFunction",
    "cuModuleLoadData",
    "cuStreamBeginCapture_v2",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamEndCapture",
    "cuStreamSynchronize",
];

/// Names the call of the driver that failed.
pub(super) fn failed(call: &'static str) -> impl Fn(DriverError) -> Error {
    move |DriverError(code)| Error::Cuda(format!("{call} failed with {code:?}"))
}

/// Whether there is a driver at all. A linked one is there, or the program had not started.
#[cfg(feature = "cuda-linked")]
pub(super) fn is_there() -> bool {
    true
}

/// Whether there is a driver at all.
#[cfg(not(feature = "cuda-linked"))]
#[expect(unsafe_code, reason = "opening a library runs its initialisers")]
pub(super) fn is_there() -> bool {
    // SAFETY: libcuda's initialisers have no preconditions; this is how every CUDA program starts.
    unsafe { sys::is_culib_present() }
}

#[cfg(feature = "cuda-linked")]
fn check_functions() -> Result<()> {
    Ok(())
}

#[cfg(not(feature = "cuda-linked"))]
#[expect(unsafe_code, reason = "functions of a library are found by name")]
fn check_functions() -> Result<()> {
    for name in FUNCTIONS {
        // SAFETY: the library is there, see `is_there`; what is found is not called, so its type does not matter.
        let found = unsafe { sys::culib().get::<*const ()>(name.as_bytes()).is_ok() };
        if !found {
            return Err(Error::Cuda(format!("expected a driver that has {name}, found one without")));
        }
    }
    Ok(())
}

/// Starts the driver, which may be done again and again, and counts its devices.
///
/// # Errors
/// When there is no driver, it is too old, lacks a function, or refuses to start.
pub(super) fn start() -> Result<usize> {
    if !is_there() {
        return Err(Error::Cuda("expected NVIDIA's driver (libcuda.so.1), found none".to_owned()));
    }
    check_functions()?;
    let version = version()?;
    if version < VERSION {
        let text = |v: i32| format!("{}.{}", v / 1000, v % 1000 / 10);
        let (expected, found) = (text(VERSION), text(version));
        return Err(Error::Cuda(format!(
            "expected a driver for CUDA {expected} or later, found one for {found}"
        )));
    }
    match result::init() {
        // A driver that stayed where there is no device any more.
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(error) => Err(failed("cuInit")(error)),
        Ok(()) => Ok(result::device::get_count().map_err(failed("cuDeviceGetCount"))?.max(0) as usize),
    }
}

#[expect(unsafe_code, reason = "a call of the driver")]
fn version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the function is there, see `check_functions`, and writes one number.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().map_err(failed("cuDriverGetVersion"))?;
    Ok(version)
}

/// What a device is. The driver has been started.
#[expect(unsafe_code, reason = "calls of the driver")]
pub(super) fn describe(ordinal: usize) -> Result<Device> {
    use sys::CUdevice_attribute_enum as Attribute;
    let handle = result::device::get(ordinal as i32).map_err(failed("cuDeviceGet"))?;
    let name = result::device::get_name(handle).map_err(failed("cuDeviceGetName"))?;
    let attribute = |attribute| {
        // SAFETY: `handle` was given by the driver, and devices do not go away while a process runs.
        unsafe { result::device::get_attribute(handle, attribute) }.map_err(failed("cuDeviceGetAttribute"))
    };
    // SAFETY: as above.
    let memory = unsafe { result::device::total_mem(handle) }.map_err(failed("cuDeviceTotalMem"))?;
    Ok(Device {
        ordinal,
        name,
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        memory,
        processors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1) as usize,
        shared: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?.max(0) as usize,
    })
}

/// Whether the kernels run on a device.
///
/// # Errors
/// When its compute capability is too low.
pub(super) fn check_capability(device: &Device) -> Result<()> {
    if device.capability >= CAPABILITY {
        return Ok(());
    }
    let ((major, minor), (least, least_minor)) = (device.capability, CAPABILITY);
    Err(Error::Cuda(format!(
        "expected a device of compute capability {least}.{least_minor} or later, found {} of {major}.{minor}",
        device.name
    )))
}
