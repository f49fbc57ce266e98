//! From a frame to descriptors: preprocess and encode, with the scratch of one stream.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::Grid;
use snarm_kernels::device::{self, Buffer, Place};
use snarm_kernels::frame::{Frame, Upload};
use snarm_kernels::preprocess::{Fit, PixelRect, Placement, PreprocessSpec, Preprocessor, Rect as Fractions};
use snarm_kernels::scale_columns::scale_columns;

use super::times::StageTimes;
use crate::encoder::{Encoder, Features, Geometry, Workspace};
use crate::error::{Error, Result};
use crate::memory;
use crate::view::{Crop, Ignored, Rect, View};

/// Turns frames into descriptors.
pub(crate) struct Extractor {
    /// The encoder as it was given: while somebody holds it, others are given the same.
    shared: Arc<Encoder>,
    /// The same in the aspect of the frames, where that is no square.
    shaped: Option<Arc<Encoder>>,
    /// The aspect of the frames that the encoder's input has; nothing before the first frame where that decides it.
    aspect: Option<f64>,
    /// For each input of the encoder.
    preprocessors: Vec<Preprocessor>,
    input: Vec<f32>,
    /// What each column of the descriptors is multiplied by; empty is nothing.
    factors: Vec<f32>,
    workspace: Workspace,
    view: View,
    placement: Placement,
    /// What the view ignores of a frame of this placement.
    ignored: Option<Arc<Ignored>>,
    /// Features of the last frame: all levels, the descriptors (rows * columns, width) first, unless a device has them.
    pub(crate) descriptors: Vec<f32>,
    there: Option<There>,
}

/// What encodes in the memory of a device.
struct There {
    upload: Upload,
    preprocessor: Preprocessor,
    encoder: Encoder,
    workspace: Workspace,
    input: Buffer,
    descriptors: Buffer,
}

impl Extractor {
    /// For frames of that aspect, width / height, where the view keeps it. Without an aspect the first frame decides.
    pub(crate) fn new(encoder: Arc<Encoder>, view: View, aspect: Option<f64>) -> Result<Self> {
        let aspect = if view.crop.follows_frames() { aspect } else { Some(1.0) };
        let shaped = match aspect {
            Some(aspect) if aspect != 1.0 => Some(Arc::new(encoder.of_aspect(aspect))),
            _ => None,
        };
        let shared = encoder;
        let encoder = shaped.as_ref().unwrap_or(&shared);
        let preprocessors = preprocessors(encoder, &view)?;
        // Matching and scoring take about as much again.
        memory::check("a frame", 2 * encoder.workspace_bytes())?;
        Ok(Self {
            input: input(&preprocessors),
            preprocessors,
            factors: Vec::new(),
            workspace: Workspace::default(),
            view,
            placement: NOWHERE,
            ignored: None,
            descriptors: Vec::new(),
            there: None,
            aspect,
            shaped,
            shared,
        })
    }

    /// The aspect, width / height, that frames have in the encoder's input, where the view keeps it and it is known.
    pub(crate) fn aspect(&self) -> Option<f64> {
        self.aspect.filter(|_| self.view.crop.follows_frames())
    }

