//! Passes commit and release date to the plugin's registration.
fn main() {
    gst_plugin_version_helper::info();
}
