//! SNARM as a family of models.

use std::sync::Arc;
use std::time::Duration;

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};

use super::Snarm;
use super::decoder::{FAMILY, SnarmDecoder};
use crate::bank::{Calibration, Memory};
use crate::detect::StageTimes;
use crate::encoder::{Encoder, Features, Geometry};
use crate::error::Result;
use crate::models::family::{Model, Provenance, Trained};

impl Trained for SnarmDecoder {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn summary(&self) -> String {
        let shape = self.shape();
        let sizes = format!(
            "descriptors {} wide, {} channels, {} branches",
            shape.width, shape.channels, shape.branches
        );
        match self.about() {
            Some(about) => {
                format!("{sizes}; {} pixels and a grid of {side} x {side}", about.side, side = about.grid)
            }
            None => sizes,
        }
    }

    fn digest(&self) -> &str {
        self.digest()
    }

    fn content(&self) -> &str {
        self.content()
    }

    fn scorer(&self) -> &str {
        self.scorer()
    }

    fn provenance(&self) -> Option<&Provenance> {
        self.about().map(|about| &about.provenance)
    }

    fn calibration(&self) -> Option<&Calibration> {
        self.calibration()
    }

    fn needs_memory(&self) -> bool {
        true
    }

    fn encoder(&self) -> Option<&str> {
        self.about().map(|about| about.encoder.as_str())
    }

    fn encoder_digest(&self) -> Option<&str> {
        self.about().map(|about| about.encoder_digest.as_str())
    }

    fn check_encoder(&self, encoder: &Encoder) -> Result<()> {
        self.check_encoder(encoder)
    }

    fn model(self: Arc<Self>, geometry: &Geometry) -> Result<Box<dyn Model>> {
        Ok(Box::new(Snarm::with_decoder(self, geometry.grid(), geometry.width(), geometry.size)?))
    }
}

impl Model for Snarm {
    fn scorer(&self) -> &str {
        self.scorer()
    }

    fn map_size(&self) -> Grid {
        self.map_size()
    }

    fn move_to(&mut self, place: &Place, memory: Option<&Memory>) -> Result<()> {
        self.move_to(place, memory)
    }

    fn score(
        &mut self,
        features: &Features<'_>,
        memory: Option<&Memory>,
        unlike: Option<u32>,
        ignored: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        self.score(features, memory, unlike, ignored, times)
    }

    fn score_there(
        &mut self,
        features: &Features<'_>,
        memory: Option<&Memory>,
        ignored: &[bool],
    ) -> Result<&Buffer> {
        self.score_there(features, memory, ignored)
    }

    fn parts(&self) -> Vec<(&'static str, Duration)> {
        self.decoder_times().map(|times| times.parts().to_vec()).unwrap_or_default()
    }
}
