//! Numbers that know where they live: in the memory of the host or of a CUDA device.

use std::ops::{Deref, DerefMut, Range};

use super::cuda::{self, Memory};
use crate::error::{Error, Result};

/// Where buffers live and operations on them run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// The host's memory; the threads of the queue that a thread belongs to, or of the shared one.
    #[default]
    Host,
    /// The memory of a CUDA device; a queue of it.
    Cuda(cuda::Queue),
}

/// Numbers that buffers hold.
pub trait Element: bytemuck::Pod + Default + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u32 {}
    impl Sealed for u8 {}
}

impl Element for f32 {}
impl Element for u32 {}
impl Element for u8 {}

/// A vector in the memory of its place. Memory of a device is taken when it grows and kept.
#[derive(Debug)]
pub struct Buffer<T: Element = f32> {
    store: Store<T>,
}

#[derive(Debug)]
enum Store<T> {
    Host(OnHost<T>),
    Cuda(OnDevice),
}

/// What a shorter length leaves over stays, so that growing again writes nothing.
#[derive(Debug)]
struct OnHost<T> {
    values: Vec<T>,
    len: usize,
}

impl<T> From<Vec<T>> for OnHost<T> {
    fn from(values: Vec<T>) -> Self {
        Self { len: values.len(), values }
    }
}

impl<T> Deref for OnHost<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[..self.len]
    }
}

impl<T> DerefMut for OnHost<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.len]
    }
}

#[derive(Debug)]
struct OnDevice {
    memory: Memory,
    len: usize,
    half: bool,
}

/// An empty one of the host.
impl<T: Element> Default for Buffer<T> {
    fn default() -> Self {
        Self { store: Store::Host(Vec::new().into()) }
    }
}

/// A vector of the host, as it is.
impl<T: Element> From<Vec<T>> for Buffer<T> {
    fn from(values: Vec<T>) -> Self {
        Self { store: Store::Host(values.into()) }
    }
}

/// A device keeps what only matrix products read in 16 bits.
const HALF: usize = 2;

