//! Puts exposures and their truth into files.

use std::borrow::Cow;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use rayon::prelude::*;
use serde::Serialize;
use snarm_core::dataset::{Mask, Picture};
use snarm_core::files::{self, Replacement};
use snarm_core::paths::text;

use super::defects::DefectKind;
use super::line::{Line, Run};
use super::scene::{Exposure, Shot, Station};
use crate::commands::outputs::{self, Holds, Inputs};
use crate::player::{self, Player};
use crate::progress::Progress;

/// Exposures rendered at a time, by all cores.
const BATCH: usize = 16;

/// Pixels of a 640x480 frame from which a defect counts as seen.
const SEEN_PIXELS: f64 = 40.0;

/// The file beside clips.
const TRUTH: &str = "truth.jsonl";

/// Name of a folder of pictures without a defect.
const GOOD: &str = "good";

/// A line of `truth.jsonl`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Truth {
    frame_number: usize,
    timestamp: u64,
    anomalous: bool,
    defects: Vec<Seen>,
}

/// A defect in view; box in fractions of the frame.
#[derive(Serialize)]
struct Seen {
    kind: &'static str,
    x: f64,
    y: f64,
    w: f64,
    h: f64,
    pixels: usize,
}

/// Writes `good.mkv`, `line.mkv`, `truth.jsonl` and `masks/`. Returns the number of defective frames.
pub(super) fn clips(
    out: &Path,
    line: &Line,
    station: &Station,
    fps: u32,
    good: usize,
    frames: usize,
) -> Result<usize> {
    let path = out.join(TRUTH);
    let clips = ["good.mkv", "line.mkv"].map(|name| out.join(name));
    outputs::check_folder("--out", out, TRUTH, clips, &Inputs::default())?;
    outputs::check("--out", &path, Holds::Json, &Inputs::default())?;
    if !path.exists() {
        // Clips of a run that was killed are known as its own by this.
        files::put(&path, b"").with_context(|| format!("cannot write {}", text(&path)))?;
    }
    let progress = Progress::new("learn");
    film(&out.join("good.mkv"), line, station, fps, Run::Learn, good, &progress, &mut |_, _, _| Ok(()))?;
    let masks = out.join("masks");
    fs::create_dir_all(&masks).with_context(|| format!("cannot write to folder {}", masks.display()))?;
    let mut truth =
        BufWriter::new(Replacement::of(&path).with_context(|| format!("cannot write {}", path.display()))?);
    let mut anomalous = 0;
    progress.label("inspect");
    film(
        &out.join("line.mkv"),
        line,
        station,
        fps,
        Run::Inspect,
        frames,
        &progress,
        &mut |i, shot, exposure| {
            let defects = seen(shot, exposure, station.width, station.height);
            if !defects.is_empty() {
                anomalous += 1;
                save_mask(&masks.join(format!("{i:06}.png")), exposure, station)?;
            }
            let timestamp = i as u64 * 1_000_000_000 / u64::from(fps);
            let entry = Truth { frame_number: i, timestamp, anomalous: !defects.is_empty(), defects };
            serde_json::to_writer(&mut truth, &entry)?;
            Ok(truth.write_all(b"\n")?)
        },
    )?;
    let truth = truth.into_inner().map_err(std::io::IntoInnerError::into_error);
    truth.and_then(Replacement::finish).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(anomalous)
}

