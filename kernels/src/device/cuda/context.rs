//! Contexts of the driver: what memory, streams and kernels belong to. The primary one of a device, or one that others made,
//! such as the elements of a pipeline upstream.

use std::any::Any;
use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use cudarc::driver::{result, sys};

use super::driver::{self, failed};
use super::{Device, is_disabled};
use crate::error::{Error, Result};

/// A context of a device. Copies of it are the same context.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    device: Device,
    handle: sys::CUcontext,
    owner: Owner,
}

/// What keeps a context.
enum Owner {
    /// The device, whose primary context it is; it is retained.
    Device(sys::CUdevice),
    /// Somebody else, who gives it back when this is dropped.
    #[expect(dead_code, reason = "it is held, not read")]
    Other(Box<dyn Any + Send + Sync>),
}

#[expect(unsafe_code, reason = "handles of the driver may be used by every thread")]
// SAFETY: a context is bound to no thread: threads enter it (CUDA C++ Programming Guide, driver API).
unsafe impl Send for Inner {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above; nothing of it changes.
unsafe impl Sync for Inner {}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("device", &self.0.device).field("handle", &self.0.handle).finish()
    }
}

/// Two are equal where they are the same context of the driver.
impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        self.0.handle == other.0.handle
    }
}

impl Eq for Context {}

impl Context {
    /// The primary context of the device of that number, which libraries of CUDA use, too.
    ///
    /// # Errors
    /// When there is no driver, it is too old or refuses, or there is no such device or one that is too old.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn primary(ordinal: usize) -> Result<Self> {
        let count = start()?;
        if ordinal >= count {
            let found = if count == 0 { "none".to_owned() } else { format!("{count}, counted from 0") };
            return Err(Error::Cuda(format!("expected a device {ordinal}, found {found}")));
        }
        let device = driver::describe(ordinal)?;
        driver::check_capability(&device)?;
        let number = result::device::get(ordinal as i32).map_err(failed("cuDeviceGet"))?;
        // SAFETY: the device was given by the driver; the context is released once, when the last copy is dropped.
        let handle =
            unsafe { result::primary_ctx::retain(number) }.map_err(failed("cuDevicePrimaryCtxRetain"))?;
        Ok(Self(Arc::new(Inner { device, handle, owner: Owner::Device(number) })))
    }

    /// A context that others made, which stays theirs: `owner` is dropped when it is not used any more.
    ///
    /// # Errors
    /// As [`Self::primary`], of the context's device.
    ///
    /// # Safety
    /// `handle` is a context of the driver that lives at least as long as `owner`.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub unsafe fn foreign(handle: *mut c_void, owner: Box<dyn Any + Send + Sync>) -> Result<Self> {
        let count = start()?;
        let handle: sys::CUcontext = handle.cast();
        let mut number = 0;
        {
            let _entered = Entered::new(handle)?;
            // SAFETY: there is a current context, see above, and one number is written.
            unsafe { sys::cuCtxGetDevice(&raw mut number) }.result().map_err(failed("cuCtxGetDevice"))?;
        }
        let is_it = |ordinal: &usize| result::device::get(*ordinal as i32).is_ok_and(|found| found == number);
        let ordinal = (0..count).find(is_it).ok_or_else(|| {
            Error::Cuda(format!("expected a context of one of {count} devices, found one of {number}"))
        })?;
        let device = driver::describe(ordinal)?;
        driver::check_capability(&device)?;
        Ok(Self(Arc::new(Inner { device, handle, owner: Owner::Other(owner) })))
    }

    /// Its device.
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The driver's name of it, a `CUcontext`.
    pub fn handle(&self) -> *mut c_void {
        self.0.handle.cast()
    }

    /// Makes it current in this thread, until what is returned is dropped.
    pub(super) fn enter(&self) -> Result<Entered> {
        Entered::new(self.0.handle)
    }
}

/// Starts the driver, unless CUDA is switched off, and counts its devices.
fn start() -> Result<usize> {
    if is_disabled() {
        return Err(Error::Cuda("expected CUDA, found it switched off".to_owned()));
    }
    driver::start()
}

impl Drop for Inner {
    #[expect(unsafe_code, reason = "the context is given back")]
    fn drop(&mut self) {
        if let Owner::Device(device) = self.owner {
            // A driver that fails here has nothing left to give back.
            // SAFETY: it was retained once, and whatever uses it holds a copy of the context.
            let _ = unsafe { result::primary_ctx::release(device) };
        }
    }
}

/// A context is current in this thread while this lives; then the one before is again, as the threads of a pipeline are
/// others', too.
#[derive(Debug)]
pub(super) struct Entered {
    /// Whether another one was current before.
    pushed: bool,
    /// Contexts are those of a thread.
    _here: std::marker::PhantomData<*const ()>,
}

impl Entered {
    #[expect(unsafe_code, reason = "calls of the driver")]
    fn new(handle: sys::CUcontext) -> Result<Self> {
        let mut current = std::ptr::null_mut();
        // SAFETY: the driver has been started, and one pointer is written.
        unsafe { sys::cuCtxGetCurrent(&raw mut current) }.result().map_err(failed("cuCtxGetCurrent"))?;
        let pushed = current != handle;
        if pushed {
            // SAFETY: the context lives: its owner is held.
            unsafe { sys::cuCtxPushCurrent_v2(handle) }.result().map_err(failed("cuCtxPushCurrent"))?;
        }
        Ok(Self { pushed, _here: std::marker::PhantomData })
    }
}

impl Drop for Entered {
    #[expect(unsafe_code, reason = "a call of the driver")]
    fn drop(&mut self) {
        if self.pushed {
            let mut popped = std::ptr::null_mut();
            // A driver that fails here fails with the next call, too.
            // SAFETY: it was pushed by this thread, which cannot have handed this over to another.
            let _ = unsafe { sys::cuCtxPopCurrent_v2(&raw mut popped) };
        }
    }
}
