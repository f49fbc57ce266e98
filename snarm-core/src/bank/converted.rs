//! Banks of descriptors that another program collected and thinned.

use std::sync::Arc;

use snarm_kernels::nearest::{Labels, Workspace, nearest};

use super::calibration::LEAST;
use super::{Bank, BankBuilder, BankSettings, Calibration, Memory};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::snarm::TRAINING_FREE;

/// Descriptors whose distance to others is measured.
const PROBES: usize = 1000;

/// Neighbours that the distance is taken to, as the score does.
const NEIGHBOURS: usize = 3;

impl Bank {
    /// A bank of descriptors of `encoder`, and the image that each was taken from.
    ///
    /// No good frame was scored against it. Until that is made up for (by learning a few more), the scale is taken from the
    /// descriptors themselves: a thinned bank covers what is normal as densely as its descriptors lie apart, so 0.5 is the
    /// median of their distances.
    ///
    /// # Errors
    /// When the descriptors are not whole rows of the encoder's width, one for each image number, or there are too few to
    /// lie apart.
    pub fn of_descriptors(
        encoder: Arc<Encoder>,
        settings: BankSettings,
        features: Vec<f32>,
        images: Vec<u32>,
    ) -> Result<Self> {
        let width = encoder.geometry().width();
        if images.len() <= NEIGHBOURS || features.len() != images.len() * width {
            let expected =
                format!("more than {NEIGHBOURS} descriptors of width {width}, and an image for each");
            let found = format!("{} values and {} images", features.len(), images.len());
            return Err(Error::Values { what: "bank", expected, found });
        }
        let frames = images.iter().collect::<std::collections::HashSet<_>>().len();
        let header = BankBuilder::new(encoder, settings)?.header();
        let memory = Memory::new(features, images)?;
        let reference = snarm_kernels::threads::install(|| spacing(&memory))??.max(LEAST);
        let calibration = Calibration::assumed(TRAINING_FREE, reference);
        let sketches = super::Sketches::default();
        Ok(Self::new(
            super::Header { frames, ..header },
            vec![calibration],
            None,
            Some(memory),
            sketches,
            None,
        ))
    }
}

/// Median distance of descriptors to the nearest others.
fn spacing(memory: &Memory) -> Result<f64> {
    let (n, d) = (memory.vectors(), memory.width());
    let all: Vec<u32> = (0..n as u32).collect();
    let probes: Vec<u32> = all.iter().copied().step_by(n.div_ceil(PROBES)).collect();
    let rows = memory.rows();
    let queries: Vec<f32> =
        probes.iter().flat_map(|probe| &rows.data[*probe as usize * d..][..d]).copied().collect();
    let others = Labels { queries: (&probes).into(), rows: (&all).into() }.into();
    let mut indices = vec![0; probes.len() * NEIGHBOURS];
    let mut squares = vec![0.0; indices.len()];
    nearest(&queries, d, rows, others, NEIGHBOURS, &mut Workspace::default(), &mut indices, &mut squares)?;
    let mean = |three: &[f32; NEIGHBOURS]| {
        three.iter().map(|s| f64::from(s.sqrt())).sum::<f64>() / NEIGHBOURS as f64
    };
    let mut distances: Vec<f64> = squares.as_chunks::<NEIGHBOURS>().0.iter().map(mean).collect();
    distances.sort_by(f64::total_cmp);
    Ok(distances[distances.len() / 2])
}
