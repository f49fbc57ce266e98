//! The learned frames that are unlike the rest: their names, and on request their pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use snarm_core::bank::{Bank, OddFrame};
use snarm_core::paths::text;

use crate::annotate::to_rgb;
use crate::inputs::{self, Item, Selection, Source};
use crate::progress::Progress;

/// The file beside the pictures.
const NAMES: &str = "odd-frames.json";

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
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
}

/// Names the odd frames of a bank in the log, the oddest first, and writes pictures of them into a folder, where there is
/// one. `sources` and `wanted` are what was learned; frames are looked at once more.
pub(super) fn tell(bank: &Bank, sources: &[Source], wanted: &Selection, folder: Option<&Path>) -> Result<()> {
    let odd = bank.odd_frames();
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot write to folder {}", text(folder)))?;
    }
    let mut named: Vec<Named> = Vec::new();
    if !odd.is_empty() {
        let progress = Progress::new("look at odd frames");
        let mut shown = 0;
        inputs::visit(sources, wanted, &progress, &mut |item| {
            let found = odd.iter().find(|odd| odd.origin == Some(shown));
            shown += 1;
            if let Some(found) = found {
                named.push(name(item, found, folder)?);
            }
            Ok(())
        })?;
    }
    named.sort_by(|a, b| b.sigmas.total_cmp(&a.sigmas));
    for Named { source, number, time, sigmas, .. } in &named {
        let place = time.map_or_else(String::new, |time| format!(" at {time:.2} s, frame {number}"));
        tracing::warn!("unlike the other frames by {sigmas:.1} standard deviations: {source}{place}");
    }
    if let Some(folder) = folder {
        let (path, json) = (folder.join(NAMES), serde_json::to_string_pretty(&named)?);
        std::fs::write(&path, json + "\n").with_context(|| format!("cannot write {}", text(&path)))?;
    }
    Ok(())
}

fn name(item: &Item<'_>, odd: &OddFrame, folder: Option<&Path>) -> Result<Named> {
    let mut picture = None;
    if let Some(folder) = folder {
        // Frames of two clips have the same names.
        let clip = item.time.and_then(|_| item.source.file_stem()).map(Path::new).unwrap_or(Path::new(""));
        let mut file = folder.join(clip).join(&item.name).into_os_string();
        file.push(".png");
        let file = PathBuf::from(file);
        crate::commands::make_parent(&file)?;
        to_rgb(&item.frame)?.save_png(&file)?;
        picture = Some(text(&file));
    }
    let time = item.time.map(|nanoseconds| nanoseconds as f64 * 1e-9);
    Ok(Named { source: text(item.source), number: item.number, time, sigmas: odd.sigmas, picture })
}
