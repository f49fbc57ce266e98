//! GStreamer elements for visual anomaly detection.
//!
//! [`bank`] learns from good frames, [`detect`] scores any frame and says so in the metadata of [`meta`],
//! [`overlay`] draws what was found. The maths is in `snarm-core`; this crate translates between its types and
//! GStreamer's. A program that links it needs no plugin file:
//!
//! ```no_run
//! use gst::prelude::*;
//!
//! gst::init()?;
//! gstsnarm::plugin_register_static()?;
//! let line = "v4l2src ! videoconvert ! snarmdetect bank-location=part.bank ! appsink name=sink";
//! let pipeline = gst::parse::launch(line)?;
//! pipeline.set_state(gst::State::Playing)?;
//! // Each buffer that the sink gets says what was found in it.
//! let result = |buffer: &gst::BufferRef| gstsnarm::meta::read(buffer).map(|meta| (meta.verdict, meta.score));
//! # let _ = result;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;

#[cfg(feature = "analytics")]
mod analytics;
pub mod bank;
pub mod detect;
pub mod meta;
pub mod overlay;

mod cuda;
mod error;
mod files;
mod frame;
mod log;
mod orientation;
mod precision;
mod properties;
mod start;
mod view;

/// Registers the elements in a program that links this crate instead of loading the plugin.
///
/// What the core logs goes to the global subscriber of `tracing`. A program that wants to have its own sets it before the
/// first element starts: then the plugin sets one, if there is none, that forwards to GStreamer's debug log.
pub use plugin::plugin_desc::plugin_register_static;

/// Who the elements are by.
const AUTHOR: &str = "The SNARM for GStreamer developers";

/// Registers what the plugin offers.
fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    log::announce();
    meta::register();
    bank::register(plugin)?;
    detect::register(plugin)?;
    overlay::register(plugin)
}

/// Locks `mutex`. A panic in another holder already became an element error, so the value is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What GStreamer looks for in the library.
#[expect(missing_docs, reason = "written by plugin_define")]
mod plugin {
    use super::plugin_init;

    gst::plugin_define!(
        snarm,
        env!("CARGO_PKG_DESCRIPTION"),
        plugin_init,
        concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
        // GStreamer knows a fixed list of licence names; the SPDX expression of Cargo.toml is not among them.
        "MIT/X11",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("BUILD_REL_DATE")
    );
}
