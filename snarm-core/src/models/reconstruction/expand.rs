//! What leads from a stage to the next finer one: a linear layer makes four cells of each, in the order row, column,
//! channel, and a layer norm follows.

use snarm_kernels::Grid;
use snarm_kernels::gather::gather;
use snarm_kernels::linear::Then;

use super::shape::EPS;
use crate::error::Result;
use crate::layers::{Linear, Norm, Source};

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

    /// A map to a finer one, whose cells come from `places` of the parts; `parts` and `cells` are scratch.
    pub(super) fn run(
        &self,
        map: &mut Vec<f32>,
        places: &[u32],
        parts: &mut Vec<f32>,
        cells: &mut Vec<f32>,
    ) -> Result<()> {
        let channels = self.linear.width() / PARTS;
        parts.resize(places.len() * channels, 0.0);
        cells.resize(parts.len(), 0.0);
        self.linear.run(&*map, Then::Store, &mut *parts)?;
        gather(&*parts, channels, places, &mut *cells)?;
        map.resize(cells.len(), 0.0);
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
