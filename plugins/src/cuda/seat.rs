//! Where frames are worked on. Those in CUDA memory are where they are, in their context; the processor goes on where it may.

use std::sync::{Arc, Mutex};

use snarm_core::Error;
use snarm_core::bank::BankBuilder;
use snarm_core::cuda::Queue;
use snarm_core::detect::{Detector, device_name};
use snarm_core::device::Place;
use snarm_core::frame::AnyFrame;

use super::device::Device;
use super::library::Memory;
use super::memory;
use super::sharing::Sharing;
use crate::frame::{self, Failure, Layout};
use crate::lock;

/// What works on frames at a place.
pub(crate) trait Seated {
    /// Where.
    fn place(&self) -> Place;

    /// Goes there.
    ///
    /// # Errors
    /// When the device does not do all that is needed; then it is on the processor.
    fn set_place(&mut self, place: &Place) -> Result<(), Error>;
}

impl Seated for Detector {
    fn place(&self) -> Place {
        Self::place(self)
    }

    fn set_place(&mut self, place: &Place) -> Result<(), Error> {
        Self::set_place(self, place)
    }
}

impl Seated for BankBuilder {
    fn place(&self) -> Place {
        Self::place(self)
    }

    fn set_place(&mut self, place: &Place) -> Result<(), Error> {
        Self::set_place(self, place)
    }
}

/// The place of an element, for whoever wants to know it: the name in results, and the next bank.
pub(crate) type Where = Arc<Mutex<Place>>;

/// The name of a place in results.
pub(crate) fn name(at: &Where) -> String {
    device_name(&lock(at))
}

/// What the user asks for, and what came of it.
#[derive(Debug)]
pub(crate) struct Seat {
    device: Device,
    id: i32,
    /// Whether a device was given up; until the element stops nothing is tried again.
    gave_up: bool,
    at: Where,
}

impl Seat {
    /// As the properties say; `at` is told where that is.
    pub(crate) fn new(device: Device, id: i32, at: Where) -> Self {
        *lock(&at) = Place::Host;
        Self { device, id, gave_up: false, at }
    }

    /// The name of the place in results.
    pub(crate) fn name(&self) -> String {
        name(&self.at)
    }

    /// Takes the place that is known before the first frame: with `device=cuda` there must be one.
    ///
    /// # Errors
    /// When there is none, or it does not do all that is needed.
    pub(crate) fn begin(&self, worker: &mut impl Seated, sharing: &Sharing) -> Result<(), Error> {
        if self.device == Device::Cuda {
            let queue = Queue::within(&sharing.context(self.id)?)?;
            self.go(worker, &Place::Cuda(queue))?;
        }
        Ok(())
    }

    /// Hands the frame in `buffer` to `work`, at the place where it belongs. With `device=auto` the processor does it where a
    /// device cannot, or fails; `warn` hears of that once.
    ///
    /// # Errors
    /// When the buffer cannot be read, the work fails, or a device that was asked for does.
    pub(crate) fn with_frame<W: Seated, R>(
        &mut self,
        worker: &mut W,
        buffer: &gst::BufferRef,
        layout: &Layout,
        sharing: &Sharing,
        warn: impl FnOnce(&Error),
        mut work: impl FnMut(&mut W, AnyFrame<'_>) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        if !self.gave_up && self.device != Device::Cpu {
            let failed = match self.take_place(worker, buffer, sharing) {
                Ok(memory) => match self.there(worker, buffer, layout, memory, &mut work) {
                    Err(Failure::Core(error)) if self.device == Device::Auto && error.is_of_device() => error,
                    done => return done,
                },
                Err(error) if self.device == Device::Auto => error,
                Err(error) => return Err(error.into()),
            };
            self.gave_up = true;
            warn(&failed);
        }
        self.go(worker, &Place::Host)?;
        frame::with_frame(buffer, layout, |frame| work(worker, frame.into()))
    }

    /// Goes where the frame in `buffer` belongs; its CUDA memory, if it has some.
    fn take_place<'a>(
        &self,
        worker: &mut impl Seated,
        buffer: &'a gst::BufferRef,
        sharing: &Sharing,
    ) -> Result<Option<Memory<'a>>, Error> {
        let memory = Memory::of(buffer)?;
        let place = match (worker.place(), &memory) {
            // With device=cuda frames of the host are uploaded to wherever the last ones were.
            (place @ Place::Cuda(_), None) if self.device == Device::Cuda => place,
            (Place::Cuda(queue), Some(memory)) if memory.is_of(queue.context()) => Place::Cuda(queue),
            (_, Some(memory)) => Place::Cuda(Queue::within(&memory.context()?)?),
            (_, None) if self.device == Device::Cuda => {
                Place::Cuda(Queue::within(&sharing.context(self.id)?)?)
            }
            (_, None) => Place::Host,
        };
        self.go(worker, &place)?;
        Ok(memory)
    }

    /// Works on a frame at the place where the worker is.
    fn there<W: Seated, R>(
        &self,
        worker: &mut W,
        buffer: &gst::BufferRef,
        layout: &Layout,
        memory: Option<Memory<'_>>,
        work: &mut impl FnMut(&mut W, AnyFrame<'_>) -> Result<R, Error>,
    ) -> Result<R, Failure> {
        match (worker.place(), memory) {
            (Place::Cuda(queue), Some(memory)) => {
                memory::with_frame(buffer, &memory, &queue, layout, |frame| work(worker, frame))
            }
            _ => frame::with_frame(buffer, layout, |frame| work(worker, frame.into())),
        }
    }

    fn go(&self, worker: &mut impl Seated, place: &Place) -> Result<(), Error> {
        let gone = if worker.place() == *place { Ok(()) } else { worker.set_place(place) };
        *lock(&self.at) = worker.place();
        gone
    }
}
