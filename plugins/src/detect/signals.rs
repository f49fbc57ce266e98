//! Signals and actions.

use std::sync::LazyLock;

use gst::glib::Value;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SnarmDetect;

/// Emitted for each analysed frame.
pub(super) const RESULT: &str = "result";
/// Emitted when a defect is confirmed.
pub(super) const DEFECT_BEGIN: &str = "defect-begin";
/// Emitted when it is over.
pub(super) const DEFECT_END: &str = "defect-end";

/// All of them. The structures are those of the messages.
pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        let structure = gst::Structure::static_type();
        vec![
            Signal::builder(RESULT).param_types([gst::Buffer::static_type(), structure]).build(),
            Signal::builder(DEFECT_BEGIN).param_types([structure]).build(),
            Signal::builder(DEFECT_END).param_types([structure]).build(),
            Signal::builder("reload-bank")
                .action()
                .return_type::<bool>()
                .class_handler(|args| Some(element(args)?.imp().reload().to_value()))
                .build(),
            Signal::builder("reset-events")
                .action()
                .class_handler(|args| {
                    element(args)?.imp().reset_events();
                    None
                })
                .build(),
            Signal::builder("snapshot-stats")
                .action()
                .return_type::<gst::Structure>()
                .class_handler(|args| Some(element(args)?.imp().stats().to_value()))
                .build(),
        ]
    });
    SIGNALS.as_slice()
}

/// The element that an action is called on.
fn element(args: &[Value]) -> Option<SnarmDetect> {
    args.first()?.get().ok()
}
