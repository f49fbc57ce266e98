//! The functions of `libgstcuda` that are used, by name: their prototypes are the same from GStreamer 1.22 to 1.28. Whatever
//! is unsafe about them stays here.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use gst::glib;
use gst::glib::translate::{FromGlibPtrFull, FromGlibPtrNone, ToGlibPtr};
use gst::prelude::*;
use libloading::Library as Opened;
use snarm_core::Error;
use snarm_core::cuda::{Context, Queue, Slice, SliceMut};

/// The file, by its name for programs that run.
const FILE: &str = "libgstcuda-1.0.so.0";

/// `GST_MAP_CUDA`: the address is that of the device.
const MAP_CUDA: gst::ffi::GstMapFlags = gst::ffi::GST_MAP_FLAG_LAST << 1;

/// Type of the memory of frames.
const MEMORY: &str = "gst.cuda.memory";

type GstElement = gst::ffi::GstElement;
type GstMemory = gst::ffi::GstMemory;
/// A `GstCudaContext`.
type Wrapped = *mut gst::ffi::GstObject;

/// The functions.
pub(super) struct Library {
    is_cuda_memory: unsafe extern "C" fn(*mut GstMemory) -> c_int,
    context_handle: unsafe extern "C" fn(Wrapped) -> *mut c_void,
    context_wrap: unsafe extern "C" fn(*mut c_void, c_int) -> Wrapped,
    set_context:
        unsafe extern "C" fn(*mut GstElement, *mut gst::ffi::GstContext, c_int, *mut Wrapped) -> c_int,
    context_query: unsafe extern "C" fn(*mut GstElement, *mut gst::ffi::GstQuery, Wrapped) -> c_int,
    /// From 1.24 on, where work on a frame may go on while it is handed over.
    memory_sync: Option<unsafe extern "C" fn(*mut GstMemory)>,
    _opened: Opened,
}

impl Library {
    /// The library, which is opened at the first call.
    ///
    /// # Errors
    /// When it is not there, lacks a function, or finds no driver.
    pub(super) fn get() -> Result<&'static Self, Error> {
        static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
        LIBRARY.get_or_init(|| Self::open(FILE)).as_ref().map_err(|found| missing(found.clone()))
    }

    #[expect(unsafe_code, reason = "functions of a library are found by name and called")]
    fn open(file: &str) -> Result<Self, String> {
        // SAFETY: the initialisers of the library have no preconditions, and the types of the functions are those of its
        // headers.
        unsafe {
            let library = Opened::new(file).map_err(|_| "none".to_owned())?;
            macro_rules! function {
                ($name:literal) => {
                    *library
                        .get($name)
                        .map_err(|_| format!("one without {}", String::from_utf8_lossy($name)))?
                };
            }
            let load: unsafe extern "C" fn() -> c_int = function!(b"gst_cuda_load_library");
            let init: unsafe extern "C" fn() = function!(b"gst_cuda_memory_init_once");
            let found = Self {
                is_cuda_memory: function!(b"gst_is_cuda_memory"),
                context_handle: function!(b"gst_cuda_context_get_handle"),
                context_wrap: function!(b"gst_cuda_context_new_wrapped"),
                set_context: function!(b"gst_cuda_handle_set_context"),
                context_query: function!(b"gst_cuda_handle_context_query"),
                memory_sync: library.get(b"gst_cuda_memory_sync").ok().map(|function| *function),
                _opened: library,
            };
            if load() == 0 {
                return Err("one that finds no driver of NVIDIA's".to_owned());
            }
            init();
            Ok(found)
        }
    }

    /// GStreamer's name of a context, which keeps it.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(super) fn wrap(&self, context: &Context) -> Option<gst::Object> {
        // SAFETY: the handle is that of a context that whoever calls this keeps for the life of the process; a new object, or
        // none, is returned.
        unsafe {
            let wrapped = (self.context_wrap)(context.handle(), context.device().ordinal as c_int);
            (!wrapped.is_null()).then(|| gst::Object::from_glib_full(wrapped))
        }
    }

    /// The context of a name of GStreamer's.
    ///
    /// # Errors
    /// When the driver or its device is too old, or fails.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(super) fn unwrap(&self, wrapped: &gst::Object) -> Result<Context, Error> {
        let owner: Box<dyn Any + Send + Sync> = Box::new(wrapped.clone());
        // SAFETY: the object is a GstCudaContext, which owns what its handle names as long as it lives.
        Ok(unsafe { Context::foreign((self.context_handle)(wrapped.as_ptr()), owner) }?)
    }

    /// The handle of a name of GStreamer's.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(super) fn handle(&self, wrapped: &gst::Object) -> *mut c_void {
        // SAFETY: the object is a GstCudaContext.
        unsafe { (self.context_handle)(wrapped.as_ptr()) }
    }

    /// The context that an element is offered, where it is one of CUDA and of that device (-1 is any).
    #[expect(unsafe_code, reason = "a call of C")]
    pub(super) fn offered(
        &self,
        element: &gst::Element,
        offered: &gst::Context,
        device: i32,
    ) -> Option<gst::Object> {
        let mut found: Wrapped = std::ptr::null_mut();
        // SAFETY: all are borrowed for the call, which gives a new reference where it takes the context.
        unsafe {
            (self.set_context)(element.as_ptr(), offered.to_glib_none().0, device, &raw mut found);
            (!found.is_null()).then(|| gst::Object::from_glib_full(found))
        }
    }

    /// Answers a query for a context with `wrapped`; whether it was one of CUDA.
    #[expect(unsafe_code, reason = "a call of C")]
    pub(super) fn answer(
        &self,
        element: &gst::Element,
        query: &mut gst::QueryRef,
        wrapped: &gst::Object,
    ) -> bool {
        // SAFETY: all are borrowed for the call, the query exclusively.
        unsafe { (self.context_query)(element.as_ptr(), query.as_mut_ptr(), wrapped.as_ptr()) != 0 }
    }
}

