//! From a frame to descriptors: preprocess and encode, with the scratch of one stream.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::device::{Buffer, BufferView, BufferViewMut, Place};
use snarm_kernels::frame::{AnyFrame, Frame, Upload};
use snarm_kernels::light::{Cell, cells, relight};
use snarm_kernels::preprocess::{Fit, PixelRect, Placement, PreprocessSpec, Preprocessor, Rect as Fractions};
use snarm_kernels::{Grid, Precision};

use super::lighting::{LightThere, Lighting};
use super::times::StageTimes;
use crate::encoder::{Encoder, Features, Geometry, Workspace};
use crate::error::{Error, Result};
use crate::light::{CELLS, Quality, Seen as SeenLight};
use crate::memory;
use crate::view::{Crop, Ignored, Mosaic, Rect, Seen, TileGrid, Tiles, Tiling, View};

/// Turns frames into descriptors, tile after tile.
pub(crate) struct Extractor {
    /// The encoder as it was given: while somebody holds it, others are given the same.
    shared: Arc<Encoder>,
    /// The same in the aspect of the tiles, where that is no square.
    shaped: Option<Arc<Encoder>>,
    /// The aspect of the tiles that the encoder's input has; nothing before the first frame where that decides it.
    aspect: Option<f64>,
    /// Columns and rows of tiles; nothing before the first frame.
    tiles: Option<TileGrid>,
    /// For each tile, for each input of the encoder.
    preprocessors: Vec<Vec<Preprocessor>>,
    /// Of one tile.
    input: Vec<f32>,
    /// What each group of columns of the descriptors is multiplied by; empty is nothing.
    scales: Vec<f32>,
    workspace: Workspace,
    view: View,
    /// Width and height of the frames that tiles were cut of last.
    size: (usize, usize),
    /// Where the picture lies in the input of the first tile.
    placement: Placement,
    /// What is seen of frames of that size.
    seen: Arc<Seen>,
    /// Features of the last frame, tile after tile: all levels, the descriptors (rows * columns, width) first, unless a device
    /// has them.
    pub(crate) descriptors: Vec<f32>,
    there: Option<There>,
    lighting: Lighting,
    /// Cells of each tile of the last frame; none where they are not measured.
    cells: Vec<Cell>,
    /// The light of its tiles beside what was learned, of those that were looked at.
    light: Vec<(usize, SeenLight)>,
    /// Whether tiles are those that a bank was made of.
    are_learned: bool,
}

/// What encodes in the memory of a device.
struct There {
    place: Place,
    upload: Upload,
    encoder: Encoder,
    workspace: Workspace,
    /// For each tile.
    preprocessors: Vec<Vec<Preprocessor>>,
    /// Of one tile, those of all networks one after the other.
    input: Buffer,
    /// For each tile.
    descriptors: Vec<Buffer>,
    /// Where light is measured.
    light: Option<LightThere>,
}

impl Extractor {
    /// For tiles of that aspect, width / height, where the view keeps it. Without an aspect the first frame decides.
    pub(crate) fn new(encoder: Arc<Encoder>, view: View, aspect: Option<f64>) -> Result<Self> {
        let aspect = if view.crop.follows_frames() { aspect } else { Some(1.0) };
        let shaped = match aspect {
            Some(aspect) if aspect != 1.0 => Some(Arc::new(encoder.of_aspect(aspect))),
            _ => None,
        };
        let shared = encoder;
        let encoder = shaped.as_ref().unwrap_or(&shared);
        check(&view, encoder.geometry())?;
        // Matching and scoring take about as much again.
        memory::check("a frame", 2 * encoder.workspace_bytes())?;
        let size = encoder.geometry().size;
        Ok(Self {
            tiles: None,
            preprocessors: Vec::new(),
            input: Vec::new(),
            scales: Vec::new(),
            workspace: Workspace::default(),
            view,
            size: NO_FRAME,
            placement: PreprocessSpec::imagenet(size, Fit::Full).placement(1, 1),
            seen: Arc::new(Seen { mosaic: Mosaic::whole(size, whole(size), Rect::WHOLE), ignored: None }),
            descriptors: Vec::new(),
            there: None,
            lighting: Lighting::Ignored,
            cells: Vec::new(),
            light: Vec::new(),
            are_learned: false,
            aspect,
            shaped,
            shared,
        })
    }