/// Renders a run in order and pipes it through an encoder; `each` sees every exposure.
fn film(
    path: &Path,
    line: &Line,
    station: &Station,
    fps: u32,
    run: Run,
    frames: usize,
    progress: &Progress,
    each: &mut dyn FnMut(usize, &Shot, &Exposure) -> Result<()>,
) -> Result<()> {
    progress.expect(Some(frames));
    // Every frame by itself, as machine vision cameras compress.
    let pipeline = player::words(&format!(
        "fdsrc fd=0 ! rawvideoparse format=rgb width={} height={} framerate={fps}/1 ! videoconvert ! \
         video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=95 ! matroskamux ! fdsink fd=1",
        station.width, station.height
    ));
    let unwritten = || format!("cannot write {}", text(path));
    let clip = Replacement::of(path).with_context(unwritten)?;
    let (player, mut pipe) = Player::writer(&pipeline, clip.file().with_context(unwritten)?)?;
    for start in (0..frames).step_by(BATCH) {
        for (i, shot, exposure) in render(start..frames.min(start + BATCH), station, |i| line.film(run, i)) {
            if pipe.write_all(&padded(&exposure.rgb, station.width)).is_err() {
                // The child ended; its own words say why.
                drop(pipe);
                player.finish().with_context(unwritten)?;
                return Err(anyhow!("the pipeline ended early: {}", text(path)));
            }
            each(i, &shot, &exposure)?;
            progress.step();
        }
    }
    drop(pipe);
    player.finish().with_context(unwritten)?;
    clip.finish().with_context(unwritten)
}

/// The samples of an RGB picture, each row of which begins at a multiple of 4 bytes: GStreamer takes raw video for that.
fn padded(rgb: &[u8], width: usize) -> Cow<'_, [u8]> {
    let gap = (4 - 3 * width % 4) % 4;
    if gap == 0 {
        return Cow::Borrowed(rgb);
    }
    rgb.chunks(3 * width).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0, gap))).collect()
}

/// Writes `train/good`, `test/<type>` and `ground_truth/<type>`: two thirds of the images to inspect are
/// defective, every kind in turn. Returns their number.
pub(super) fn images(
    out: &Path,
    line: &Line,
    station: &Station,
    good: usize,
    frames: usize,
) -> Result<usize> {
    let kinds = line.defects.kinds();
    let kind = |i: usize| (!i.is_multiple_of(3)).then(|| kinds[(i - i / 3 - 1) % kinds.len()]);
    let learned = (0..good).map(|i| (i, picture(&out.join("train/good"), i)));
    check_drawn(learned, station, &|i| line.photograph(Run::Learn, i, None))?;
    let tested = (0..frames).map(|i| (i, picture(&test_folder(out, kind(i)), i)));
    check_drawn(tested, station, &|i| test_shot(line, i, kind(i)))?;
    let progress = Progress::new("images");
    progress.expect(Some(good + frames));
    photograph(&out.join("train/good"), good, line, station, &progress, &|_| (Run::Learn, None))?;
    photograph_tests(out, frames, line, station, &progress, &kind)?;
    Ok((0..frames).filter(|&i| kind(i).is_some()).count())
}

/// Name of a picture.
fn picture(folder: &Path, i: usize) -> PathBuf {
    folder.join(format!("{i:04}.png"))
}

/// Folder of a picture to inspect.
fn test_folder(out: &Path, kind: Option<DefectKind>) -> PathBuf {
    out.join("test").join(kind.map_or(GOOD, DefectKind::name))
}

/// What a picture to inspect shows.
fn test_shot(line: &Line, i: usize, kind: Option<DefectKind>) -> Shot {
    match kind {
        Some(kind) => line.photograph(Run::Inspect, i, Some(kind)),
        None => line.photograph(Run::Good, i, None),
    }
}

/// Refuses a folder where a picture of another program, or of other options, would be replaced: the first one that is there
/// must be what is drawn.
fn check_drawn(
    mut wanted: impl Iterator<Item = (usize, PathBuf)>,
    station: &Station,
    shot: &dyn Fn(usize) -> Shot,
) -> Result<()> {
    let Some((i, path)) = wanted.find(|(_, path)| path.exists()) else { return Ok(()) };
    let drawn = station.expose(&shot(i)).rgb;
    let drawn = Picture { data: drawn, width: station.width, height: station.height };
    if Picture::open(&path).is_ok_and(|old| old == drawn) {
        return Ok(());
    }
    bail!(
        "--out: expected a new folder, or one of the same options, found a picture that would be replaced by another one: {}",
        text(&path)
    )
}