impl<T: Element> Buffer<T> {
    /// `len` zeros.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn new(place: &Place, len: usize) -> Result<Self> {
        Self::with(place, len, false)
    }

    fn with(place: &Place, len: usize, half: bool) -> Result<Self> {
        let store = match place {
            Place::Host => Store::Host(vec![T::default(); len].into()),
            Place::Cuda(queue) => {
                let mut memory = Memory::new(queue, len * if half { HALF } else { size_of::<T>() })?;
                memory.clear()?;
                Store::Cuda(OnDevice { memory, len, half })
            }
        };
        Ok(Self { store })
    }

    /// A copy of the host's values.
    ///
    /// # Errors
    /// When the device lacks the memory, or the copy fails.
    pub fn of(place: &Place, values: &[T]) -> Result<Self> {
        let mut buffer = Self::new(place, values.len())?;
        buffer.write(values)?;
        Ok(buffer)
    }

    /// Where it lives.
    pub fn place(&self) -> Place {
        match &self.store {
            Store::Host(_) => Place::Host,
            Store::Cuda(on) => Place::Cuda(on.memory.queue().clone()),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.store {
            Store::Host(values) => values.len(),
            Store::Cuda(on) => on.len,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives it another length, in the memory that it has where that is enough. What it held is of no use then.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn resize(&mut self, len: usize) -> Result<()> {
        match &mut self.store {
            Store::Host(own) => {
                if len > own.values.len() {
                    own.values.resize(len, T::default());
                }
                own.len = len;
            }
            Store::Cuda(on) => {
                let bytes = len * if on.half { HALF } else { size_of::<T>() };
                if bytes > on.memory.bytes() {
                    on.memory = Memory::new(&on.memory.queue().clone(), bytes)?;
                    on.memory.clear()?;
                }
                on.len = len;
            }
        }
        Ok(())
    }

    /// Replaces all its elements.
    ///
    /// # Errors
    /// When there is another number of values, or the copy fails.
    pub fn write(&mut self, values: &[T]) -> Result<()> {
        check_same("values", self.len(), values.len())?;
        match &mut self.store {
            Store::Host(own) => own.copy_from_slice(values),
            Store::Cuda(on) if on.half => {
                let halves: Vec<u16> = bytemuck::cast_slice(values).iter().map(|v| to_bf16(*v)).collect();
                on.memory.write(0, bytemuck::cast_slice(&halves))?;
            }
            Store::Cuda(on) => on.memory.write(0, bytemuck::cast_slice(values))?,
        }
        Ok(())
    }

    /// Copies all its elements to the host, after all work before.
    ///
    /// # Errors
    /// When there is room for another number of values, work before has failed, or the copy fails.
    pub fn read(&self, values: &mut [T]) -> Result<()> {
        check_same("room for values", self.len(), values.len())?;
        match &self.store {
            Store::Host(own) => values.copy_from_slice(own),
            Store::Cuda(on) if on.half => {
                let mut halves = vec![0_u16; on.len];
                on.memory.read(0, bytemuck::cast_slice_mut(&mut halves))?;
                let values: &mut [f32] = bytemuck::cast_slice_mut(values);
                values.iter_mut().zip(halves).for_each(|(value, half)| *value = of_bf16(half));
            }
            Store::Cuda(on) => on.memory.read(0, bytemuck::cast_slice_mut(values))?,
        }
        Ok(())
    }

    /// Replaces all its elements by those of another one at the same place, and its length by that one's.
    ///
    /// # Errors
    /// When they live apart or are of two kinds, the device lacks the memory, or the copy fails.
    pub fn copy(&mut self, from: &Self) -> Result<()> {
        self.resize(from.len())?;
        match (&mut self.store, &from.store) {
            (Store::Host(own), Store::Host(from)) => own.copy_from_slice(from),
            (Store::Cuda(own), Store::Cuda(from))
                if own.memory.queue() == from.memory.queue() && own.half == from.half =>
            {
                own.memory.copy_from(&from.memory, own.len * if own.half { HALF } else { size_of::<T>() })?;
            }
            _ => return Err(apart("buffer")),
        }
        Ok(())
    }

    /// Its elements in the memory of the host: its own, or those of a device in `mirror`, after all work before.
    ///
    /// # Errors
    /// When work before has failed, or the copy fails.
    pub fn on_host<'a>(&'a self, mirror: &'a mut Vec<T>) -> Result<&'a [T]> {
        match &self.store {
            Store::Host(own) => Ok(own),
            Store::Cuda(on) => {
                mirror.resize(on.len, T::default());
                self.read(mirror)?;
                Ok(mirror)
            }
        }
    }

    /// Its elements, to be read.
    pub fn view(&self) -> BufferView<'_, T> {
        match &self.store {
            Store::Host(values) => BufferView::Host(values),
            Store::Cuda(on) => BufferView::Cuda(cuda::Slice::new(&on.memory, on.len, on.half)),
        }
    }

    /// Its elements, to be written.
    pub fn view_mut(&mut self) -> BufferViewMut<'_, T> {
        match &mut self.store {
            Store::Host(values) => BufferViewMut::Host(values),
            Store::Cuda(on) => BufferViewMut::Cuda(cuda::SliceMut::new(&mut on.memory, on.len, on.half)),
        }
    }
}

impl Buffer<f32> {
    /// `len` zeros that only matrix products read: a device keeps them as bf16, which they would be rounded to anyhow.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn of_products(place: &Place, len: usize) -> Result<Self> {
        Self::with(place, len, true)
    }
}

fn check_same(what: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape { op: "buffer", expected: format!("{expected} {what}"), found: found.to_string() })
}