    /// The aspect, width / height, that tiles have in the encoder's input, where the view keeps it and it is known.
    pub(crate) fn aspect(&self) -> Option<f64> {
        self.aspect.filter(|_| self.view.crop.follows_frames())
    }

    /// The columns and rows of tiles, where there are several and they are known.
    pub(crate) fn tiles(&self) -> Option<TileGrid> {
        self.tiles.filter(|tiles| tiles.count() > 1)
    }

    /// Encodes in the memory of a device from now on.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub(crate) fn move_to(&mut self, place: &Place) -> Result<()> {
        self.there = match place {
            Place::Host => None,
            Place::Cuda(_) => {
                let encoder = self.encoder().at(place)?;
                Some(There {
                    place: place.clone(),
                    upload: Upload::new(place)?,
                    workspace: Workspace::at(place, &encoder)?,
                    preprocessors: Vec::new(),
                    input: Buffer::new(place, encoder.inputs().map(Geometry::input_len).sum())?,
                    descriptors: Vec::new(),
                    light: None,
                    encoder,
                })
            }
        };
        self.cells.clear();
        self.light.clear();
        self.size = NO_FRAME;
        Ok(())
    }

    /// What encodes.
    pub(crate) fn place(&self) -> Place {
        self.there.as_ref().map_or(Place::Host, |there| there.place.clone())
    }

    /// What elements of matrix products are rounded to: bf16 on a device, else what the encoder was read for.
    pub(crate) fn precision(&self) -> Precision {
        match self.place() {
            Place::Host => self.encoder().precision(),
            Place::Cuda(_) => Precision::Bf16,
        }
    }

    /// Fills `descriptors`, or what the device has of them, from a frame. Runs on the compute pool.
    pub(crate) fn run<'a>(&mut self, frame: impl Into<AnyFrame<'a>>, times: &mut StageTimes) -> Result<()> {
        let frame = frame.into();
        self.place_in(frame.upright_size())?;
        if let Some(there) = &mut self.there {
            return there.run(
                &frame,
                &self.seen,
                &self.scales,
                self.are_learned,
                times,
                |mut ahead, times| {
                    let start = Instant::now();
                    ahead.encode()?;
                    times.add("encode", start.elapsed());
                    Ok(())
                },
            );
        }
        let frame = frame.host()?;
        snarm_kernels::threads::install(|| self.encode(frame, times))?
    }

    /// Brings a frame to the memory of a device, reads one tile of it after another there, and hands each on to be encoded.
    ///
    /// # Errors
    /// When this is on the host, or as [`Self::run`].
    pub(crate) fn run_there<'a>(
        &mut self,
        frame: impl Into<AnyFrame<'a>>,
        times: &mut StageTimes,
        then: impl FnMut(Ahead<'_>, &mut StageTimes) -> Result<()>,
    ) -> Result<()> {
        let frame = frame.into();
        self.place_in(frame.upright_size())?;
        match &mut self.there {
            Some(there) => there.run(&frame, &self.seen, &self.scales, self.are_learned, times, then),
            None => Err(snarm_kernels::Error::Apart { op: "frame" }.into()),
        }
    }

    /// Brings what a device has of the last frame to the host: its descriptors and its light.
    pub(crate) fn fetch(&mut self) -> Result<()> {
        self.fetch_light()?;
        let Some(there) = &self.there else { return Ok(()) };
        let values = self.encoder().geometry().output_len();
        let tiles = there.descriptors.len();
        self.descriptors.resize(tiles * values, 0.0);
        for (tile, own) in self.descriptors.chunks_exact_mut(values).enumerate() {
            match is_left_out(&self.seen, tile) {
                true => own.fill(0.0),
                false => there.descriptors[tile].read(own)?,
            }
        }
        Ok(())
    }

    /// Brings what a device has found of the light of the last frame to the host.
    pub(crate) fn fetch_light(&mut self) -> Result<()> {
        let Some(there) = &mut self.there else { return Ok(()) };
        self.cells.clear();
        self.light.clear();
        let Some(light) = &mut there.light else { return Ok(()) };
        let found = light.read()?;
        self.cells.resize(found.len() * CELLS, Cell::default());
        let known = self.lighting.known(found.len());
        let tiles = self.cells.chunks_exact_mut(CELLS).zip(found).enumerate();
        for (tile, (own, found)) in tiles.filter(|(tile, _)| !is_left_out(&self.seen, *tile)) {
            own.copy_from_slice(&found.cells);
            let seen = known.and_then(|(light, _)| light.seen(tile, own, found.planes));
            self.light.extend(seen.map(|seen| (tile, seen)));
        }
        Ok(())
    }

    fn encode(&mut self, frame: &Frame<'_>, times: &mut StageTimes) -> Result<()> {
        let encoder = self.shaped.as_ref().unwrap_or(&self.shared);
        let values = encoder.geometry().output_len();
        self.descriptors.resize(self.preprocessors.len() * values, 0.0);
        let tiles = self.preprocessors.len();
        let (known, measures) = (self.lighting.known(tiles), self.lighting.measures(tiles));
        self.cells.resize(if measures { tiles * CELLS } else { 0 }, Cell::default());
        self.light.clear();
        let (width, height) = frame.upright_size();
        for (tile, preprocessors) in self.preprocessors.iter_mut().enumerate() {
            if is_left_out(&self.seen, tile) {
                self.descriptors[tile * values..][..values].fill(0.0);
                continue;
            }
            let start = Instant::now();
            for_inputs(&mut self.input, preprocessors, |preprocessor, own| preprocessor.run(frame, own))?;
            if measures {
                let own = &mut self.cells[tile * CELLS..][..CELLS];
                for_inputs(&mut self.input, &mut preprocessors[..1], |preprocessor, picture| {
                    let (spec, visible) = shown(preprocessor, (width, height));
                    cells(picture.view(), spec, visible, bytemuck::cast_slice_mut::<_, f32>(own))
                })?;
                if let Some((light, corrects)) = known
                    && let Some((seen, gains)) = light.see(tile, own)
                {
                    if corrects {
                        let gains: &[f32] = bytemuck::cast_slice(&gains);
                        for_inputs(&mut self.input, preprocessors, |preprocessor, own| {
                            let (spec, visible) = shown(preprocessor, (width, height));
                            relight(own, spec, visible, gains)
                        })?;
                    }
                    self.light.push((tile, seen));
                }
            }
            times.add("preprocess", start.elapsed());

            let start = Instant::now();
            let own = &mut self.descriptors[tile * values..][..values];
            encoder.encode_scaled(&self.input, &self.scales, &mut self.workspace, own)?;
            times.add("encode", start.elapsed());
        }
        Ok(())
    }

    /// The cells of the tiles of the last frame, where they were measured.
    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// All numbers that are known of the light of the last frame: of its cells, and of its tiles beside what was learned.
    pub(super) fn light_numbers(&self) -> Vec<f32> {
        let mut numbers = bytemuck::cast_slice(&self.cells).to_vec();
        numbers.extend(self.light.iter().flat_map(|(_, seen)| seen.numbers()));
        numbers
    }

    /// What is done about the light of frames from now on; nothing before.
    pub(crate) fn set_lighting(&mut self, lighting: Lighting) {
        self.lighting = lighting;
        if self.there.is_some() {
            // A device is given what it needs for that, and records its work, with the next frame.
            self.size = NO_FRAME;
        }
    }

    /// What the last frame says of its own quality, where frames of the kind were learned.
    pub(crate) fn quality(&self) -> Option<Quality> {
        match &self.lighting {
            Lighting::Known { light, .. } if !self.light.is_empty() => {
                Some(light.quality(&self.cells, &self.light))
            }
            _ => None,
        }
    }

    /// What the encoder saw in a tile of the last frame.
    pub(crate) fn features(&self, tile: usize) -> Result<Features<'_>> {
        let geometry = self.encoder().geometry();
        let values = geometry.output_len();
        let seen = match &self.there {
            Some(there) => there.descriptors[tile].view(),
            None => BufferView::Host(&self.descriptors[tile * values..][..values]),
        };
        Ok(of_tile(Features::new(geometry, seen)?, tile, self.are_learned))
    }

    /// Says whether tiles are those that a bank was made of, so that its places are theirs.
    pub(crate) fn set_learned(&mut self, are_learned: bool) {
        self.are_learned = are_learned;
    }

    /// Multiplies the groups of channels of the descriptors by these scales from now on, one a group; without any they stay
    /// as the encoder gives them.
    pub(crate) fn set_scales(&mut self, scales: &[f32]) {
        self.scales = scales.to_vec();
    }

    /// Looks at another part of the frames from now on. Whether it is another.
    pub(crate) fn set_view(&mut self, view: View) -> Result<bool> {
        let is_other = view != self.view;
        if is_other {
            check(&view, self.encoder().geometry())?;
            (self.view, self.tiles, self.size) = (view, None, NO_FRAME);
        }
        Ok(is_other)
    }

    /// Finds out where tiles and picture lie and what of them is ignored, when frames of another size come. The first frame
    /// decides on the number of tiles and on their aspect, where these are left to it.
    fn place_in(&mut self, (width, height): (usize, usize)) -> Result<()> {
        if self.size == (width, height) {
            return Ok(());
        }
        // Until all of it has succeeded, nothing is known of any size.
        self.size = NO_FRAME;
        let roi = self.view.roi.unwrap_or(Rect::WHOLE);
        if roi.w * (width as f64) < PIXEL || roi.h * (height as f64) < PIXEL {
            return Err(Error::RegionTooThin { roi: roi.to_string(), width, height });
        }
        let region = Fractions { x: roi.x, y: roi.y, w: roi.w, h: roi.h };
        let square = PreprocessSpec { region, ..PreprocessSpec::imagenet(Grid::square(1), Fit::Full) };
        let part = square.source_rect(width, height);
        let grid = match self.tiles {
            Some(grid) => grid,
            None => self.view.tiles.grid(part.width, part.height, self.shared.input_side())?,
        };
        let tiling = Tiling::new(part, grid);
        if self.aspect.is_none() {
            let aspect = match grid.count() {
                1 => (roi.w * width as f64) / (roi.h * height as f64),
                _ => tiling.size().0 as f64 / tiling.size().1 as f64,
            };
            self.shape(self.view.crop.aspect_of(aspect))?;
        }
        let regions: Vec<Fractions> = match grid.count() {
            1 => vec![region],
            _ => tiling.tiles().map(|tile| tile.fractions(width, height)).collect(),
        };
        self.read(&regions)?;
        let placement = self.preprocessors[0][0].spec().placement(width, height);
        let (tokens, size) = (self.encoder().geometry().grid(), self.encoder().geometry().size);
        let rects = self.rects((width, height));
        let mosaic = match grid.count() {
            1 => Mosaic::whole(size, placement.inner, rects[0]),
            _ => Mosaic::of(&tiling, placement.inner, of(part.fractions(width, height))),
        };
        if grid.count() > 1 {
            let values = grid.count() * self.encoder().geometry().output_len();
            let map = MAPS * mosaic.size().cells();
            memory::check("the tiles of a frame", size_of::<f32>() * (values + map))?;
        }
        let ignored = match &self.view.ignore {
            Some(mask) => Ignored::new(mask, &mosaic, &rects, tokens, size)?,
            None => None,
        };
        self.seen = Arc::new(Seen { mosaic, ignored });
        (self.placement, self.tiles, self.size) = (placement, Some(grid), (width, height));
        Ok(())
    }

    /// Gives the encoder's input an aspect.
    fn shape(&mut self, aspect: f64) -> Result<()> {
        if aspect != 1.0 {
            self.shaped = Some(Arc::new(self.shared.of_aspect(aspect)));
            // A device has the encoder in the aspect before.
            self.move_to(&self.place())?;
        }
        self.aspect = Some(aspect);
        Ok(())
    }

    /// Reads these regions of frames from now on, one a tile.
    fn read(&mut self, regions: &[Fractions]) -> Result<()> {
        let encoder = self.shaped.as_ref().unwrap_or(&self.shared);
        let of_tile = |region: &Fractions| -> Result<Vec<Preprocessor>> {
            let inputs = encoder.inputs();
            inputs.map(|input| Ok(Preprocessor::new(spec(input, &self.view, *region)?)?)).collect()
        };
        self.preprocessors = regions.iter().map(of_tile).collect::<Result<_>>()?;
        let values = self.preprocessors[0].iter().map(|preprocessor| preprocessor.spec().output_len());
        self.input.resize(values.sum(), 0.0);
        if let Some(there) = &mut self.there {
            let copy = |inputs: &Vec<Preprocessor>| -> Result<Vec<Preprocessor>> {
                inputs.iter().map(|input| Ok(Preprocessor::new(*input.spec())?)).collect()
            };
            there.preprocessors = self.preprocessors.iter().map(copy).collect::<Result<_>>()?;
            there.light = LightThere::new(&there.place, &self.lighting, regions.len())?;
            let room = |_| Buffer::new(&there.place, 0);
            there.descriptors = (0..regions.len()).map(room).collect::<snarm_kernels::Result<_>>()?;
        }
        Ok(())
    }

    /// The part of the frames that is looked at.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// What is seen of the last frame.
    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }

    /// Part of the last frame that the network saw.
    pub(crate) fn seen_part(&self) -> Rect {
        match self.tiles() {
            Some(_) => self.seen.mosaic.rect(),
            None => of(self.placement.source),
        }
    }

    /// What each tile of the last frame shows of it, with the bars of a letterbox; nothing before the first one, and after a
    /// change of what is seen of frames.
    pub(crate) fn tile_rects(&self) -> Vec<Rect> {
        if self.size == NO_FRAME { Vec::new() } else { self.rects(self.size) }
    }

    /// What each tile shows of frames of a width and height.
    fn rects(&self, (width, height): (usize, usize)) -> Vec<Rect> {
        let size = self.encoder().geometry().size;
        let rect = |inputs: &Vec<Preprocessor>| map_rect(inputs[0].spec().placement(width, height), size);
        self.preprocessors.iter().map(rect).collect()
    }

    /// The encoder in the aspect of the tiles.
    pub(crate) fn encoder(&self) -> &Arc<Encoder> {
        self.shaped.as_ref().unwrap_or(&self.shared)
    }

    /// The encoder as it was given.
    pub(crate) fn shared(&self) -> &Arc<Encoder> {
        &self.shared
    }

    /// Width of a descriptor.
    pub(crate) fn width(&self) -> usize {
        self.encoder().geometry().width()
    }
}