fn photograph(
    folder: &Path,
    n: usize,
    line: &Line,
    station: &Station,
    progress: &Progress,
    plan: &(dyn Fn(usize) -> (Run, Option<DefectKind>) + Sync),
) -> Result<()> {
    for start in (0..n).step_by(BATCH) {
        let shot = |i| line.photograph(plan(i).0, i, plan(i).1);
        for (i, _, exposure) in render(start..n.min(start + BATCH), station, shot) {
            save(&picture(folder, i), exposure.rgb, station)?;
            progress.step();
        }
    }
    Ok(())
}

fn photograph_tests(
    out: &Path,
    n: usize,
    line: &Line,
    station: &Station,
    progress: &Progress,
    kind: &(dyn Fn(usize) -> Option<DefectKind> + Sync),
) -> Result<()> {
    for start in (0..n).step_by(BATCH) {
        let shot = |i| test_shot(line, i, kind(i));
        for (i, _, exposure) in render(start..n.min(start + BATCH), station, shot) {
            if let Some(kind) = kind(i) {
                let mask = out.join("ground_truth").join(kind.name()).join(format!("{i:04}_mask.png"));
                save_mask(&mask, &exposure, station)?;
            }
            save(&picture(&test_folder(out, kind(i)), i), exposure.rgb, station)?;
            progress.step();
        }
    }
    Ok(())
}

/// Exposes the shots of `range` on all cores, in order.
fn render(
    range: std::ops::Range<usize>,
    station: &Station,
    shot: impl Fn(usize) -> Shot + Sync,
) -> Vec<(usize, Shot, Exposure)> {
    let one = |i| {
        let shot = shot(i);
        let exposure = station.expose(&shot);
        (i, shot, exposure)
    };
    range.into_par_iter().map(one).collect()
}

fn save(path: &Path, rgb: Vec<u8>, station: &Station) -> Result<()> {
    make_parent(path)?;
    Ok(Picture { data: rgb, width: station.width, height: station.height }.save_png(path)?)
}

fn save_mask(path: &Path, exposure: &Exposure, station: &Station) -> Result<()> {
    make_parent(path)?;
    let data = exposure.labels.iter().map(|&label| label > 0).collect();
    Ok(Mask { data, width: station.width, height: station.height }.save_png(path)?)
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).with_context(|| format!("cannot write to folder {}", parent.display()))
}

/// The defects of which enough is in view.
fn seen(shot: &Shot, exposure: &Exposure, width: usize, height: usize) -> Vec<Seen> {
    let enough = SEEN_PIXELS * (width * height) as f64 / (640.0 * 480.0);
    let kinds = shot.placed.iter().flat_map(|p| &p.defects).map(|d| d.kind.name());
    let found = kinds.zip(1u8..).filter_map(|(kind, label)| outline(kind, label, exposure, width, height));
    found.filter(|seen| seen.pixels as f64 >= enough).collect()
}

fn outline(kind: &'static str, label: u8, exposure: &Exposure, width: usize, height: usize) -> Option<Seen> {
    let places =
        exposure.labels.iter().enumerate().filter(|&(_, &l)| l == label).map(|(i, _)| (i % width, i / width));
    let (mut left, mut top, mut right, mut bottom, mut pixels) = (usize::MAX, usize::MAX, 0, 0, 0);
    for (x, y) in places {
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
        pixels += 1;
    }
    let (w, h) = (width as f64, height as f64);
    (pixels > 0).then(|| Seen {
        kind,
        x: left as f64 / w,
        y: top as f64 / h,
        w: (right - left) as f64 / w,
        h: (bottom - top) as f64 / h,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_raw_video_begin_at_multiples_of_four_bytes() {
        for width in 1..=9 {
            let rgb: Vec<u8> = (1..=3 * width as u8 * 2).collect();
            let (padded, stride) = (padded(&rgb, width), (3 * width).next_multiple_of(4));
            assert_eq!(padded.len(), 2 * stride, "{width}");
            for (row, expected) in padded.chunks(stride).zip(rgb.chunks(3 * width)) {
                let (samples, gap) = row.split_at(3 * width);
                assert_eq!(samples, expected, "{width}");
                assert!(gap.iter().all(|byte| *byte == 0), "{width}: {gap:?}");
            }
        }
    }
}