/// The upper 16 bits of a float, rounded to nearest, half to even.
pub(crate) fn to_bf16(v: f32) -> u16 {
    let bits = v.to_bits();
    if v.is_nan() { 0x7fff } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

/// The float of those bits.
pub(crate) fn of_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Numbers that are read.
#[derive(Debug, Clone, Copy)]
pub enum BufferView<'a, T = f32> {
    /// In the host's memory.
    Host(&'a [T]),
    /// In a device's memory.
    Cuda(cuda::Slice<'a>),
}

/// Numbers that are written.
#[derive(Debug)]
pub enum BufferViewMut<'a, T = f32> {
    /// In the host's memory.
    Host(&'a mut [T]),
    /// In a device's memory.
    Cuda(cuda::SliceMut<'a>),
}

impl<'a, T> BufferView<'a, T> {
    /// The elements, for an operation that has a body for the host alone.
    ///
    /// # Errors
    /// [`Error::HostOnly`] when they live on a device.
    pub fn host(self, op: &'static str) -> Result<&'a [T]> {
        match self {
            Self::Host(values) => Ok(values),
            Self::Cuda(slice) => Err(on_device(op, slice.queue())),
        }
    }

    /// The elements beside others that live on the host.
    pub(crate) fn here(self, op: &'static str) -> Result<&'a [T]> {
        match self {
            Self::Host(values) => Ok(values),
            Self::Cuda(_) => Err(apart(op)),
        }
    }

    /// The elements beside others that live on a device.
    pub(crate) fn there(self, op: &'static str) -> Result<cuda::Slice<'a>> {
        match self {
            Self::Cuda(slice) => Ok(slice),
            Self::Host(_) => Err(apart(op)),
        }
    }

    /// Whether a device keeps them as bf16, as matrix products read them.
    pub fn is_half(&self) -> bool {
        match self {
            Self::Host(_) => false,
            Self::Cuda(slice) => slice.is_half(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(values) => values.len(),
            Self::Cuda(slice) => slice.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A part of them; nothing where it is none.
    pub fn part(self, range: Range<usize>) -> Option<Self> {
        Some(match self {
            Self::Host(values) => Self::Host(values.get(range)?),
            Self::Cuda(slice) => {
                Self::Cuda(slice.part(range.start, range.end.checked_sub(range.start)?, size_of::<T>())?)
            }
        })
    }
}

impl<'a, T> BufferViewMut<'a, T> {
    /// The elements, for an operation that has a body for the host alone.
    ///
    /// # Errors
    /// [`Error::HostOnly`] when they live on a device.
    pub fn host(self, op: &'static str) -> Result<&'a mut [T]> {
        match self {
            Self::Host(values) => Ok(values),
            Self::Cuda(slice) => Err(on_device(op, slice.queue())),
        }
    }

    /// The same elements, to be read.
    pub fn view(&self) -> BufferView<'_, T> {
        match self {
            Self::Host(values) => BufferView::Host(values),
            Self::Cuda(slice) => BufferView::Cuda(*slice.as_slice()),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(values) => values.len(),
            Self::Cuda(slice) => slice.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same elements for a shorter time.
    pub fn reborrow(&mut self) -> BufferViewMut<'_, T> {
        match self {
            Self::Host(values) => BufferViewMut::Host(values),
            Self::Cuda(slice) => BufferViewMut::Cuda(slice.reborrow()),
        }
    }

    /// A part of them; nothing where it is none.
    pub fn part(self, range: Range<usize>) -> Option<Self> {
        Some(match self {
            Self::Host(values) => Self::Host(values.get_mut(range)?),
            Self::Cuda(slice) => {
                Self::Cuda(slice.part(range.start, range.end.checked_sub(range.start)?, size_of::<T>())?)
            }
        })
    }
}

fn on_device(op: &'static str, queue: &cuda::Queue) -> Error {
    let cuda::Device { ordinal, name, .. } = queue.device();
    Error::HostOnly { op, device: format!("{name} (device {ordinal})") }
}

/// What operands of an operation that live apart are refused with.
pub(crate) fn apart(op: &'static str) -> Error {
    Error::Apart { op }
}

impl<'a, T> From<&'a [T]> for BufferView<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self::Host(values)
    }
}

impl<'a, T> From<&'a mut [T]> for BufferView<'a, T> {
    fn from(values: &'a mut [T]) -> Self {
        Self::Host(values)
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for BufferView<'a, T> {
    fn from(values: &'a [T; N]) -> Self {
        Self::Host(values)
    }
}

impl<'a, T> From<&'a Vec<T>> for BufferView<'a, T> {
    fn from(values: &'a Vec<T>) -> Self {
        Self::Host(values)
    }
}

impl<'a, T: Element> From<&'a Buffer<T>> for BufferView<'a, T> {
    fn from(buffer: &'a Buffer<T>) -> Self {
        buffer.view()
    }
}

impl<'a, T> From<&'a mut [T]> for BufferViewMut<'a, T> {
    fn from(values: &'a mut [T]) -> Self {
        Self::Host(values)
    }
}

impl<'a, T, const N: usize> From<&'a mut [T; N]> for BufferViewMut<'a, T> {
    fn from(values: &'a mut [T; N]) -> Self {
        Self::Host(values)
    }
}

impl<'a, T> From<&'a mut Vec<T>> for BufferViewMut<'a, T> {
    fn from(values: &'a mut Vec<T>) -> Self {
        Self::Host(values)
    }
}

impl<'a, T: Element> From<&'a mut Buffer<T>> for BufferViewMut<'a, T> {
    fn from(buffer: &'a mut Buffer<T>) -> Self {
        buffer.view_mut()
    }
}
