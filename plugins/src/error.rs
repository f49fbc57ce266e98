//! Failures of the core as GStreamer errors, so that applications can tell them apart by domain and code.

use gst::glib;
use snarm_core::Error;

/// Domain and code.
enum Code {
    Resource(gst::ResourceError),
    Stream(gst::StreamError),
}

fn code(error: &Error) -> Code {
    match error {
        Error::NotFound { .. } => Code::Resource(gst::ResourceError::NotFound),
        Error::Read { .. } => Code::Resource(gst::ResourceError::OpenRead),
        Error::Write { .. } => Code::Resource(gst::ResourceError::OpenWrite),
        Error::Memory { .. } => Code::Resource(gst::ResourceError::NoSpaceLeft),
        Error::Setting { .. } | Error::NothingToSee { .. } | Error::RegionTooThin { .. } => {
            Code::Resource(gst::ResourceError::Settings)
        }
        Error::WrongFile { .. } | Error::Mismatch { .. } | Error::Values { .. } | Error::Sizes { .. } => {
            Code::Stream(gst::StreamError::WrongType)
        }
        _ => Code::Stream(gst::StreamError::Failed),
    }
}

/// The error message for `error`. The debug part repeats the variant for bug reports.
pub(crate) fn message(error: &Error) -> gst::ErrorMessage {
    match code(error) {
        Code::Resource(code) => gst::error_msg!(code, ("{error}"), ["{error:?}"]),
        Code::Stream(code) => gst::error_msg!(code, ("{error}"), ["{error:?}"]),
    }
}

/// The same domain and code with a text of its own, for what is no end of the stream.
pub(crate) fn glib(error: &Error, text: &str) -> glib::Error {
    match code(error) {
        Code::Resource(code) => glib::Error::new(code, text),
        Code::Stream(code) => glib::Error::new(code, text),
    }
}
