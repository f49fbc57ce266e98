//! A stream of a device: what is launched on it runs in order, beside the program, until somebody waits.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{result, sys};

use super::Device;
use super::context::{Context, Entered};
use super::driver::failed;
use super::kernel::{Arg, Kernel, sizes_of_arguments};
use super::recording;
use crate::error::{Error, Result};

/// Bytes of shared memory that a block has without asking.
const SHARED: usize = 48 << 10;

/// Threads of a block where each has its own.
const BLOCK: usize = 256;

/// The most arguments of a kernel.
const MOST_ARGUMENTS: usize = 24;

/// Work for a CUDA device, in order. Copies of it are the same queue.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    context: Context,
    stream: sys::CUstream,
    loaded: Mutex<Loaded>,
    /// How often memory was taken or freed.
    memory_changes: AtomicU64,
}

/// Kernels that have been used. They live as long as the queue: modules are never unloaded.
#[derive(Default)]
struct Loaded {
    /// By the address of the text.
    modules: HashMap<usize, sys::CUmodule>,
    functions: HashMap<&'static str, Function>,
}

#[derive(Clone)]
struct Function {
    handle: sys::CUfunction,
    /// Bytes of each argument.
    arguments: Arc<[u8]>,
    shared: usize,
}

/// A stream, and that this thread is in its context.
#[derive(Debug)]
pub(super) struct At {
    pub(super) stream: sys::CUstream,
    _entered: Entered,
}

#[expect(unsafe_code, reason = "handles of the driver may be used by every thread")]
// SAFETY: streams, modules and functions are bound to a context, not to a thread, and the context is made current before each
// call (CUDA C++ Programming Guide, driver API).
unsafe impl Send for Inner {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above; the maps are behind a lock, and the driver locks its own.
unsafe impl Sync for Inner {}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(self.device()).finish()
    }
}

/// Two are equal where they are the same queue.
impl PartialEq for Queue {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Queue {}

impl Queue {
    /// A queue in the primary context of the device of that number.
    ///
    /// # Errors
    /// When there is no driver, it is too old or refuses, or there is no such device or one that is too old.
    pub fn new(ordinal: usize) -> Result<Self> {
        Self::within(&Context::primary(ordinal)?)
    }

    /// A queue in a context, whose memory it may use.
    ///
    /// # Errors
    /// When the driver refuses.
    #[expect(unsafe_code, reason = "a stream of the driver")]
    pub fn within(context: &Context) -> Result<Self> {
        let _entered = context.enter()?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(failed("cuStreamCreate"))?;
        let queue = Self(Arc::new(Inner {
            context: context.clone(),
            stream,
            loaded: Mutex::default(),
            memory_changes: AtomicU64::new(0),
        }));
        // A stream without work is waited for in no time.
        // SAFETY: the stream is that of a moment ago.
        unsafe { result::stream::synchronize(stream) }.map_err(failed("cuStreamSynchronize"))?;
        Ok(queue)
    }

    /// The context that it works in.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// The device that works.
    pub fn device(&self) -> &Device {
        self.0.context.device()
    }

    /// Waits until all that was launched has ended.
    ///
    /// # Errors
    /// When a kernel failed; then nothing on this device works any more in this process. Or when this thread records work.
    #[expect(unsafe_code, reason = "a call of the driver")]
    pub fn wait(&self) -> Result<()> {
        self.check_not_recorded("waits")?;
        let at = self.stream()?;
        // SAFETY: the stream lives as long as the queue.
        unsafe { result::stream::synchronize(at.stream) }.map_err(failed("cuStreamSynchronize"))
    }

    /// The stream, whose context this thread is in as long as what is returned lives. Where this thread records, that which it
    /// records on.
    pub(super) fn stream(&self) -> Result<At> {
        let stream = recording::stream_of(self.address()).unwrap_or(self.0.stream);
        Ok(At { stream, _entered: self.0.context.enter()? })
    }

    /// What tells this queue from others.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Refuses what cannot be recorded.
    pub(super) fn check_not_recorded(&self, what: &str) -> Result<()> {
        match recording::stream_of(self.address()) {
            None => Ok(()),
            Some(_) => {
                Err(Error::Cuda(format!("expected work that can be recorded, found some that {what}")))
            }
        }
    }