/// The error of a library that cannot be used.
fn missing(found: String) -> Error {
    Error::Mismatch { what: "frames in CUDA memory", expected: format!("GStreamer's {FILE}"), found }
}

/// The CUDA memory of a frame.
pub(super) struct Memory<'a> {
    library: &'static Library,
    memory: &'a gst::MemoryRef,
    /// A `GstCudaContext`.
    context: gst::Object,
}

impl<'a> Memory<'a> {
    /// The memory of `buffer`, where that is one of CUDA.
    ///
    /// # Errors
    /// When the library cannot be used.
    #[expect(unsafe_code, reason = "a call of C, and a field that no function gives")]
    pub(super) fn of(buffer: &'a gst::BufferRef) -> Result<Option<Self>, Error> {
        // Frames are one memory each.
        if buffer.n_memory() != 1 || !buffer.peek_memory(0).is_type(MEMORY) {
            return Ok(None);
        }
        let memory = buffer.peek_memory(0);
        let library = Library::get()?;
        // SAFETY: the memory is borrowed for the call. The context is what follows on the GstMemory in a GstCudaMemory, in all
        // versions, and lives as long as the memory.
        unsafe {
            if (library.is_cuda_memory)(memory.as_mut_ptr()) == 0 {
                return Ok(None);
            }
            let context: Wrapped = *memory.as_mut_ptr().add(1).cast();
            let context = (!context.is_null()).then(|| gst::Object::from_glib_none(context));
            Ok(context.map(|context| Self { library, memory, context }))
        }
    }

    /// The context of the memory.
    ///
    /// # Errors
    /// When the driver or its device is too old, or fails.
    pub(super) fn context(&self) -> Result<Context, Error> {
        self.library.unwrap(&self.context)
    }

    /// Whether it is memory of that context.
    pub(super) fn is_of(&self, context: &Context) -> bool {
        self.library.handle(&self.context) == context.handle()
    }

    /// Maps it for reading by a queue of its context; none where the library refuses.
    #[expect(unsafe_code, reason = "calls of C")]
    pub(super) fn map<'q>(&self, queue: &'q Queue) -> Option<Mapped<'a, 'q>> {
        let mut map = std::mem::MaybeUninit::uninit();
        // SAFETY: the memory is borrowed for longer than the map lives, which is filled where the call succeeds.
        unsafe {
            let raw = self.memory.as_mut_ptr();
            if gst::ffi::gst_memory_map(raw, map.as_mut_ptr(), gst::ffi::GST_MAP_READ | MAP_CUDA)
                == glib::ffi::GFALSE
            {
                return None;
            }
            if let Some(sync) = self.library.memory_sync {
                sync(raw);
            }
            Some(Mapped { memory: self.memory, map: map.assume_init(), queue })
        }
    }
}

