//! Failures of the core as GStreamer errors, so that applications can tell them apart by domain and code.

use snarm_core::Error;

/// The error message for `error`. The debug part repeats the variant for bug reports.
pub(crate) fn message(error: &Error) -> gst::ErrorMessage {
    match error {
        Error::NotFound { .. } => gst::error_msg!(gst::ResourceError::NotFound, ("{error}"), ["{error:?}"]),
        Error::Read { .. } => gst::error_msg!(gst::ResourceError::OpenRead, ("{error}"), ["{error:?}"]),
        Error::Write { .. } => gst::error_msg!(gst::ResourceError::OpenWrite, ("{error}"), ["{error:?}"]),
        Error::Setting { .. } => gst::error_msg!(gst::ResourceError::Settings, ("{error}"), ["{error:?}"]),
        Error::WrongFile { .. } | Error::Mismatch { .. } => {
            gst::error_msg!(gst::StreamError::WrongType, ("{error}"), ["{error:?}"])
        }
        _ => gst::error_msg!(gst::StreamError::Failed, ("{error}"), ["{error:?}"]),
    }
}
