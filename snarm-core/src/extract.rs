//! From a frame to descriptors: import and encode, with the scratch of one stream.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::frame::Frame;
use snarm_kernels::import::{Fit, ImportSpec, Importer, Placement, Rect as Pixels, Region};

use crate::detector::StageTimes;
use crate::encoder::{Encoder, Workspace};
use crate::error::Result;
use crate::geometry::{Crop, Rect};

/// Turns frames into descriptors.
pub(crate) struct Extractor {
    encoder: Arc<Encoder>,
    importer: Importer,
    input: Vec<f32>,
    workspace: Workspace,
    placement: Placement,
    /// Descriptors of the last frame, (grid * grid, width).
    pub(crate) descriptors: Vec<f32>,
}

impl Extractor {
    pub(crate) fn new(encoder: Arc<Encoder>, crop: Crop) -> Result<Self> {
        let config = encoder.config();
        let fit = match crop {
            Crop::Full => Fit::Full,
            Crop::Letterbox => Fit::Letterbox,
            Crop::Paper => Fit::paper(config.side),
        };
        let (side, mean, std) = (config.side, config.mean, config.std);
        let spec = ImportSpec { side, fit, region: Region::WHOLE, mean, std };
        Ok(Self {
            importer: Importer::new(spec)?,
            input: vec![0.0; spec.output_len()],
            workspace: Workspace::default(),
            placement: spec.placement(1, 1),
            descriptors: Vec::new(),
            encoder,
        })
    }

    /// Fills `descriptors` from a frame. Runs on the compute pool.
    pub(crate) fn run(&mut self, frame: &Frame<'_>, times: &mut StageTimes) -> Result<()> {
        self.placement = self.importer.spec().placement(frame.width(), frame.height());
        snarm_kernels::threads::install(|| {
            let start = Instant::now();
            self.importer.run(frame, &mut self.input)?;
            times.preprocess = start.elapsed();

            let start = Instant::now();
            self.encoder.encode(&self.input, &mut self.workspace, &mut self.descriptors)?;
            times.encode = start.elapsed();
            Ok(())
        })?
    }

    pub(crate) fn encoder(&self) -> &Arc<Encoder> {
        &self.encoder
    }

    /// Width of a descriptor.
    pub(crate) fn width(&self) -> usize {
        self.encoder.config().width
    }

    /// Part of the network's square that showed the last frame, in pixels.
    pub(crate) fn visible(&self) -> Pixels {
        self.placement.inner
    }

    /// Part of the last frame that the network's square covers; with a letterbox it reaches beyond the frame.
    pub(crate) fn map_rect(&self) -> Rect {
        let Placement { inner, source } = self.placement;
        let side = self.encoder.config().side as f64;
        let (sx, sy) = (source.w / inner.width as f64, source.h / inner.height as f64);
        Rect {
            x: source.x - inner.x as f64 * sx,
            y: source.y - inner.y as f64 * sy,
            w: side * sx,
            h: side * sy,
        }
    }
}
