//! A decoder that reconstructs as a family of models.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::Grid;

use super::compare::Comparison;
use super::{Reconstruction, Shape, Workspace};
use crate::bank::{Calibration, Memory};
use crate::detect::{ImageScore, StageTimes};
use crate::encoder::{Encoder, Features, Geometry};
use crate::error::{Error, Result};
use crate::models::family::{Model, Provenance, Trained};

impl Trained for Reconstruction {
    fn family(&self) -> &'static str {
        self.kind.family
    }

    fn summary(&self) -> String {
        let Shape { levels: [fine, middle, coarse], fused, states, directions, curve, .. } = &self.shape;
        let quarters = if self.kind.quarters { ", of quarters as well" } else { "" };
        format!(
            "levels of features {fine}, {middle} and {coarse} wide, {fused} fused; scans in {directions} directions along \
             {curve:?}{quarters}, {states} states; {:.2} million parameters",
            self.parameters as f64 / 1e6
        )
    }

    fn digest(&self) -> &str {
        &self.scorer[self.kind.family.len() + 1..]
    }

    fn content(&self) -> &str {
        &self.content
    }

    fn scorer(&self) -> &str {
        &self.scorer
    }

    fn provenance(&self) -> Option<&Provenance> {
        self.about.as_ref().map(|about| &about.provenance)
    }

    fn calibration(&self) -> Option<&Calibration> {
        self.about.as_ref()?.calibration.as_ref()
    }

    fn needs_memory(&self) -> bool {
        false
    }

    fn encoder(&self) -> Option<&str> {
        self.own_encoder.as_deref().or(self.about.as_ref().map(|about| about.encoder.as_str()))
    }

    fn encoder_digest(&self) -> Option<&str> {
        let about = self.about.as_ref().filter(|about| !about.encoder_is_inside());
        about.map(|about| about.encoder_digest.as_str())
    }

    fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        let (digest, name) = match self.about.as_ref().filter(|about| !about.encoder_is_inside()) {
            Some(about) => (&about.encoder_digest, &about.encoder),
            // The network in a file is known by the file.
            None => (&self.content, &self.content),
        };
        let widths: Vec<usize> = encoder.geometry().levels().iter().map(|level| level.width).collect();
        if digest == encoder.digest() && widths == self.shape.levels {
            return Ok(());
        }
        let expected = format!("the weights {digest} ({name}), levels {:?} wide", self.shape.levels);
        let found = format!("{} ({}), {widths:?}", encoder.digest(), encoder.name());
        Err(Error::Mismatch { what: "encoder of the decoder", expected, found })
    }

    fn model(self: Arc<Self>, geometry: &Geometry) -> Result<Box<dyn Model>> {
        let workspace = Workspace::new(self.kind, &self.shape, geometry)?;
        let comparison = Comparison::new(self.shape.levels, workspace.grids(), geometry.size);
        Ok(Box::new(Running { trained: self, workspace, comparison, size: geometry.size }))
    }
}

/// The decoder of one stream.
struct Running {
    trained: Arc<Reconstruction>,
    workspace: Workspace,
    comparison: Comparison,
    size: Grid,
}

impl Model for Running {
    fn scorer(&self) -> &str {
        &self.trained.scorer
    }

    fn map_size(&self) -> Grid {
        self.size
    }

    fn image_score(&self) -> ImageScore {
        ImageScore::Peak
    }

    fn score(
        &mut self,
        features: &Features<'_>,
        _: Option<&Memory>,
        _: Option<u32>,
        _: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        let family = self.trained.kind.family;
        let level = |number: usize| match features.level(number) {
            Some((_, values)) => Ok(values.host(family)?),
            None => {
                let expected = "three levels of features".to_owned();
                Err(Error::Values { what: family, expected, found: number.to_string() })
            }
        };
        let levels = [level(0)?, level(1)?, level(2)?];
        let start = Instant::now();
        self.trained.fuse(levels, &mut self.workspace)?;
        times.add("fuse", start.elapsed());
        let start = Instant::now();
        self.trained.decoder.run(&mut self.workspace, &mut |_, _| {})?;
        times.add("reconstruct", start.elapsed());
        let start = Instant::now();
        let map = self.comparison.run(levels, self.workspace.reconstructed())?;
        times.add("compare", start.elapsed());
        Ok(map)
    }
}