    /// Memory was taken or freed.
    pub(super) fn change_memory(&self) {
        self.0.memory_changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often memory was taken or freed.
    pub(super) fn memory_changes(&self) -> u64 {
        self.0.memory_changes.load(Ordering::Relaxed)
    }

    /// Launches a kernel of this crate: `grid` blocks of `threads`, each with `shared` bytes of shared memory. What it reads
    /// and writes is what its contract in `mod.rs` has checked.
    ///
    /// # Errors
    /// When arguments are not those of the kernel, the device lacks the shared memory, or the driver refuses.
    #[expect(unsafe_code, reason = "a kernel is launched")]
    pub(crate) fn launch(
        &self,
        kernel: &Kernel,
        grid: [usize; 3],
        threads: usize,
        shared: usize,
        arguments: &[Arg],
    ) -> Result<()> {
        let at = self.stream()?;
        let function = self.function(kernel, shared)?;
        let fits = arguments.len() <= MOST_ARGUMENTS
            && arguments.iter().map(|argument| argument.bytes()).eq(function.arguments.iter().copied());
        if !fits {
            let found: Vec<u8> = arguments.iter().map(|argument| argument.bytes()).collect();
            let expected = &function.arguments;
            return Err(Error::Cuda(format!(
                "kernel {}: expected arguments of {expected:?} bytes, found {found:?}",
                kernel.name
            )));
        }
        let [x, y, z] = grid.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let mut pointers = [std::ptr::null_mut(); MOST_ARGUMENTS];
        for (pointer, argument) in pointers.iter_mut().zip(arguments) {
            *pointer = argument.address();
        }
        let (grid, block) = ((x, y, z), (threads as u32, 1, 1));
        // SAFETY: the function belongs to a module of this context that is never unloaded; number and sizes of the arguments
        // are those that its text declares; pointers among them are those of buffers that outlive the work, since freeing
        // memory waits for the queue; and kernels stay within the sizes that their contracts check, which tests under
        // sanitizers see to (docs/gpu.md).
        unsafe {
            result::launch_kernel(
                function.handle,
                grid,
                block,
                shared as u32,
                at.stream,
                &mut pointers[..arguments.len()],
            )
        }
        .map_err(|error| {
            Error::Cuda(format!("kernel {}: cuLaunchKernel failed with {:?}", kernel.name, error.0))
        })
    }

    /// Launches a kernel whose threads have each their own: at least `threads` of them, in blocks of 256, none where that is 0.
    ///
    /// # Errors
    /// As [`Self::launch`].
    pub(crate) fn launch_each(&self, kernel: &Kernel, threads: usize, arguments: &[Arg]) -> Result<()> {
        if threads == 0 {
            return Ok(());
        }
        self.launch(kernel, [threads.div_ceil(BLOCK), 1, 1], BLOCK, 0, arguments)
    }

    /// The function of a kernel, which may have that much shared memory. It is loaded at its first use, which takes a while.
    fn function(&self, kernel: &Kernel, shared: usize) -> Result<Function> {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = loaded.functions.get(kernel.name)
            && function.shared >= shared
        {
            return Ok(function.clone());
        }
        if shared > self.device().shared.max(SHARED) {
            let found = self.device().shared;
            return Err(Error::Cuda(format!(
                "kernel {}: expected a device with {shared} bytes of shared memory a block, found {found}",
                kernel.name
            )));
        }
        let mut function = match loaded.functions.get(kernel.name) {
            Some(function) => function.clone(),
            None => loaded.load(kernel)?,
        };
        if shared > function.shared {
            allow_shared(function.handle, shared)?;
            function.shared = shared;
        }
        loaded.functions.insert(kernel.name, function.clone());
        Ok(function)
    }
}

impl Loaded {
    /// Loads a kernel into the current context.
    #[expect(unsafe_code, reason = "the driver reads a text and finds a function")]
    fn load(&mut self, kernel: &Kernel) -> Result<Function> {
        let broken = |what: String| Error::Cuda(format!("kernel {}: {what}", kernel.name));
        let text = CStr::from_bytes_with_nul(kernel.ptx.as_bytes())
            .map_err(|_| broken("expected a text that ends in a zero, found another".to_owned()))?;
        let arguments = sizes_of_arguments(kernel.ptx, kernel.name)
            .ok_or_else(|| broken("expected it in its module, found it missing".to_owned()))?;
        let at = text.as_ptr() as usize;
        let module = match self.modules.get(&at) {
            Some(module) => *module,
            None => {
                // SAFETY: the text ends in a zero, see above, and lives for ever.
                let module = unsafe { result::module::load_data(text.as_ptr().cast()) }
                    .map_err(|error| broken(format!("the driver refused its module with {:?}", error.0)))?;
                self.modules.insert(at, module);
                module
            }
        };
        let name = CString::new(kernel.name).map_err(|_| broken("its name holds a zero".to_owned()))?;
        // SAFETY: the module was loaded into this context and is never unloaded.
        let handle = unsafe { result::module::get_function(module, name) }
            .map_err(|error| broken(format!("cuModuleGetFunction failed with {:?}", error.0)))?;
        Ok(Function { handle, arguments: arguments.into(), shared: SHARED })
    }
}

#[expect(unsafe_code, reason = "a call of the driver")]
fn allow_shared(function: sys::CUfunction, bytes: usize) -> Result<()> {
    let most = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    // SAFETY: the function belongs to a module that is never unloaded.
    unsafe { result::function::set_function_attribute(function, most, bytes as i32) }
        .map_err(failed("cuFuncSetAttribute"))
}

impl Drop for Inner {
    #[expect(unsafe_code, reason = "the stream is given back")]
    fn drop(&mut self) {
        // A driver that fails here has nothing left to give back.
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: nobody else has the stream, and all memory that its work uses was freed before, or this were not the
            // last copy of the queue.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
    }
}
