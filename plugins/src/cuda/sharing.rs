//! One context for a pipeline: elements that ask are given ours, and one that we are given first is kept.

use std::collections::BTreeMap;
use std::sync::Mutex;

use gst::prelude::*;
use snarm_core::Error;
use snarm_core::cuda::Context;

use super::device::Device;
use super::library::Library;
use crate::lock;

/// Type of the contexts of CUDA.
const TYPE: &str = "gst.cuda.context";

/// Primary contexts of devices with GStreamer's names of them. They stay for the life of the process, as memory of frames in
/// them may outlive every element of ours.
static PRIMARY: Mutex<BTreeMap<usize, (Context, Option<gst::Object>)>> = Mutex::new(BTreeMap::new());

/// The context of an element.
#[derive(Default)]
pub(crate) struct Sharing {
    /// The one that the element was given.
    given: Mutex<Option<gst::Object>>,
}

impl Sharing {
    /// Hears of a context that others have. The first one of the device is kept.
    pub(crate) fn hear(
        &self,
        element: &impl IsA<gst::Element>,
        context: &gst::Context,
        device: Device,
        id: i32,
    ) {
        if device == Device::Cpu || context.context_type() != TYPE {
            return;
        }
        let known = lock(&self.given).is_some();
        let Ok(library) = Library::get() else { return };
        if !known && let Some(found) = library.offered(element.upcast_ref(), context, id) {
            lock(&self.given).get_or_insert(found);
        }
    }

    /// Answers a query for a context: the one that was given, or else the primary one of the device. Whether there was an
    /// answer.
    pub(crate) fn answer(
        &self,
        element: &impl IsA<gst::Element>,
        query: &mut gst::QueryRef,
        device: Device,
        id: i32,
    ) -> bool {
        let asked = match query.view() {
            gst::QueryView::Context(query) => query.context_type() == TYPE,
            _ => false,
        };
        if !asked || device == Device::Cpu {
            return false;
        }
        let Ok(library) = Library::get() else { return false };
        let given = lock(&self.given).clone();
        let context = given.or_else(|| primary(id, Some(library)).ok()?.1);
        context.is_some_and(|context| library.answer(element.upcast_ref(), query, &context))
    }

    /// The context for frames that are in none: the one that was given, or else the primary one of the device.
    ///
    /// # Errors
    /// When there is no driver, or no such device, or one is too old.
    pub(super) fn context(&self, id: i32) -> Result<Context, Error> {
        let given = lock(&self.given).clone();
        match given {
            Some(given) => Library::get()?.unwrap(&given),
            None => Ok(primary(id, None)?.0),
        }
    }
}

/// The primary context of a device, -1 for the first one, and GStreamer's name of it where the library is there.
fn primary(id: i32, library: Option<&Library>) -> Result<(Context, Option<gst::Object>), Error> {
    let ordinal = usize::try_from(id).unwrap_or(0);
    let mut known = lock(&PRIMARY);
    let (context, name) = match known.entry(ordinal) {
        std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
        std::collections::btree_map::Entry::Vacant(free) => free.insert((Context::primary(ordinal)?, None)),
    };
    if name.is_none() {
        *name = library.and_then(|library| library.wrap(context));
    }
    Ok((context.clone(), name.clone()))
}
