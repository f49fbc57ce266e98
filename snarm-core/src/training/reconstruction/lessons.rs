//! What is learned from: the features of good images, kept in half precision as far as memory allows. Those that are not kept
//! are rounded alike, so that a run is the same whatever is kept.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::detect::extract::Extractor;
use crate::encoder::{Encoder, Level};
use crate::error::Result;
use crate::training::decoder::Category;
use crate::view::View;

/// Of so many pieces of a category, one is held out, and so many at most.
const HOLD_OUT: (usize, usize) = (5, 8);

/// The images of all categories.
pub(super) struct Lessons {
    categories: Vec<Category>,
    /// Category and number of each image.
    images: Vec<(usize, usize)>,
    learned: Vec<usize>,
    held_out: Vec<usize>,
    extractor: Extractor,
    levels: Vec<Level>,
    kept: HashMap<usize, Vec<half::f16>>,
    /// Images that may be kept.
    most: usize,
}

impl Lessons {
    pub(super) fn new(categories: Vec<Category>, encoder: &Arc<Encoder>, memory: usize) -> Result<Self> {
        let (mut images, mut learned, mut held_out) = (Vec::new(), Vec::new(), Vec::new());
        for (number, category) in categories.iter().enumerate() {
            for image in 0..category.good.len() {
                let piece = category.pieces[image] as usize;
                let (every, most) = HOLD_OUT;
                let is_held_out = piece % every == every - 1 && piece / every < most;
                if is_held_out { &mut held_out } else { &mut learned }.push(images.len());
                images.push((number, image));
            }
        }
        let geometry = encoder.geometry();
        let most = memory / (size_of::<half::f16>() * geometry.output_len()).max(1);
        let levels = geometry.levels().to_vec();
        let extractor = Extractor::new(Arc::clone(encoder), View::squeezed(), None)?;
        Ok(Self { categories, images, learned, held_out, extractor, levels, kept: HashMap::new(), most })
    }

    /// Numbers of the images to learn from.
    pub(super) fn learned(&self) -> &[usize] {
        &self.learned
    }

    /// Numbers of the images that are held out.
    pub(super) fn held_out(&self) -> &[usize] {
        &self.held_out
    }

    /// Names of the categories.
    pub(super) fn names(&self) -> Vec<String> {
        self.categories.iter().map(|category| category.name.clone()).collect()
    }

    /// All values of an image's features.
    pub(super) fn values(&mut self, image: usize) -> Result<Vec<f32>> {
        if let Some(kept) = self.kept.get(&image) {
            return Ok(kept.iter().map(|v| v.to_f32()).collect());
        }
        let (category, number) = self.images[image];
        let category = &self.categories[category];
        let picture = category.good[number].open(&category.reading)?;
        self.extractor.run(&picture.frame()?, &mut Default::default())?;
        let halves: Vec<half::f16> =
            self.extractor.descriptors.iter().map(|v| half::f16::from_f32(*v)).collect();
        let values = halves.iter().map(|v| v.to_f32()).collect();
        if self.kept.len() < self.most {
            self.kept.insert(image, halves);
        }
        Ok(values)
    }

    /// The levels of some images, each (images * cells, channels).
    pub(super) fn levels(&mut self, images: &[usize]) -> Result<[Tensor; 3]> {
        let mut all: [Vec<f32>; 3] = Default::default();
        for image in images {
            let values = self.values(*image)?;
            let mut rest = &values[..];
            for (all, level) in all.iter_mut().zip(&self.levels) {
                let (own, more) = rest.split_at(level.values());
                all.extend_from_slice(own);
                rest = more;
            }
        }
        let [fine, middle, coarse] = all;
        let tensor = |number: usize, values: Vec<f32>| {
            let width = self.levels[number].width;
            Tensor::from_vec(values.clone(), (values.len() / width, width), &Device::Cpu)
        };
        Ok([tensor(0, fine)?, tensor(1, middle)?, tensor(2, coarse)?])
    }
}
