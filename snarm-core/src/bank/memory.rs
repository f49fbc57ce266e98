//! The descriptors of a bank, and how far good pieces usually lie from each other.

use std::collections::HashSet;
use std::sync::Arc;

use snarm_kernels::nearest::{Codes, Filter, Rows, nearest_by_codes, squared_norms};

use super::calibration::Calibration;
use super::places::Places;
use crate::error::Result;

/// Good frames are never taken to lie nearer to each other than this part of the length of a descriptor: where they are
/// copies of each other, any noise would be a defect.
const CALM: f32 = 0.05;

/// The descriptors of a bank.
#[derive(Debug)]
pub struct Memory {
    width: usize,
    features: Vec<f32>,
    norms: Vec<f32>,
    codes: Arc<Codes>,
    images: Vec<u32>,
    level: Option<f32>,
    /// Where they count; nothing where that is everywhere.
    places: Option<Places>,
}

impl Memory {
    /// `images.len()` descriptors and the image each was taken from.
    pub(super) fn new(features: Vec<f32>, images: Vec<u32>) -> Result<Self> {
        let width = features.len() / images.len().max(1);
        let mut norms = vec![0.0; images.len()];
        let codes = snarm_kernels::threads::install(|| {
            squared_norms(&features, width, &mut norms)?;
            Codes::of(&features, width)
        })??;
        Ok(Self { width, features, norms, codes: Arc::new(codes), images, level: None, places: None })
    }

    /// The same descriptors, told apart by other numbers of images.
    pub(crate) fn with_images(&self, images: Vec<u32>) -> Self {
        let (features, norms, codes) = (self.features.clone(), self.norms.clone(), Arc::clone(&self.codes));
        let Self { width, level, .. } = *self;
        Self { width, features, norms, codes, images, level, places: self.places.clone() }
    }

    /// With other places.
    pub(super) fn with_places(self, places: Option<Places>) -> Self {
        Self { places, ..self }
    }

    /// Replaces the places.
    pub(super) fn set_places(&mut self, places: Option<Places>) {
        self.places = places;
    }

    /// The descriptors of all other images than these.
    pub(super) fn without(&self, images: &HashSet<u32>) -> Result<Self> {
        let rows = self.features.chunks_exact(self.width.max(1)).zip(&self.images);
        let kept: Vec<(&[f32], u32)> =
            rows.filter(|(_, image)| !images.contains(image)).map(|(row, image)| (row, *image)).collect();
        let features = kept.iter().flat_map(|(row, _)| row.iter().copied()).collect();
        let memory = Self::new(features, kept.iter().map(|(_, image)| *image).collect())?;
        let stays = |row: usize| !images.contains(&self.images[row]);
        Ok(memory.with_places(self.places.as_ref().and_then(|places| places.only(stays))))
    }

    /// Tells the descriptors apart by other numbers, one for each.
    pub(super) fn set_images(&mut self, images: &[u32]) {
        self.images.copy_from_slice(images);
    }

    /// The same descriptors, with the raw score that good frames usually have by the calibration without a decoder.
    pub(super) fn with_level_of(self, calibration: &Calibration) -> Self {
        let level = calibration.usual().map(|raw| raw as f32);
        let squares: f64 = self.norms.iter().map(|square| f64::from(*square)).sum();
        let length = (squares / self.norms.len().max(1) as f64).sqrt() as f32;
        let level = level.map(|level| level.max(CALM * length));
        Self { level: level.filter(|level| level.is_normal()), ..self }
    }

    /// Number of descriptors.
    pub fn vectors(&self) -> usize {
        self.images.len()
    }

    /// Width of a descriptor.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The descriptors.
    pub fn rows(&self) -> Rows<&[f32]> {
        Rows { data: &self.features, norms: &self.norms }
    }

    /// Where in the frame each descriptor counts; nothing where that is everywhere.
    pub fn places(&self) -> Option<&Places> {
        self.places.as_ref()
    }

    /// What is known of places here, brought to the descriptors of the bank that goes on with this one: each is the nearest to itself,
    /// or to what stands for it now. Words as those of the places here; none where nothing is known.
    pub(super) fn seen_by(&self, now: &Self) -> Result<Vec<u32>> {
        let Some(places) = &self.places else { return Ok(Vec::new()) };
        let mut indices = vec![0; self.vectors()];
        let mut squares = vec![0.0; self.vectors()];
        let (all, mut workspace) = (Filter::default(), Default::default());
        let (i, s) = (&mut indices, &mut squares);
        snarm_kernels::threads::install(|| {
            nearest_by_codes(&self.features, now.codes(), now.rows(), all, 1, &mut workspace, i, s)
        })??;
        let words = places.words();
        let mut known = vec![0; now.vectors() * words];
        for (seen, row) in places.seen().chunks_exact(words).zip(indices) {
            if let Some(own) = known.get_mut(row as usize * words..).and_then(|rows| rows.get_mut(..words)) {
                own.iter_mut().zip(seen).for_each(|(word, seen)| *word |= seen);
            }
        }
        Ok(known)
    }

    /// What the search among them reads before it measures.
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Number of the image that each descriptor was taken from.
    pub fn images(&self) -> &[u32] {
        &self.images
    }

    /// The residual score that good frames usually have: how far good pieces of this product lie from each other; at
    /// least a twentieth of the length of a descriptor. Nothing where none was scored.
    pub fn level(&self) -> Option<f32> {
        self.level
    }
}