/// A memory whose address of the device is known. When this is dropped, the work of the queue has ended.
pub(super) struct Mapped<'a, 'q> {
    memory: &'a gst::MemoryRef,
    map: gst::ffi::GstMapInfo,
    queue: &'q Queue,
}

impl Mapped<'_, '_> {
    /// The bytes from `offset` on; none where there are none.
    #[expect(unsafe_code, reason = "an address that C gives")]
    pub(super) fn rest(&self, offset: usize) -> Option<Slice<'_>> {
        let len = self.map.size.checked_sub(offset)?;
        // SAFETY: the library says that so many bytes are there, of the queue's context, and nobody writes while they are mapped
        // for reading; the queue is waited for before that ends.
        Some(unsafe { Slice::foreign(self.queue, self.map.data as u64 + offset as u64, len) })
    }
}

impl Drop for Mapped<'_, '_> {
    #[expect(unsafe_code, reason = "a call of C")]
    fn drop(&mut self) {
        // A queue that failed does nothing any more.
        let _ = self.queue.wait();
        // SAFETY: it was mapped once, and is unmapped once.
        unsafe { gst::ffi::gst_memory_unmap(self.memory.as_mut_ptr(), &raw mut self.map) };
    }
}

/// A buffer of CUDA memory whose address of the device is known, to be drawn on. When this is dropped, the work of the queue
/// has ended.
pub(super) struct MappedMut<'a, 'q> {
    buffer: &'a mut gst::BufferRef,
    map: gst::ffi::GstMapInfo,
    queue: &'q Queue,
}

impl<'a, 'q> MappedMut<'a, 'q> {
    /// Maps the memory of `buffer`, in place of which it gets a copy where others have it, too; none where GStreamer refuses.
    #[expect(unsafe_code, reason = "calls of C")]
    pub(super) fn new(buffer: &'a mut gst::BufferRef, queue: &'q Queue) -> Result<Option<Self>, Error> {
        let library = Library::get()?;
        let mut map = std::mem::MaybeUninit::uninit();
        let flags = gst::ffi::GST_MAP_READ | gst::ffi::GST_MAP_WRITE | MAP_CUDA;
        // SAFETY: the buffer is borrowed exclusively for longer than the map lives, which is filled where the call succeeds.
        unsafe {
            if gst::ffi::gst_buffer_map(buffer.as_mut_ptr(), map.as_mut_ptr(), flags) == glib::ffi::GFALSE {
                return Ok(None);
            }
            let map: gst::ffi::GstMapInfo = map.assume_init();
            if let Some(sync) = library.memory_sync {
                sync(map.memory);
            }
            Ok(Some(Self { buffer, map, queue }))
        }
    }

    /// The metadata of the frame.
    pub(super) fn meta(&self) -> Option<gst::MetaRef<'_, gst_video::VideoMeta>> {
        self.buffer.meta::<gst_video::VideoMeta>()
    }

    /// `len` bytes from `offset` on; none where there are not so many. Planes do not overlap.
    #[expect(unsafe_code, reason = "an address that C gives")]
    pub(super) fn part(&self, offset: usize, len: usize) -> Option<SliceMut<'_>> {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.map.size);
        // SAFETY: the library says that so many bytes are there, of the queue's context, and nobody else reads or writes while
        // they are mapped for writing; the queue is waited for before that ends. Whoever gets two parts that overlap hands both
        // to the work of one queue, which is done in order.
        fits.then(|| unsafe { SliceMut::foreign(self.queue, self.map.data as u64 + offset as u64, len) })
    }
}

impl Drop for MappedMut<'_, '_> {
    #[expect(unsafe_code, reason = "a call of C")]
    fn drop(&mut self) {
        // A queue that failed does nothing any more.
        let _ = self.queue.wait();
        // SAFETY: it was mapped once, and is unmapped once.
        unsafe { gst::ffi::gst_buffer_unmap(self.buffer.as_mut_ptr(), &raw mut self.map) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_missing_or_lacks_a_function_is_named() {
        let found = |file: &str| missing(Library::open(file).err().unwrap()).to_string();
        let expected = "frames in CUDA memory: expected GStreamer's libgstcuda-1.0.so.0, found ";
        assert_eq!(found("libnowhere.so.0"), format!("{expected}none"));
        assert_eq!(found("libc.so.6"), format!("{expected}one without gst_cuda_load_library"));
    }
}