    /// Encodes in the memory of a device from now on.
    ///
    /// # Errors
    /// When the encoder is of a kind that does not run there, or the device lacks the memory.
    pub(crate) fn move_to(&mut self, place: &Place) -> Result<()> {
        self.there = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(There {
                upload: Upload::new(place)?,
                preprocessor: Preprocessor::new(*self.preprocessors[0].spec())?,
                encoder: self.encoder().at(place)?,
                workspace: Workspace::default(),
                input: Buffer::new(place, self.input.len())?,
                descriptors: Buffer::new(place, 0)?,
            }),
        };
        Ok(())
    }

    /// What encodes.
    pub(crate) fn place(&self) -> Place {
        self.there.as_ref().map_or(Place::Host, |there| there.input.place())
    }

    /// Fills `descriptors` from a frame. Runs on the compute pool.
    pub(crate) fn run(&mut self, frame: &Frame<'_>, times: &mut StageTimes) -> Result<()> {
        let (width, height) = frame.upright_size();
        if self.aspect.is_none() {
            self.shape(width, height)?;
        }
        self.place_in(width, height)?;
        if let Some(there) = &mut self.there {
            return there.run(frame, &self.factors, times);
        }
        snarm_kernels::threads::install(|| {
            let start = Instant::now();
            let mut input = &mut self.input[..];
            for preprocessor in &mut self.preprocessors {
                let (own, more) = std::mem::take(&mut input).split_at_mut(preprocessor.spec().output_len());
                preprocessor.run(frame, own)?;
                input = more;
            }
            times.add("preprocess", start.elapsed());

            let start = Instant::now();
            let encoder = self.shaped.as_ref().unwrap_or(&self.shared);
            encoder.encode(&self.input, &mut self.workspace, &mut self.descriptors)?;
            if !self.factors.is_empty() {
                scale_columns(&mut self.descriptors, &self.factors)?;
            }
            times.add("encode", start.elapsed());
            Ok(())
        })?
    }

    /// What the encoder saw in the last frame.
    pub(crate) fn features(&self) -> Result<Features<'_>> {
        let host = device::BufferView::Host(&self.descriptors);
        let seen = self.there.as_ref().map_or(host, |there| there.descriptors.view());
        Features::new(self.encoder().geometry(), seen)
    }

    /// Multiplies the groups of channels of the descriptors by these scales from now on, one a group; without any they stay
    /// as the encoder gives them.
    pub(crate) fn set_scales(&mut self, scales: &[f32]) {
        // One group keeps its length; several have one encoder each, and do not run on a device.
        self.factors = of_columns(&self.encoder().groups(), scales);
    }

    /// Looks at another part of the frames from now on.
    pub(crate) fn set_view(&mut self, view: View) -> Result<()> {
        if view != self.view {
            self.preprocessors = preprocessors(self.encoder(), &view)?;
            if let Some(there) = &mut self.there {
                there.preprocessor = Preprocessor::new(*self.preprocessors[0].spec())?;
            }
            (self.view, self.placement, self.ignored) = (view, NOWHERE, None);
        }
        Ok(())
    }

    /// Gives the encoder's input the aspect of what is seen of the first frame.
    fn shape(&mut self, width: usize, height: usize) -> Result<()> {
        let roi = self.view.roi.unwrap_or(Rect::WHOLE);
        let aspect = self.view.crop.aspect_of((roi.w * width as f64) / (roi.h * height as f64));
        self.aspect = Some(aspect);
        if aspect == 1.0 {
            return Ok(());
        }
        self.shaped = Some(Arc::new(self.shared.of_aspect(aspect)));
        self.preprocessors = preprocessors(self.encoder(), &self.view)?;
        self.input = input(&self.preprocessors);
        Ok(())
    }

    /// Finds out where the upright picture lies and what of it is ignored, when frames of another size come.
    fn place_in(&mut self, width: usize, height: usize) -> Result<()> {
        let placement = self.preprocessors[0].spec().placement(width, height);
        if placement != self.placement {
            let (grid, size) = (self.encoder().geometry().grid(), self.encoder().geometry().size);
            let rect = map_rect(placement, size);
            self.ignored = match &self.view.ignore {
                Some(mask) => Ignored::new(mask, rect, grid, size)?.map(Arc::new),
                None => None,
            };
            self.placement = placement;
        }
        Ok(())
    }

    /// The part of the frames that is looked at.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// What of the last frame is ignored.
    pub(crate) fn ignored(&self) -> Option<&Arc<Ignored>> {
        self.ignored.as_ref()
    }

    /// Part of the last frame that the network saw.
    pub(crate) fn seen(&self) -> Rect {
        let Fractions { x, y, w, h } = self.placement.source;
        Rect { x, y, w, h }
    }

    /// The encoder in the aspect of the frames.
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

    /// Part of the network's input that showed the last frame, in pixels.
    pub(crate) fn visible(&self) -> PixelRect {
        self.placement.inner
    }

    /// Part of the last frame that the network's input covers; with a letterbox it reaches beyond the frame.
    pub(crate) fn map_rect(&self) -> Rect {
        map_rect(self.placement, self.encoder().geometry().size)
    }
}

impl There {
    fn run(&mut self, frame: &Frame<'_>, factors: &[f32], times: &mut StageTimes) -> Result<()> {
        if let Some(factor) = factors.iter().find(|factor| **factor != 1.0) {
            let expected = "descriptors that keep their length, as on a device".to_owned();
            return Err(Error::Mismatch {
                what: "encoder",
                expected,
                found: format!("a factor of {factor}"),
            });
        }
        // What is launched goes on by itself; the time until it has ended is that of the matching, which waits.
        let start = Instant::now();
        self.preprocessor.run_there(&self.upload.copy(frame)?, &mut self.input)?;
        times.add("preprocess", start.elapsed());
        let start = Instant::now();
        self.encoder.encode_there(&self.input, &mut self.workspace, &mut self.descriptors)?;
        times.add("encode", start.elapsed());
        Ok(())
    }
}

/// Before the first frame.
const NOWHERE: Placement =
    Placement { inner: PixelRect { x: 0, y: 0, width: 0, height: 0 }, source: Fractions::WHOLE };

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

/// The scale of each column, from those of groups of columns; none where there are no scales.
pub(crate) fn of_columns(groups: &[usize], scales: &[f32]) -> Vec<f32> {
    groups.iter().zip(scales).flat_map(|(width, scale)| std::iter::repeat_n(*scale, *width)).collect()
}

/// What brings frames to each input of an encoder.
fn preprocessors(encoder: &Encoder, view: &View) -> Result<Vec<Preprocessor>> {
    encoder.inputs().map(|input| Ok(Preprocessor::new(spec(input, view)?)?)).collect()
}

/// Room for what they make of a frame.
fn input(preprocessors: &[Preprocessor]) -> Vec<f32> {
    vec![0.0; preprocessors.iter().map(|preprocessor| preprocessor.spec().output_len()).sum()]
}

/// What a preprocessor has to do for a view.
fn spec(geometry: &Geometry, view: &View) -> Result<PreprocessSpec> {
    let fit = match view.crop {
        Crop::Auto | Crop::Aspect | Crop::Full => Fit::Full,
        Crop::Letterbox => Fit::Letterbox,
        Crop::Paper if geometry.size.rows == geometry.size.columns => Fit::paper(geometry.size.rows),
        Crop::Paper => {
            let expected = "paper only with a bank that was made of squares".to_owned();
            let found = format!("paper with a bank of {} pixels", geometry.size);
            return Err(Error::Setting { name: "crop", expected, found });
        }
    };
    let roi = view.roi.unwrap_or(Rect::WHOLE);
    if !roi.is_inside_frame() {
        let expected = "a part of the frame that is not empty".to_owned();
        return Err(Error::Setting { name: "roi", expected, found: roi.to_string() });
    }
    let region = Fractions { x: roi.x, y: roi.y, w: roi.w, h: roi.h };
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
