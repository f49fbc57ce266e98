//! A decoder that reconstructs as a family of models.

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};

use super::compare::Comparison;
use super::{Net, Reconstruction, Shape, Workspace};
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
        Ok(Box::new(Running::at(&Place::Host, self, None, geometry)?))
    }
}

/// The decoder of one stream.
struct Running {
    trained: Arc<Reconstruction>,
    /// Its weights in the memory of a device, where it runs there.
    there: Option<Net>,
    workspace: Workspace,
    comparison: Comparison,
    geometry: Geometry,
}

impl Running {
    fn at(
        place: &Place,
        trained: Arc<Reconstruction>,
        there: Option<Net>,
        geometry: &Geometry,
    ) -> Result<Self> {
        let workspace = Workspace::at(place, trained.kind, &trained.shape, geometry)?;
        let comparison = Comparison::at(place, trained.shape.levels, workspace.grids(), geometry.size)?;
        Ok(Self { trained, there, workspace, comparison, geometry: geometry.clone() })
    }

    /// The map of raw scores of features, where they live. Each stage adds the time until it has been asked for to `times`.
    fn run(&mut self, features: &Features<'_>, times: &mut StageTimes) -> Result<&Buffer> {
        let level = |number: usize| match features.level(number) {
            Some((_, values)) => Ok(values),
            None => {
                let expected = "three levels of features".to_owned();
                let (what, found) = (self.trained.kind.family, number.to_string());
                Err(Error::Values { what, expected, found })
            }
        };
        let levels = [level(0)?, level(1)?, level(2)?];
        let net = self.there.as_ref().unwrap_or(&self.trained.net);
        let start = Instant::now();
        net.fuse(levels, &mut self.workspace)?;
        times.add("fuse", start.elapsed());
        let start = Instant::now();
        net.decoder.run(&mut self.workspace, &mut |_, _| {})?;
        times.add("reconstruct", start.elapsed());
        let start = Instant::now();
        let map = self.comparison.run(levels, self.workspace.reconstructed())?;
        times.add("compare", start.elapsed());
        Ok(map)
    }
}

impl Model for Running {
    fn scorer(&self) -> &str {
        &self.trained.scorer
    }

    fn map_size(&self) -> Grid {
        self.geometry.size
    }

    fn image_score(&self) -> ImageScore {
        ImageScore::Peak
    }

    fn move_to(&mut self, place: &Place, _: Option<&Memory>) -> Result<()> {
        let there = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(self.trained.net.at(place)?),
        };
        *self = Self::at(place, Arc::clone(&self.trained), there, &self.geometry)?;
        Ok(())
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
        Ok(self.run(features, times)?.view().host(family)?)
    }

    fn score_there(&mut self, features: &Features<'_>, _: Option<&Memory>, _: &[bool]) -> Result<&Buffer> {
        self.run(features, &mut StageTimes::default())
    }
}
