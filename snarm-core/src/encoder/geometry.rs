//! What the rest of the crate wants to know of any feature network: what it reads, and what it gives.

use snarm_kernels::Grid;
use snarm_kernels::device::BufferView;

use crate::error::{Error, Result};

/// Features of one resolution: a descriptor for each cell of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The grid of descriptors.
    pub grid: Grid,
    /// Width of a descriptor.
    pub width: usize,
}

impl Level {
    /// Number of descriptors of an image.
    pub fn tokens(self) -> usize {
        self.grid.cells()
    }

    /// Number of values of an image, (rows * columns, width).
    pub fn values(self) -> usize {
        self.tokens() * self.width
    }
}

/// Input and output of a feature network.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Size of the input in pixels.
    pub size: Grid,
    /// What it gives, at least one; banks hold descriptors of the first.
    levels: Vec<Level>,
    /// Mean of the input normalisation, for values 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of the input normalisation.
    pub std: [f32; 3],
}

/// The longest aspect that an input can have; longer frames are squeezed to it.
const LONGEST: f64 = 16.0;

/// The largest grid with at most as many cells as `side` x `side` whose sides have the aspect width / height, as near as whole
/// cells come to it.
pub(crate) fn of_aspect(side: usize, aspect: f64) -> Grid {
    if aspect < 1.0 {
        return of_aspect(side, 1.0 / aspect).transposed();
    }
    let aspect = aspect.min(LONGEST);
    let most = (side as f64 / aspect.sqrt()).ceil() as usize;
    let of_rows = |rows: usize| Grid { rows, columns: (rows as f64 * aspect).round() as usize };
    let fitting = (1..=most).rev().map(of_rows).find(|grid| grid.cells() <= side * side);
    fitting.unwrap_or(Grid { rows: 1, columns: side * side })
}

/// Mean and standard deviation of ImageNet, which the DINO family uses.
pub const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Geometry {
    /// A network that reads images of `size` pixels, normalised by mean and standard deviation, and gives the features of one
    /// level.
    pub fn new(size: Grid, level: Level, (mean, std): ([f32; 3], [f32; 3])) -> Self {
        Self { size, levels: vec![level], mean, std }
    }

    /// The same for an input of `size` pixels, whose first level has the grid `grid` and whose others keep their cells.
    #[must_use]
    pub(crate) fn of_size(&self, size: Grid, grid: Grid) -> Self {
        let scaled = |cells: usize, to: usize, from: usize| cells * to / from.max(1);
        let mut geometry = Self { size, ..self.clone() };
        for Level { grid, .. } in &mut geometry.levels {
            grid.rows = scaled(grid.rows, size.rows, self.size.rows);
            grid.columns = scaled(grid.columns, size.columns, self.size.columns);
        }
        geometry.set_grid(grid);
        geometry
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

    /// The grid of descriptors of the first level.
    pub fn grid(&self) -> Grid {
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

    /// Number of values of an input, (3, rows, columns).
    pub fn input_len(&self) -> usize {
        3 * self.size.cells()
    }

    /// Number of values of all levels of an image.
    pub fn output_len(&self) -> usize {
        self.levels.iter().map(|level| level.values()).sum()
    }

    /// Checks that the first level of a network with a square input can have a grid of `grid` x `grid`.
    ///
    /// # Errors
    /// When the grid has fewer than 2 descriptors a side, or more than a descriptor for each 2 pixels, or there are several
    /// levels, whose cells belong together.
    pub(crate) fn check_grid(&self, grid: usize) -> Result<()> {
        if self.levels.len() > 1 {
            let expected = "a network with one level of features for another grid".to_owned();
            return Err(Error::Sizes { what: "encoder", expected, found: self.levels.len().to_string() });
        }
        let most = self.size.rows / 2;
        if (2..=most).contains(&grid) {
            return Ok(());
        }
        let expected = format!("a grid of 2 to {most} descriptors a side");
        Err(Error::Sizes { what: "encoder", expected, found: grid.to_string() })
    }

    /// Gives the first level another grid.
    pub(crate) fn set_grid(&mut self, grid: Grid) {
        self.levels[0].grid = grid;
    }
}

/// What a feature network sees in one image: the values of all its levels, one after the other, where they live.
#[derive(Debug, Clone, Copy)]
pub struct Features<'a> {
    levels: &'a [Level],
    values: BufferView<'a>,
    tile: Option<usize>,
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
        Ok(Self { levels: geometry.levels(), values, tile: None })
    }

    /// Those of a tile of the part of frames that a bank was made of, by its number: its places are the bank's.
    pub fn of_tile(self, tile: usize) -> Self {
        Self { tile: Some(tile), ..self }
    }

    /// The number of the tile of the part of frames that the bank was made of, where this is one.
    pub fn tile(&self) -> Option<usize> {
        self.tile
    }

    /// A level by its number, and its values (rows * columns, width).
    pub fn level(&self, number: usize) -> Option<(Level, BufferView<'a>)> {
        let level = *self.levels.get(number)?;
        let first: usize = self.levels[..number].iter().map(|level| level.values()).sum();
        Some((level, self.values.part(first..first + level.values())?))
    }

    /// The descriptors of the first level, (rows * columns, width).
    pub fn descriptors(&self) -> BufferView<'a> {
        self.level(0).map_or(BufferView::Host(&[]), |(_, values)| values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_of_any_aspect_have_as_many_cells() {
        let grid = |side, aspect| {
            let Grid { rows, columns } = of_aspect(side, aspect);
            (rows, columns)
        };
        assert_eq!(
            (grid(40, 1.0), grid(40, 16.0 / 9.0), grid(40, 9.0 / 16.0)),
            ((40, 40), (30, 53), (53, 30))
        );
        assert_eq!((grid(24, 4.0 / 3.0), grid(24, 500.0 / 1250.0)), ((20, 27), (38, 15)));
        assert_eq!((grid(12, 16.0), grid(12, 1e9), grid(1, 3.0)), ((3, 48), (3, 48), (1, 1)));
        for (side, aspect) in (3..60).flat_map(|side| [1.0, 1.2, 1.5, 2.1, 5.0].map(|aspect| (side, aspect)))
        {
            let Grid { rows, columns } = of_aspect(side, aspect);
            assert!(rows * columns <= side * side, "{side} {aspect}");
            assert!((rows as f64 * aspect - columns as f64).abs() <= 0.5, "{side} {aspect}");
        }
    }

    #[test]
    fn levels_lie_one_after_the_other() {
        let (fine, coarse) = (
            Level { grid: Grid { rows: 1, columns: 9 }, width: 2 },
            Level { grid: Grid::square(2), width: 4 },
        );
        let geometry = Geometry::new(Grid::square(24), fine, IMAGENET).and(coarse);
        assert_eq!((geometry.tokens(), geometry.width(), geometry.output_len()), (9, 2, 18 + 16));
        let values: Vec<f32> = (0..34_u8).map(f32::from).collect();
        let features = Features::new(&geometry, &values).unwrap();
        assert_eq!(features.descriptors().host("test").unwrap(), &values[..18]);
        let (level, second) = features.level(1).unwrap();
        assert_eq!((level, second.host("test").unwrap()), (coarse, &values[18..]));
        assert!(features.level(2).is_none());
        let error = Features::new(&geometry, &values[1..]).unwrap_err().to_string();
        assert!(
            error.starts_with("features: expected 34 values of [Level { grid: Grid { rows: 1"),
            "{error}"
        );
    }
}
