//! Which GStreamer this process runs with, what it has, and what it refused.

use std::path::PathBuf;

use serde::Serialize;

/// What is asked for, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct About {
    version: String,
    /// File of the registry, where the environment names it or GStreamer's default.
    registry: PathBuf,
    /// Folder that GStreamer's own plugins are in.
    system: Option<PathBuf>,
    /// File that the plugin comes from.
    plugin: Option<PathBuf>,
    plugin_version: Option<String>,
    /// Plugin files that GStreamer refuses since loading them failed.
    refused: Vec<PathBuf>,
    /// Elements that clips are read and written with and that are missing, each with where it comes from.
    missing: Vec<String>,
}

/// Elements that clips are read and written with.
const HELPERS: [&str; 8] = [
    "decodebin",
    "videoconvert",
    "videoflip",
    "matroskamux",
    "splitmuxsink",
    "jpegenc",
    "avdec_h264",
    "x264enc",
];

/// Looks.
pub(crate) fn about() -> About {
    let registry = gst::Registry::get();
    let plugin = registry.find_plugin("snarm");
    let core = registry.find_plugin("coreelements").and_then(|plugin| plugin.filename());
    let is_refused = |plugin: &gst::Plugin| plugin.plugin_flags().contains(gst::PluginFlags::BLACKLISTED);
    let refused = registry.plugins().into_iter().filter(is_refused).filter_map(|plugin| plugin.filename());
    let missing = HELPERS.into_iter().filter(|name| gst::ElementFactory::find(name).is_none());
    About {
        version: gst::version_string().to_string(),
        registry: registry_file(),
        system: core.and_then(|path| path.parent().map(std::path::Path::to_owned)),
        plugin: plugin.as_ref().and_then(|plugin| plugin.filename()),
        plugin_version: plugin.map(|plugin| plugin.version().to_string()),
        refused: refused.collect(),
        missing: missing.map(crate::packages::missing).collect(),
    }
}

/// Where the registry is kept, as GStreamer decides it.
fn registry_file() -> PathBuf {
    let named = ["GST_REGISTRY_1_0", "GST_REGISTRY"].into_iter().find_map(std::env::var_os);
    named.map_or_else(
        || {
            let name = format!("registry.{}.bin", std::env::consts::ARCH);
            glib::user_cache_dir().join("gstreamer-1.0").join(name)
        },
        PathBuf::from,
    )
}
