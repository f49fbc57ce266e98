//! What leads from a stage to the next finer one: a linear layer makes four cells of each, in the order row, column,
//! channel, and a layer norm follows.

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::gather::gather;
use snarm_kernels::linear::Then;

use super::shape::EPS;
use crate::error::Result;
use crate::layers::{Linear, Norm, Source, for_products};

/// Cells that are made of one.
const PARTS: usize = 4;

/// Weights.
pub(super) struct Expand {
    linear: Linear,
    norm: Norm,
}

impl Expand {
    /// Reads what makes maps of `channels` of maps of `inputs`.
    pub(super) fn read(inputs: usize, channels: usize, source: &Source<'_>) -> Result<Self> {
        let weight = source.at("expand").get("weight", &[PARTS * channels, inputs])?;
        let linear = Linear::of(source, &weight, vec![0.0; PARTS * channels]);
        Ok(Self { linear, norm: Norm::read(&source.at("norm"), channels)? })
    }

    /// A copy at another place.
    pub(super) fn at(&self, place: &Place) -> Result<Self> {
        Ok(Self { linear: self.linear.at(place)?, norm: self.norm.at(place)? })
    }

    /// A map to a finer one, whose cells come from `places` of the parts; `rows`, `parts` and `cells` are scratch.
    pub(super) fn run(
        &self,
        map: &mut Buffer,
        places: &Buffer<u32>,
        [rows, parts, cells]: [&mut Buffer; 3],
    ) -> Result<()> {
        let channels = self.linear.width() / PARTS;
        parts.resize(places.len() * channels)?;
        cells.resize(parts.len())?;
        let inputs = map.len() * PARTS / places.len().max(1);
        self.linear.run(for_products(map.view(), inputs, rows)?, Then::Store, &mut *parts)?;
        gather(&*parts, channels, places, &mut *cells)?;
        map.resize(cells.len())?;
        self.norm.run(&*cells, EPS, &mut *map)
    }
}

/// For each cell of the map that is twice as fine as `grid`, the part that it is made of.
pub(crate) fn places(grid: Grid) -> Vec<u32> {
    let finer = Grid { rows: 2 * grid.rows, columns: 2 * grid.columns };
    let place = |cell: usize| {
        let (row, column) = (cell / finer.columns, cell % finer.columns);
        (row / 2 * grid.columns + column / 2) * PARTS + row % 2 * 2 + column % 2
    };
    (0..finer.cells()).map(|cell| place(cell) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_cell_become_a_square() {
        let found = places(Grid { rows: 1, columns: 2 });
        assert_eq!(found, [0, 1, 4, 5, 2, 3, 6, 7]);
    }
}
