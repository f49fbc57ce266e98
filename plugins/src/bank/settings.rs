//! What the user asks of the element.

use std::path::PathBuf;

use snarm_core::Error;
use snarm_core::bank::BankSettings;
use snarm_core::view::View;

use super::{Crop, Place, Reduction, Views};
use crate::cuda::Device;
use crate::precision::Products;
use crate::view;

/// The properties that can be set.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) location: Option<PathBuf>,
    /// A name, or a path of any bytes; see [`snarm_core::paths::name`].
    pub(super) encoder: Option<PathBuf>,
    /// As the encoder.
    pub(super) model_location: Option<PathBuf>,
    pub(super) device: Device,
    pub(super) cuda_device_id: i32,
    pub(super) precision: Products,
    pub(super) append: bool,
    pub(super) bank_capacity: u32,
    pub(super) reduction: Reduction,
    pub(super) max_frames: u32,
    pub(super) interval: u32,
    pub(super) min_novelty: f64,
    pub(super) learning: bool,
    pub(super) checkpoint_frames: u32,
    pub(super) leave_out_odd_frames: bool,
    pub(super) views: Views,
    pub(super) place: Place,
    pub(super) calibration_fraction: f64,
    pub(super) crop: Crop,
    pub(super) roi: Option<String>,
    pub(super) ignore_mask: Option<PathBuf>,
    pub(super) tiles: Option<String>,
    pub(super) tile_overlap: f64,
    pub(super) min_defect: f64,
    pub(super) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: None,
            encoder: None,
            model_location: None,
            device: Device::default(),
            cuda_device_id: -1,
            precision: Products::default(),
            append: false,
            bank_capacity: 10_000,
            reduction: Reduction::default(),
            max_frames: 0,
            interval: 1,
            min_novelty: 0.0,
            learning: true,
            checkpoint_frames: 0,
            leave_out_odd_frames: false,
            views: Views::default(),
            place: Place::default(),
            calibration_fraction: 0.2,
            crop: Crop::default(),
            roi: None,
            ignore_mask: None,
            tiles: None,
            tile_overlap: view::NO_OVERLAP,
            min_defect: 0.0,
            seed: 0,
        }
    }
}

impl Settings {
    /// The part of the frames, as they are stored, that is to be learned.
    pub(super) fn view(&self) -> Result<View, Error> {
        let tiles = view::tiles(self.tiles.as_deref(), self.tile_overlap, self.min_defect)?;
        view::view(self.crop.into(), self.roi.as_deref(), self.ignore_mask.as_deref(), tiles)
    }

    /// The core's part of the settings.
    pub(super) fn bank(&self) -> Result<BankSettings, Error> {
        Ok(BankSettings {
            capacity: self.bank_capacity as usize,
            reduction: self.reduction.into(),
            calibration_fraction: self.calibration_fraction,
            view: self.view()?,
            min_novelty: self.min_novelty,
            leave_out_odd: self.leave_out_odd_frames,
            views: self.views.into(),
            placing: self.place.into(),
            seed: self.seed,
        })
    }
}
