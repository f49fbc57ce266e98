//! Patches of a frame and the rows of a bank that they are nearest to: what a score comes from, for people to look at.

use snarm_kernels::nearest::{Labels, Rows, Workspace, nearest as search, squared_norms};

use super::extract::Extractor;
use crate::bank::Memory;
use crate::error::{Error, Result};
use crate::view::Rect;

/// The square of a frame that a network reads as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// Where it lies, in fractions of the upright frame.
    pub rect: Rect,
    /// Number of its descriptor among those of all tiles.
    at: usize,
}

/// A row of a bank that is near to a patch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Number of the row.
    pub row: usize,
    /// Number of the image that it was taken from.
    pub image: u32,
    /// Distance of the two descriptors.
    pub distance: f64,
}

/// Labels of rows that are searched, and of those that are not.
const SEARCHED: u32 = 0;
const LEFT_OUT: u32 = 1;

/// The patches of the last frame, tile after tile.
fn patches(extractor: &Extractor) -> Vec<Rect> {
    let grid = extractor.encoder().geometry().grid();
    let of_tile = |tile: Rect| {
        let (w, h) = (tile.w / grid.columns as f64, tile.h / grid.rows as f64);
        (0..grid.cells()).map(move |at| Rect {
            x: tile.x + w * (at % grid.columns) as f64,
            y: tile.y + h * (at / grid.columns) as f64,
            w,
            h,
        })
    };
    extractor.tile_rects().into_iter().flat_map(of_tile).collect()
}

/// The patch whose middle is nearest to a place; what is ignored is no patch.
pub(super) fn at(extractor: &Extractor, x: f64, y: f64) -> Result<Patch> {
    let ignored = extractor.seen().ignored_tokens();
    let away = |rect: &Rect| {
        // In patches: they are seldom as high as wide in fractions of a frame.
        let (right, down) = ((rect.x - x) / rect.w + 0.5, (rect.y - y) / rect.h + 0.5);
        right * right + down * down
    };
    let all = patches(extractor).into_iter().enumerate();
    let seen = all.filter(|(at, _)| !ignored.get(*at).copied().unwrap_or(false));
    let found = seen.min_by(|(_, a), (_, b)| away(a).total_cmp(&away(b)));
    found.map(|(at, rect)| Patch { rect, at }).ok_or_else(no_frame)
}

fn no_frame() -> Error {
    Error::Values {
        what: "patches",
        expected: "a frame that was looked at".to_owned(),
        found: "none".to_owned(),
    }
}

/// Descriptors of the first level of the last frame, tile after tile.
fn descriptors(extractor: &Extractor) -> Vec<f32> {
    let geometry = extractor.encoder().geometry();
    let tiles = extractor.descriptors.chunks_exact(geometry.output_len());
    tiles.flat_map(|tile| &tile[..geometry.tokens() * geometry.width()]).copied().collect()
}

/// The rows of a bank nearest to a patch, one of each image.
pub(super) fn nearest(
    extractor: &Extractor,
    memory: &Memory,
    patch: &Patch,
    most: usize,
) -> Result<Vec<Known>> {
    let (all, width) = (descriptors(extractor), extractor.width());
    let Some(query) = all.get(patch.at * width..).and_then(|rest| rest.get(..width)) else {
        return Err(no_frame());
    };
    let mut labels = vec![SEARCHED; memory.vectors()];
    let mut found: Vec<Known> = Vec::new();
    while found.len() < most && labels.contains(&SEARCHED) {
        let known = first(query, memory.rows(), &labels)?;
        let image = memory.images()[known.0];
        found.push(Known { row: known.0, image, distance: known.1 });
        let of_image = labels.iter_mut().zip(memory.images()).filter(|(_, of)| **of == image);
        of_image.for_each(|(label, _)| *label = LEFT_OUT);
    }
    Ok(found)
}

/// The nearest row to a descriptor among those that are not left out, and its distance.
fn first(query: &[f32], rows: Rows<&[f32]>, labels: &[u32]) -> Result<(usize, f64)> {
    let (mut index, mut square) = ([0_u32], [0.0_f32]);
    let labels = Labels { queries: (&[LEFT_OUT]).into(), rows: labels.into() };
    snarm_kernels::threads::install(|| {
        let workspace = &mut Workspace::default();
        search(query, query.len(), rows, labels.into(), 1, workspace, &mut index, &mut square)
    })??;
    Ok((index[0] as usize, f64::from(square[0]).max(0.0).sqrt()))
}

/// The patch whose descriptor is nearest to a row.
pub(super) fn like(extractor: &Extractor, rows: Rows<&[f32]>, known: &Known) -> Result<Patch> {
    let (all, width) = (descriptors(extractor), extractor.width());
    let row = rows.data.get(known.row * width..).and_then(|rest| rest.get(..width)).ok_or_else(|| {
        let (expected, found) = (format!("a row below {}", rows.norms.len()), known.row.to_string());
        Error::Values { what: "bank", expected, found }
    })?;
    let ignored = extractor.seen().ignored_tokens();
    let mut labels: Vec<u32> = ignored.iter().map(|ignored| u32::from(*ignored)).collect();
    labels.resize(all.len() / width.max(1), SEARCHED);
    if !labels.contains(&SEARCHED) {
        return Err(no_frame());
    }
    let mut norms = vec![0.0; labels.len()];
    snarm_kernels::threads::install(|| squared_norms(&all, width, &mut norms))??;
    let (at, _) = first(row, Rows { data: &all, norms: &norms }, &labels)?;
    let rect = patches(extractor).get(at).copied().ok_or_else(no_frame)?;
    Ok(Patch { rect, at })
}
