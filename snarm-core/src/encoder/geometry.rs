//! What the rest of the crate wants to know of any feature network: what it reads, and what it gives.

use crate::error::{Error, Result};

/// Input and output of a feature network.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Side of the input in pixels.
    pub side: usize,
    /// Side of the grid of descriptors.
    pub grid: usize,
    /// Width of a descriptor.
    pub width: usize,
    /// Mean of the input normalisation, for values 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of the input normalisation.
    pub std: [f32; 3],
}

/// Mean and standard deviation of ImageNet, which the DINO family uses.
pub const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Geometry {
    /// Number of descriptors of an image.
    pub fn tokens(&self) -> usize {
        self.grid * self.grid
    }

    /// Number of values of an input, (3, side, side).
    pub fn input_len(&self) -> usize {
        3 * self.side * self.side
    }

    /// The same with descriptors on a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels.
    pub fn with_grid(self, grid: usize) -> Result<Self> {
        if !(2..=self.side / 2).contains(&grid) {
            let expected = format!("a grid of 2 to {} descriptors a side", self.side / 2);
            return Err(Error::Mismatch { what: "encoder", expected, found: grid.to_string() });
        }
        Ok(Self { grid, ..self })
    }
}