/// A tile of a frame that a device has read, and what encodes it there.
pub(crate) struct Ahead<'a> {
    /// Its number.
    pub(crate) tile: usize,
    /// What is seen of frames of its size.
    pub(crate) seen: &'a Arc<Seen>,
    encoder: &'a Encoder,
    preprocessors: &'a mut [Preprocessor],
    /// Width and height of the upright frame.
    size: (usize, usize),
    input: &'a mut Buffer,
    light: Option<&'a mut LightThere>,
    workspace: &'a mut Workspace,
    scales: &'a [f32],
    descriptors: &'a mut Buffer,
    is_learned: bool,
}

impl Ahead<'_> {
    /// Launches what is done about the light of the tile, and the encoder.
    pub(crate) fn encode(&mut self) -> Result<Features<'_>> {
        self.correct()?;
        self.descriptors.resize(self.encoder.geometry().output_len())?;
        self.encoder.encode_scaled(&*self.input, self.scales, self.workspace, &mut *self.descriptors)?;
        let features = Features::new(self.encoder.geometry(), self.descriptors.view())?;
        Ok(of_tile(features, self.tile, self.is_learned))
    }

    /// Measures the light of the tile, and corrects it.
    fn correct(&mut self) -> Result<()> {
        let Self { tile, size, preprocessors, input, light, .. } = self;
        let Some(light) = light else { return Ok(()) };
        for_inputs(&mut **input, &mut preprocessors[..1], |preprocessor, own| {
            let (spec, visible) = shown(preprocessor, *size);
            light.measure(*tile, own.view(), spec, visible)
        })?;
        let Some(gains) = light.gains()? else { return Ok(()) };
        for_inputs(&mut **input, preprocessors, |preprocessor, own| {
            let (spec, visible) = shown(preprocessor, *size);
            relight(own, spec, visible, gains)
        })
    }
}

