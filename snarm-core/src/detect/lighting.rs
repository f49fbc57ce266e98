//! What is done about the light of frames, and how a device does it: each tile is measured, compared with what was learned and
//! corrected between being read and being encoded, and nobody waits.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use snarm_kernels::cuda::Mirror;
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::light::{COLOURS, Cell, Gain, NUMBERS, PLANES, cells, compare};
use snarm_kernels::preprocess::{PixelRect, PreprocessSpec};

use super::device::copy_home;
use crate::error::Result;
use crate::light::{CELLS, Light};

/// What is done about the light of frames.
pub(crate) enum Lighting {
    /// Nothing.
    Ignored,
    /// It is measured, for a bank to know.
    Measured,
    /// It is compared with what was learned, and with `corrects` brought to that.
    Known { light: Arc<Light>, corrects: bool },
}

impl Lighting {
    /// What was learned of frames of so many tiles, and whether they are brought to that.
    pub(super) fn known(&self, tiles: usize) -> Option<(&Light, bool)> {
        match self {
            Self::Known { light, corrects } if light.tiles() == tiles => Some((light, *corrects)),
            _ => None,
        }
    }

    /// Whether frames of so many tiles are measured.
    pub(super) fn measures(&self, tiles: usize) -> bool {
        matches!(self, Self::Measured) || self.known(tiles).is_some()
    }
}

/// What a device finds of the light of the tiles of a frame.
pub(super) struct LightThere {
    /// Of one tile.
    cells: Buffer,
    known: Option<Known>,
    /// What was found of each tile, as it is copied to the host.
    mirror: Mirror,
    home: Vec<Found>,
}

/// What was learned, and how a tile looks beside it.
struct Known {
    /// Of each tile, as [`Light::usual_cells`].
    usual: Buffer,
    range: Buffer,
    /// Planes and gains of one tile.
    found: Buffer,
    corrects: bool,
}

/// What is found of a tile: its cells, and the planes where light is known.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Found {
    pub(super) cells: [Cell; CELLS],
    pub(super) planes: [Gain; COLOURS],
}

/// Numbers of a [`Found`].
const FOUND: usize = CELLS * NUMBERS + PLANES;

impl LightThere {
    /// For frames of so many tiles; nothing where those are not measured, or on the host.
    pub(super) fn new(place: &Place, lighting: &Lighting, tiles: usize) -> Result<Option<Self>> {
        let Place::Cuda(queue) = place else { return Ok(None) };
        if !lighting.measures(tiles) {
            return Ok(None);
        }
        let known = match lighting.known(tiles) {
            Some((light, corrects)) => Some(Known {
                usual: Buffer::of(place, light.usual_cells())?,
                range: Buffer::of(place, &light.near())?,
                found: Buffer::new(place, 2 * PLANES)?,
                corrects,
            }),
            None => None,
        };
        Ok(Some(Self {
            cells: Buffer::new(place, CELLS * NUMBERS)?,
            known,
            mirror: Mirror::new(queue, tiles * FOUND)?,
            home: vec![Found::zeroed(); tiles],
        }))
    }

    /// Measures a tile in its picture, which shows the frame in `visible`, and compares it with what was learned.
    pub(super) fn measure(
        &mut self,
        tile: usize,
        picture: BufferView<'_>,
        spec: &PreprocessSpec,
        visible: PixelRect,
    ) -> snarm_kernels::Result<()> {
        let Self { cells: own, known, mirror, .. } = self;
        cells(picture, spec, visible, &mut *own)?;
        copy_home(mirror, tile * FOUND, own.view())?;
        if let Some(Known { usual, range, found, .. }) = known {
            let numbers = CELLS * 2 * NUMBERS;
            let usual = part(usual, tile * numbers, numbers)?;
            compare(&*own, usual, &*range, &mut *found)?;
            copy_home(mirror, tile * FOUND + CELLS * NUMBERS, part(found, 0, PLANES)?)?;
        }
        Ok(())
    }

    /// The gains that the tile which was measured last is corrected by, where tiles are.
    pub(super) fn gains(&self) -> snarm_kernels::Result<Option<BufferView<'_>>> {
        let corrected = self.known.as_ref().filter(|known| known.corrects);
        corrected.map(|known| part(&known.found, PLANES, PLANES)).transpose()
    }

    /// What was found of each tile, after all work before.
    pub(super) fn read(&mut self) -> Result<&[Found]> {
        self.mirror.read(0, bytemuck::cast_slice_mut(&mut self.home))?;
        Ok(&self.home)
    }
}

/// `len` numbers of a buffer from `start` on.
fn part(buffer: &Buffer, start: usize, len: usize) -> snarm_kernels::Result<BufferView<'_>> {
    let part = buffer.view().part(start..start + len);
    part.ok_or_else(|| {
        let (expected, found) = (format!("{} numbers", start + len), buffer.len().to_string());
        snarm_kernels::Error::Shape { op: "light", expected, found }
    })
}
