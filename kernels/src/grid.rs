//! Rows and columns.

use std::fmt;

/// Rows and columns of cells: of an image's pixels, of a network's patches, of a model's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

impl Grid {
    /// As many rows as columns.
    pub const fn square(side: usize) -> Self {
        Self { rows: side, columns: side }
    }

    /// Number of cells.
    pub const fn cells(self) -> usize {
        self.rows * self.columns
    }

    /// The grid of the transposed picture.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows }
    }
}

/// Rows before columns.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.rows, self.columns)
    }
}

/// Rows and columns.
impl From<Grid> for (usize, usize) {
    fn from(grid: Grid) -> Self {
        (grid.rows, grid.columns)
    }
}