impl There {
    fn run(
        &mut self,
        frame: &AnyFrame<'_>,
        seen: &Arc<Seen>,
        scales: &[f32],
        is_learned: bool,
        times: &mut StageTimes,
        mut then: impl FnMut(Ahead<'_>, &mut StageTimes) -> Result<()>,
    ) -> Result<()> {
        // What is launched goes on by itself; the time until it has ended is that of whoever waits.
        let start = Instant::now();
        let Self { upload, encoder, input, workspace, preprocessors, descriptors, light, .. } = self;
        let size = frame.upright_size();
        let frame = match frame {
            AnyFrame::Host(frame) => upload.copy(frame)?,
            AnyFrame::Device(frame) => *frame,
        };
        times.add("preprocess", start.elapsed());
        let tiles = preprocessors.iter_mut().zip(descriptors).enumerate();
        for (tile, (preprocessors, descriptors)) in tiles.filter(|(tile, _)| !is_left_out(seen, *tile)) {
            let start = Instant::now();
            for_inputs(&mut *input, preprocessors, |preprocessor, own| preprocessor.run_there(&frame, own))?;
            times.add("preprocess", start.elapsed());
            let (preprocessors, light) = (&mut preprocessors[..], light.as_mut());
            let ahead = Ahead {
                tile,
                seen,
                encoder,
                preprocessors,
                size,
                input,
                light,
                workspace,
                scales,
                descriptors,
                is_learned,
            };
            then(ahead, times)?;
        }
        Ok(())
    }
}

/// Features of a tile, which is one that a bank was made of.
fn of_tile(features: Features<'_>, tile: usize, is_learned: bool) -> Features<'_> {
    if is_learned { features.of_tile(tile) } else { features }
}

/// Works on the input of each preprocessor of a tile; they lie behind each other.
fn for_inputs<'a>(
    input: impl Into<BufferViewMut<'a>>,
    preprocessors: &mut [Preprocessor],
    mut work: impl FnMut(&mut Preprocessor, BufferViewMut<'_>) -> snarm_kernels::Result<()>,
) -> Result<()> {
    let (mut input, mut at) = (input.into(), 0);
    let found = input.len();
    for preprocessor in preprocessors {
        let own = at..at + preprocessor.spec().output_len();
        at = own.end;
        let Some(own) = input.reborrow().part(own) else {
            let expected = format!("room for {at} values");
            return Err(Error::Values { what: "encoder input", expected, found: found.to_string() });
        };
        work(preprocessor, own)?;
    }
    Ok(())
}

/// What a preprocessor makes of frames of a width and height, and where it shows them.
fn shown(preprocessor: &Preprocessor, (width, height): (usize, usize)) -> (&PreprocessSpec, PixelRect) {
    let spec = preprocessor.spec();
    (spec, spec.placement(width, height).inner)
}

/// Before the first frame.
const NO_FRAME: (usize, usize) = (0, 0);

/// A pixel, less what rounding takes of it.
const PIXEL: f64 = 1.0 - 1e-6;

/// Numbers for each pixel of the map of tiles: raw and rated scores, room to smooth, to turn and to sum them.
const MAPS: usize = 8;

/// Whether so much of a tile is ignored that it is left out.
fn is_left_out(seen: &Seen, tile: usize) -> bool {
    seen.ignored.as_ref().is_some_and(|ignored| ignored.of_tile(tile).is_none())
}

/// All of an input of `size`.
fn whole(size: Grid) -> PixelRect {
    PixelRect { x: 0, y: 0, width: size.columns, height: size.rows }
}

fn of(fractions: Fractions) -> Rect {
    let Fractions { x, y, w, h } = fractions;
    Rect { x, y, w, h }
}

/// Part of a frame that an input of `size` covers.
fn map_rect(placement: Placement, size: Grid) -> Rect {
    let Placement { inner, source } = placement;
    let span = |start: f64, length: f64, first: usize, n: usize, side: usize| {
        (start - length * (first as f64 / n as f64), length * (side as f64 / n as f64))
    };
    let (x, w) = span(source.x, source.w, inner.x, inner.width, size.columns);
    let (y, h) = span(source.y, source.h, inner.y, inner.height, size.rows);
    Rect { x, y, w, h }
}

/// Checks that an input can show frames by a view.
fn check(view: &View, geometry: &Geometry) -> Result<()> {
    let roi = view.roi.unwrap_or(Rect::WHOLE);
    if !roi.is_inside_frame() {
        let expected = "a part of the frame that is not empty".to_owned();
        return Err(Error::Setting { name: "roi", expected, found: roi.to_string() });
    }
    if let (Crop::Paper, false) = (view.crop, view.tiles.is_none()) {
        // It leaves out the borders of tiles, too.
        let expected = "paper only without tiles".to_owned();
        return Err(Error::Setting { name: "crop", expected, found: format!("paper with {}", view.tiles) });
    }
    if let Tiles::Grid(_) = view.tiles {
        view.tiles.grid(1, 1, 1)?;
    }
    fit(view.crop, geometry.size).map(|_| ())
}

/// How frames are placed in an input of `size`.
fn fit(crop: Crop, size: Grid) -> Result<Fit> {
    match crop {
        Crop::Auto | Crop::Aspect | Crop::Full => Ok(Fit::Full),
        Crop::Letterbox => Ok(Fit::Letterbox),
        Crop::Paper if size.rows == size.columns => Ok(Fit::paper(size.rows)),
        Crop::Paper => {
            let expected = "paper only with a bank that was made of squares".to_owned();
            let found = format!("paper with a bank of {size} pixels");
            Err(Error::Setting { name: "crop", expected, found })
        }
    }
}

/// What a preprocessor has to do for a region of frames.
fn spec(geometry: &Geometry, view: &View, region: Fractions) -> Result<PreprocessSpec> {
    let fit = fit(view.crop, geometry.size)?;
    Ok(PreprocessSpec { size: geometry.size, fit, region, mean: geometry.mean, std: geometry.std })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_covers_what_the_square_shows_and_the_bars_of_a_letterbox() {
        let covered = |fit| {
            let size = Grid::square(392);
            map_rect(PreprocessSpec::imagenet(size, fit).placement(160, 80), size)
        };
        assert_eq!(covered(Fit::Full), Rect::WHOLE);
        assert_eq!(covered(Fit::Letterbox), Rect { x: 0.0, y: -0.5, w: 1.0, h: 2.0 });
        assert_eq!(covered(Fit::paper(392)).x, 1.0 / 16.0);
    }
}
