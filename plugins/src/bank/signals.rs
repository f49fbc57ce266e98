//! Signals and actions.

use std::sync::LazyLock;

use gst::glib::Value;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::SnarmBank;

/// All of them.
pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        vec![
            Signal::builder("finalize")
                .action()
                .return_type::<bool>()
                .class_handler(|args| Some(element(args)?.imp().finalize_now().to_value()))
                .build(),
            Signal::builder("reset")
                .action()
                .class_handler(|args| {
                    element(args)?.imp().reset();
                    None
                })
                .build(),
            Signal::builder("discard-last")
                .action()
                .param_types([u32::static_type()])
                .return_type::<u32>()
                .class_handler(|args| {
                    let n = args.get(1)?.get().ok()?;
                    Some(element(args)?.imp().discard_last(n).to_value())
                })
                .build(),
            Signal::builder("bank-ready")
                .run_last()
                .param_types([String::static_type(), u32::static_type()])
                .build(),
        ]
    });
    SIGNALS.as_slice()
}

/// The element that an action is called on.
fn element(args: &[Value]) -> Option<SnarmBank> {
    args.first()?.get().ok()
}
