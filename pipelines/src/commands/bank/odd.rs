//! The learned frames that are unlike the rest: their names, and on request their pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use snarm_core::bank::{Bank, OddFrame, Origin};
use snarm_core::paths::text;

use crate::annotate::to_rgb;
use crate::commands::outputs::{Inputs, check_folder};
use crate::inputs::{self, Item, ODD as NAMES, Selection, Source};
use crate::progress::Progress;

/// Where a frame comes from, as a bank remembers it.
pub(super) fn origin(item: &Item<'_>) -> Origin {
    Origin { source: text(item.source), number: item.time.map(|_| item.number), time: item.time }
}

/// A line of that file.
#[derive(Debug, Serialize)]
struct Named {
    source: String,
    /// Number of the frame in its clip, or of the image.
    number: u64,
    /// Time in the clip, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    /// Standard deviations above the median of all frames.
    sigmas: f64,
    picture: String,
}

/// Names the odd frames of a bank in the log, the oddest first.
pub(super) fn tell(bank: &Bank) {
    for odd in bank.odd_frames() {
        if let Some(origin) = &odd.origin {
            tracing::warn!("unlike the other frames by {:.1} standard deviations: {origin}", odd.sigmas);
        }
    }
}

/// Refuses a folder where the picture of an odd frame would replace another one.
pub(super) fn check(sources: &[Source], folder: &Path, read: &Inputs) -> Result<()> {
    let stills = sources.iter().filter_map(|source| match source {
        Source::Still { name, .. } => Some(picture(folder, name)),
        Source::Clip { .. } => None,
    });
    check_folder("--odd-frames", folder, NAMES, stills, read)
}

/// The picture of an odd frame of that name.
fn picture(folder: &Path, name: &Path) -> PathBuf {
    let mut file = folder.join(name).into_os_string();
    file.push(".png");
    file.into()
}

/// Writes pictures of the odd frames into a folder, and their names. `sources` and `wanted` are what was learned; frames are
/// looked at once more.
pub(super) fn write(bank: &Bank, sources: &[Source], wanted: &Selection, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot write to folder {}", text(folder)))?;
    let (odd, mut named) = (bank.odd_frames(), Vec::new());
    if !odd.is_empty() {
        inputs::visit(sources, wanted, &Progress::new("look at odd frames"), &mut |item| {
            let origin = Some(origin(item));
            if let Some(found) = odd.iter().find(|odd| odd.origin == origin) {
                named.push(name(item, found, folder)?);
            }
            Ok(())
        })?;
    }
    named.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
    let (path, json) = (folder.join(NAMES), serde_json::to_string_pretty(&named)?);
    crate::commands::write_text(&path, &(json + "\n"))
}

fn name(item: &Item<'_>, odd: &OddFrame, folder: &Path) -> Result<Named> {
    // Pictures of other clips may come into the folder later.
    let file = match item.clip {
        Some(clip) => picture(&folder.join(clip), Path::new(item.name.file_name().unwrap_or_default())),
        None => picture(folder, &item.name),
    };
    crate::commands::make_parent(&file)?;
    to_rgb(&item.frame)?.save_png(&file)?;
    Ok(Named {
        source: text(item.source),
        number: item.number,
        time: item.time.map(|nanoseconds| nanoseconds as f64 * 1e-9),
        sigmas: odd.sigmas,
        picture: text(&file),
    })
}
