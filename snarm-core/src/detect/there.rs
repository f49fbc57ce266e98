//! From tiles that a device has read to raw scores on the host: the first frame of a size launches step by step, the next one
//! records what it launches, and those after launch the record as a whole.

use std::sync::Arc;

use snarm_kernels::Grid;
use snarm_kernels::blur::Blur;
use snarm_kernels::cuda::{Graph, Mirror, Queue};
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::pooled_max::scores_there;
use snarm_kernels::upsample::{Corners, Upsample};

use super::device::copy_home;
use super::extract::Ahead;
use super::postprocess::{ImageScore, RawMap, SIGMA, STRIDE, WINDOW};
use crate::bank::Memory;
use crate::error::Result;
use crate::models::Model;
use crate::view::Seen;

/// What a device does with the tiles of frames of one stream.
pub(super) struct There {
    queue: Queue,
    /// What is seen of the last frame.
    seen: Option<Arc<Seen>>,
    tiles: Vec<Step>,
    end: End,
}

/// What is known of the work for a tile.
enum Step {
    /// Nothing.
    New,
    /// It has run: what it needs was taken.
    Known,
    Recorded(Graph),
    /// It cannot be recorded, and is launched step by step.
    Single,
}

/// What happens to the scores of tiles in the end.
enum End {
    /// They are copied to the host, and become a map there.
    Home(Option<Mirror>),
    /// Those of the only tile, all of which shows the frame, are smoothed first.
    Smoothed(Box<Smoothed>),
}

/// The smoothed map of a frame.
struct Smoothed {
    /// Where the scores come on a grid.
    upsample: Option<Upsample>,
    blur: Blur,
    map: Buffer,
    scratch: Buffer<u32>,
    /// The largest mean of a window, and the highest pixel.
    found: Buffer,
    columns: usize,
    /// The map, and what was found.
    mirror: Mirror,
}

impl There {
    /// Nothing was done yet.
    pub(super) fn new(queue: &Queue) -> Self {
        Self { queue: queue.clone(), seen: None, tiles: Vec::new(), end: End::Home(None) }
    }

    /// Scores a tile, whose features another thing encodes. What is launched goes on by itself, or is waited for where the map
    /// is made on the host.
    pub(super) fn tile(
        &mut self,
        mut ahead: Ahead<'_>,
        model: &mut dyn Model,
        memory: Option<&Memory>,
        raw: &mut RawMap,
    ) -> Result<()> {
        let (tile, seen) = (ahead.tile, Arc::clone(ahead.seen));
        if !self.seen.as_ref().is_some_and(|last| Arc::ptr_eq(last, &seen)) {
            self.begin(&seen, raw, model.map_size())?;
        }
        let ignored = seen.ignored.as_ref().and_then(|ignored| ignored.of_tile(tile)).unwrap_or_default();
        let Self { queue, tiles, end, .. } = self;
        let mut work = || -> Result<()> {
            let features = ahead.encode()?;
            end.take(queue, model.score_there(&features, memory, ignored)?)
        };
        let step = &mut tiles[tile];
        match step {
            Step::Recorded(graph) if graph.is_current() => graph.launch()?,
            Step::Known => match Graph::record(queue, &mut work) {
                Ok(graph) => {
                    graph.launch()?;
                    *step = Step::Recorded(graph);
                }
                Err(reason) => {
                    tracing::warn!(
                        "work of the device is launched step by step, since it cannot be recorded: {reason}"
                    );
                    *step = Step::Single;
                    work()?;
                }
            },
            Step::Single => work()?,
            Step::New | Step::Recorded(_) => {
                work()?;
                *step = Step::Known;
            }
        }
        self.end.add(tile, raw, &seen)
    }

    /// The raw image score and the highest raw pixel score of a frame, whose map `raw` has then.
    pub(super) fn end(&mut self, raw: &mut RawMap, seen: &Seen) -> Result<(f64, f64)> {
        match &self.end {
            End::Home(_) => raw.end(seen),
            End::Smoothed(smoothed) => {
                let mut found = [0.0; 2];
                smoothed.mirror.read(0, raw.map_mut())?;
                smoothed.mirror.read(smoothed.map.len(), &mut found)?;
                let score = match raw.image_score() {
                    ImageScore::Windows => found[0],
                    ImageScore::Peak => found[1],
                };
                Ok((f64::from(score), f64::from(found[1])))
            }
        }
    }

    /// Begins with frames of another size, or of which another part is seen.
    fn begin(&mut self, seen: &Arc<Seen>, raw: &RawMap, scores: Grid) -> Result<()> {
        let mosaic = &seen.mosaic;
        self.seen = None;
        self.tiles.clear();
        self.tiles.resize_with(mosaic.tiles(), || Step::New);
        let (tile, visible) = (raw.tile(), mosaic.visible());
        let is_whole = mosaic.tiles() == 1
            && seen.ignored.is_none()
            && mosaic.size() == tile
            && (visible.width, visible.height) == (tile.columns, tile.rows);
        self.end = match is_whole {
            true => End::Smoothed(Box::new(Smoothed::new(&self.queue, scores, tile)?)),
            false => End::Home(None),
        };
        self.seen = Some(Arc::clone(seen));
        Ok(())
    }
}

impl Smoothed {
    fn new(queue: &Queue, scores: Grid, tile: Grid) -> Result<Self> {
        let place = Place::Cuda(queue.clone());
        let upsample = || Upsample::new(scores.into(), tile.into(), 1, Corners::Edges);
        Ok(Self {
            upsample: (scores != tile).then(upsample),
            blur: Blur::new(tile.rows, tile.columns, SIGMA),
            map: Buffer::new(&place, tile.cells())?,
            scratch: Buffer::new(&place, 2)?,
            found: Buffer::new(&place, 2)?,
            columns: tile.columns,
            mirror: Mirror::new(queue, tile.cells() + 2)?,
        })
    }

    /// As [`RawMap::add`] and [`RawMap::end`] of a map that shows the frame everywhere.
    fn run(&mut self, scores: &Buffer) -> Result<()> {
        let Self { upsample, blur, map, scratch, found, columns, mirror } = self;
        match upsample {
            Some(upsample) => upsample.run(scores, &mut *map)?,
            None => map.copy(scores)?,
        }
        blur.run(&mut *map)?;
        scores_there(map, *columns, WINDOW, STRIDE, scratch, found)?;
        copy_home(mirror, 0, map.view())?;
        Ok(copy_home(mirror, map.len(), found.view())?)
    }
}

impl End {
    /// Takes the scores of a tile; nobody waits for them.
    fn take(&mut self, queue: &Queue, scores: &Buffer) -> Result<()> {
        match self {
            Self::Smoothed(smoothed) => smoothed.run(scores),
            Self::Home(mirror) => {
                let mirror = match mirror {
                    Some(mirror) if mirror.len() == scores.len() => mirror,
                    other => other.insert(Mirror::new(queue, scores.len())?),
                };
                Ok(copy_home(mirror, 0, scores.view())?)
            }
        }
    }

    /// Adds the scores of a tile to the map on the host, where they are brought there.
    fn add(&self, tile: usize, raw: &mut RawMap, seen: &Seen) -> Result<()> {
        match self {
            Self::Home(Some(mirror)) => raw.add_from(tile, seen, mirror.len(), |to| Ok(mirror.read(0, to)?)),
            Self::Home(None) | Self::Smoothed(_) => Ok(()),
        }
    }
}
