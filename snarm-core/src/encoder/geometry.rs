//! What the rest of the crate wants to know of any feature network: what it reads, and what it gives.

use serde::Serialize;

use snarm_kernels::device::BufferView;

use crate::error::{Error, Result};

/// Features of one resolution: a descriptor for each cell of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Level {
    /// Side of the grid of descriptors.
    pub grid: usize,
    /// Width of a descriptor.
    pub width: usize,
}

impl Level {
    /// Number of descriptors of an image.
    pub fn tokens(self) -> usize {
        self.grid * self.grid
    }

    /// Number of values of an image, (grid * grid, width).
    pub fn values(self) -> usize {
        self.tokens() * self.width
    }
}

/// Input and output of a feature network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Geometry {
    /// Side of the input in pixels.
    pub side: usize,
    /// What it gives, at least one; banks hold descriptors of the first.
    levels: Vec<Level>,
    /// Mean of the input normalisation, for values 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of the input normalisation.
    pub std: [f32; 3],
}

/// Mean and standard deviation of ImageNet, which the DINO family uses.
pub const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Geometry {
    /// A network that reads a square of `side` pixels, normalised by mean and standard deviation, and gives the features of
    /// one level.
    pub fn new(side: usize, level: Level, (mean, std): ([f32; 3], [f32; 3])) -> Self {
        Self { side, levels: vec![level], mean, std }
    }

    /// The same with features of one more level after the others.
    #[must_use]
    pub fn and(mut self, level: Level) -> Self {
        self.levels.push(level);
        self
    }

    /// The levels of features, in the order in which they lie in memory.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The first level, whose descriptors banks hold.
    pub fn level(&self) -> Level {
        self.levels[0]
    }

    /// Side of the grid of descriptors of the first level.
    pub fn grid(&self) -> usize {
        self.level().grid
    }

    /// Width of a descriptor of the first level.
    pub fn width(&self) -> usize {
        self.level().width
    }

    /// Number of descriptors of an image in the first level.
    pub fn tokens(&self) -> usize {
        self.level().tokens()
    }

    /// Number of values of an input, (3, side, side).
    pub fn input_len(&self) -> usize {
        3 * self.side * self.side
    }

    /// Number of values of all levels of an image.
    pub fn output_len(&self) -> usize {
        self.levels.iter().map(|level| level.values()).sum()
    }

    /// Checks that the first level can have a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels.
    pub(crate) fn check_grid(&self, grid: usize) -> Result<()> {
        if (2..=self.side / 2).contains(&grid) {
            return Ok(());
        }
        let expected = format!("a grid of 2 to {} descriptors a side", self.side / 2);
        Err(Error::Sizes { what: "encoder", expected, found: grid.to_string() })
    }

    /// Gives the first level another grid.
    pub(crate) fn set_grid(&mut self, grid: usize) {
        self.levels[0].grid = grid;
    }
}

/// What a feature network sees in one image: the values of all its levels, one after the other, where they live.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    levels: &'a [Level],
    values: BufferView<'a>,
}

impl<'a> Features<'a> {
    /// Features of a network of that geometry.
    ///
    /// # Errors
    /// When there are more or fewer values than its levels have.
    pub fn new(geometry: &'a Geometry, values: impl Into<BufferView<'a>>) -> Result<Self> {
        let values = values.into();
        if values.len() != geometry.output_len() {
            let expected = format!("{} values of {:?}", geometry.output_len(), geometry.levels());
            return Err(Error::Values { what: "features", expected, found: values.len().to_string() });
        }
        Ok(Self { levels: geometry.levels(), values })
    }

    /// A level by its number, and its values (grid * grid, width).
    pub fn level(&self, number: usize) -> Option<(Level, BufferView<'a>)> {
        let level = *self.levels.get(number)?;
        let first: usize = self.levels[..number].iter().map(|level| level.values()).sum();
        Some((level, self.values.part(first..first + level.values())?))
    }

    /// The descriptors of the first level, (grid * grid, width).
    pub fn descriptors(&self) -> BufferView<'a> {
        self.level(0).map_or(BufferView::Host(&[]), |(_, values)| values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_lie_one_after_the_other() {
        let (fine, coarse) = (Level { grid: 3, width: 2 }, Level { grid: 2, width: 4 });
        let geometry = Geometry::new(24, fine, IMAGENET).and(coarse);
        assert_eq!((geometry.grid(), geometry.width(), geometry.output_len()), (3, 2, 18 + 16));
        let values: Vec<f32> = (0..34_u8).map(f32::from).collect();
        let features = Features::new(&geometry, &values).unwrap();
        assert_eq!(features.descriptors().host("test").unwrap(), &values[..18]);
        let (level, second) = features.level(1).unwrap();
        assert_eq!((level, second.host("test").unwrap()), (coarse, &values[18..]));
        assert!(features.level(2).is_none());
        let error = Features::new(&geometry, &values[1..]).unwrap_err().to_string();
        assert!(error.starts_with("features: expected 34 values of [Level { grid: 3"), "{error}");
    }
}
