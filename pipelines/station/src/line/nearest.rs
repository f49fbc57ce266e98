//! What a find is like: the good patches that the bank in use knows, looked up by `snarm nearest` when somebody asks, and
//! kept until another bank is in use.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use utoipa::ToSchema;

use super::prepare::succeeded;
use super::shared::Line;
use crate::store::Picture;

/// The file beside the pictures.
const NAMES: &str = "nearest.json";

/// The most striking places of a find, and what the bank knows that is like them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Nearest {
    /// Digest of the bank.
    bank: String,
    /// The highest score first.
    places: Vec<Place>,
}

/// A place of a find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
struct Place {
    /// Pixel score, 0..1.
    score: f64,
    /// The patch of the frame.
    patch: Part,
    /// Name of its cut-out below `/api/finds/{id}/nearest/`.
    picture: String,
    /// The patches that the bank knows, each of another frame, the nearest first; none of a bank without descriptors.
    nearest: Vec<Near>,
}

/// A part of a frame, in fractions of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
struct Part {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

/// A patch that the bank knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
struct Near {
    /// Distance of the descriptors.
    distance: f64,
    /// Number of the learned frame in the bank.
    image: u32,
    /// Where that frame comes from: a file, or number and time in its stream; empty where the bank does not know.
    name: String,
    /// Where the patch lies in it, where the frame is at hand.
    #[serde(default)]
    patch: Option<Part>,
    /// Name of its cut-out, where the frame is at hand.
    #[serde(default)]
    picture: Option<String>,
}

/// Looks up what a find of a line is like. Nothing where its frame is not kept.
///
/// # Errors
/// When there is no bank in use, or it cannot be looked up.
pub(crate) async fn nearest(line: &Arc<Line>, find: i64) -> Result<Option<Nearest>> {
    let frame = line.store.picture_file(find, Picture::Frame);
    if !tokio::fs::try_exists(&frame).await.unwrap_or_default() {
        return Ok(None);
    }
    // One at a time: the pipeline needs the processor.
    let _alone = line.looking.lock().await;
    let (bank, learned) = line
        .ask(|line| {
            let bank = line.store.running_bank(line.name())?.context("expected a bank in use, found none")?;
            let learned = line.store.learned_pictures(line.name(), bank.version)?;
            Ok((bank, learned))
        })
        .await?;
    let folder = line.store.nearest_folder(find);
    if let Some(known) = read(&folder).await.filter(|known| known.bank == bank.digest) {
        return Ok(Some(known));
    }
    let made = folder.with_extension("new");
    // Left over from a station that was ended.
    let _ = tokio::fs::remove_dir_all(&made).await;
    // Left over from a station that was ended.
    let _ = tokio::fs::remove_dir_all(&made).await;
    let mut command = Command::new(&line.host.command);
    command
        .arg("nearest")
        .arg(&frame)
        .arg("--bank")
        .arg(line.store.bank_file(bank.id))
        .arg("--out")
        .arg(&made);
    for pictures in [line.store.pictures(), learned] {
        command.arg("--learned").arg(pictures);
    }
    command.env("SNARM_THREADS", "1").kill_on_drop(true);
    succeeded(command.output().await?).context("cannot look up what a find is like")?;
    let _ = tokio::fs::remove_dir_all(&folder).await;
    tokio::fs::rename(&made, &folder).await.with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(read(&folder).await)
}

async fn read(folder: &Path) -> Option<Nearest> {
    serde_json::from_slice(&tokio::fs::read(folder.join(NAMES)).await.ok()?).ok()
}
