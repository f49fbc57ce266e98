//! Whether GStreamer finds the plugin, and if not, why.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::player::{self, About};

/// File of the plugin.
const PLUGIN: &str = "libgstsnarm.so";

/// Tool that users run pipelines with besides the command.
const LAUNCH: &str = "gst-launch-1.0";

/// Looks at GStreamer and the plugin.
pub(super) fn look(about: &About, findings: &mut Findings) {
    findings.good("GStreamer", &about.version);
    match player::tool_version(LAUNCH) {
        Some(version) if version != about.version => findings.bad(
            LAUNCH,
            format!(
                "expected {}, which snarm runs with, found {version}: two installations of GStreamer, each with \
                 plugins and a registry of its own",
                about.version
            ),
        ),
        Some(_) => {}
        None => findings.bad(LAUNCH, "not found (Debian package gstreamer1.0-tools)"),
    }
    match &about.plugin {
        Some(file) => registered(about, file, findings),
        None => missing(about, findings),
    }
    let others = about.refused.iter().filter(|file| !is_ours(file));
    for file in others {
        let text =
            format!("refused since loading it failed ({}): {}", about.registry.display(), file.display());
        findings.good("plugins", text);
    }
    for text in &about.missing {
        findings.bad("clips", text);
    }
}

fn is_ours(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == PLUGIN)
}

/// Looks at the file that the registry has the elements from. GStreamer believes its registry where it is told not to look
/// at files, and where time and length of a file are as before.
fn registered(about: &About, file: &Path, findings: &mut Findings) {
    let place = file.display();
    if let Some(reason) = player::load_failure(file) {
        let registry = about.registry.display();
        let text = format!("{place}, where {registry} has them from, cannot be loaded: {reason}");
        findings.bad("elements", text);
        findings.bad("", format!("install the plugin anew, or remove {registry} where it lies elsewhere"));
        return;
    }
    let version = about.plugin_version.as_deref().unwrap_or_default();
    findings.good("elements", format!("snarmbank, snarmdetect, snarmoverlay {version} {place}"));
    // Builds from a repository have its commit behind the version.
    let own = env!("CARGO_PKG_VERSION");
    if version.split('-').next() != Some(own) {
        findings
            .bad("", format!("expected version {own} as that of snarm, found {version}: install both anew"));
    }
}

/// Says why the elements are not found.
fn missing(about: &About, findings: &mut Findings) {
    let searched = searched(about.system.as_deref());
    let there: Vec<PathBuf> = searched.iter().flat_map(|folder| files(folder)).collect();
    let registry = about.registry.display();
    if there.is_empty() {
        let folders: Vec<String> = searched.iter().map(|folder| folder.display().to_string()).collect();
        findings.bad("elements", format!("not found: no {PLUGIN} in {}", folders.join(", ")));
        for folder in elsewhere().iter().filter(|folder| folder.join(PLUGIN).is_file()) {
            findings.bad("", format!("there is one elsewhere: export GST_PLUGIN_PATH={}", folder.display()));
        }
        if findings.lines.last().is_some_and(|(_, what, _)| !what.is_empty()) {
            findings.bad(
                "",
                "`make install`, the Debian package gstreamer1.0-snarm, or GST_PLUGIN_PATH with its folder",
            );
        }
        shadowed(findings);
        return;
    }
    for file in &there {
        let place = file.display();
        match player::load_failure(file) {
            Some(reason) => findings.bad("elements", format!("{place} cannot be loaded: {reason}")),
            None if about.refused.iter().any(|refused| refused == file) => findings.bad(
                "elements",
                format!("{place} can be loaded, but failed once and is refused since: remove {registry}"),
            ),
            None if env::var("GST_REGISTRY_UPDATE").is_ok_and(|value| value == "no") => findings.bad(
                "elements",
                format!("{place} can be loaded, but GST_REGISTRY_UPDATE=no keeps it out of {registry}"),
            ),
            None => findings.bad(
                "elements",
                format!("{place} can be loaded, but is not in the registry: remove {registry}, and see that it can be written"),
            ),
        }
    }
    for file in about.refused.iter().filter(|file| is_ours(file)) {
        let text =
            format!("in the list of refused plugins of {registry} (gst-inspect-1.0 -b): {}", file.display());
        findings.bad("", text);
    }
}

/// A variable that hides another one.
fn shadowed(findings: &mut Findings) {
    for name in ["GST_PLUGIN_PATH", "GST_PLUGIN_SYSTEM_PATH"] {
        let newer = format!("{name}_1_0");
        if env::var_os(&newer).is_some() && env::var_os(name).is_some() {
            findings.bad("", format!("{newer} is set, so that GStreamer does not read {name}"));
        }
    }
}

/// A list of folders from the environment.
fn folders(name: &str) -> Option<Vec<PathBuf>> {
    let value = env::var_os(format!("{name}_1_0")).or_else(|| env::var_os(name))?;
    Some(env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect())
}

/// Folders in which GStreamer looks for plugins.
fn searched(system: Option<&Path>) -> Vec<PathBuf> {
    let mut all = folders("GST_PLUGIN_PATH").unwrap_or_default();
    all.extend(folders("GST_PLUGIN_SYSTEM_PATH").unwrap_or_else(|| {
        let data = env::var_os("XDG_DATA_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = data.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/share")));
        let user = data.map(|data| data.join("gstreamer-1.0/plugins"));
        user.into_iter().chain(system.map(Path::to_owned)).collect()
    }));
    let mut seen = BTreeSet::new();
    all.retain(|folder| seen.insert(folder.clone()));
    all
}

/// The plugin's file in a folder or, as GStreamer looks, in folders below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    const DEPTH: usize = 4;
    fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let file = folder.join(PLUGIN);
        if file.is_file() {
            found.push(file);
        }
        let Ok(entries) = folder.read_dir() else { return };
        if depth == 0 {
            return;
        }
        for entry in entries.flatten() {
            // Links are left alone, so that none leads in a circle.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, DEPTH, &mut found);
    found
}

/// Folders where the plugin lies when it was built or installed together with this command.
fn elsewhere() -> Vec<PathBuf> {
    let exe = env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let Some(bin) = exe.parent() else { return Vec::new() };
    let mut places = vec![bin.to_owned()];
    if let Some(prefix) = bin.parent() {
        let lib = prefix.join("lib");
        places.push(lib.join("gstreamer-1.0"));
        let triples = lib.read_dir().into_iter().flatten().flatten();
        places.extend(triples.map(|entry| entry.path().join("gstreamer-1.0")));
    }
    places
}
