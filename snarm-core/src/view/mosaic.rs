//! Where the tiles of frames of one size lie, and the map that their maps make.

use snarm_kernels::Grid;
use snarm_kernels::preprocess::PixelRect;
use snarm_kernels::stitch::Piece;

use super::rect::Rect;
use super::tiles::TileGrid;

/// A length cut into stretches of one length, which cover it together.
#[derive(Debug, Clone, PartialEq)]
struct Cut {
    total: usize,
    length: usize,
    starts: Vec<usize>,
}

impl Cut {
    /// `total` whole pixels in `number` stretches that share a part of each with the next.
    fn new(total: usize, number: usize, overlap: f64) -> Self {
        let times = number as f64 - (number as f64 - 1.0) * overlap;
        // Rounded up, so that nothing is left between two. What is left of rounding itself is no pixel.
        let length = ((total as f64 / times - 1e-9).ceil() as usize).clamp(1, total.max(1));
        Self::of(total, length, number)
    }

    /// The same cut where a stretch is `length` long.
    fn scaled(&self, length: usize) -> Self {
        let total = (self.total as f64 * length as f64 / self.length as f64).round() as usize;
        Self::of(total.clamp(length, length * self.starts.len()), length, self.starts.len())
    }

    fn of(total: usize, length: usize, number: usize) -> Self {
        let step = (total - length) as f64 / (number as f64 - 1.0).max(1.0);
        let starts = (0..number).map(|i| (i as f64 * step).round() as usize).collect();
        Self { total, length, starts }
    }

    /// For each stretch the weight of each pixel: a ramp over what it shares with a neighbour. Those of one pixel sum to 1.
    fn weights(&self) -> Vec<Vec<f32>> {
        let ramp = |place: usize, shared: usize| ((place as f64 + 0.5) / shared.max(1) as f64).min(1.0);
        let raw = |i: usize, at: usize| {
            let shared = |left: usize, right: usize| {
                self.starts
                    .get(right)
                    .map_or(0, |right| (self.starts[left] + self.length).saturating_sub(*right))
            };
            let before = if i > 0 { shared(i - 1, i) } else { 0 };
            ramp(at, before).min(ramp(self.length - 1 - at, shared(i, i + 1)))
        };
        let mut sums = vec![0.0; self.total];
        for (i, start) in self.starts.iter().enumerate() {
            (0..self.length).for_each(|at| sums[start + at] += raw(i, at));
        }
        let weights = |(i, start): (usize, &usize)| {
            (0..self.length).map(|at| (raw(i, at) / sums[start + at]) as f32).collect()
        };
        self.starts.iter().enumerate().map(weights).collect()
    }
}

/// The tiles of a part of a frame, in pixels of the upright picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tiling {
    x: Cut,
    y: Cut,
    /// Upper left corner of the part.
    corner: (usize, usize),
}

impl Tiling {
    /// The tiles of `part`, at least one pixel, of a frame.
    pub(crate) fn new(part: PixelRect, grid: TileGrid) -> Self {
        Self {
            x: Cut::new(part.width, grid.columns, grid.overlap),
            y: Cut::new(part.height, grid.rows, grid.overlap),
            corner: (part.x, part.y),
        }
    }

    /// Width and height of a tile.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.x.length, self.y.length)
    }

    /// The tiles, row after row.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = PixelRect> {
        let ((left, top), (width, height)) = (self.corner, self.size());
        let row = move |y: usize| {
            self.x.starts.iter().map(move |x| PixelRect { x: left + x, y: top + y, width, height })
        };
        self.y.starts.iter().flat_map(move |y| row(*y))
    }
}

/// The map of frames of one size: where the maps of tiles lie in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mosaic {
    size: Grid,
    /// Part of the map that shows the frame.
    visible: PixelRect,
    /// Part of the frame that the map covers.
    rect: Rect,
    /// Part of a tile's map that becomes part of the map.
    window: PixelRect,
    columns: Vec<(usize, Vec<f32>)>,
    rows: Vec<(usize, Vec<f32>)>,
}

impl Mosaic {
    /// Of one tile of `size` pixels, which shows the frame in `visible` and covers `rect` of it.
    pub(crate) fn whole(size: Grid, visible: PixelRect, rect: Rect) -> Self {
        let window = PixelRect { x: 0, y: 0, width: size.columns, height: size.rows };
        let (columns, rows) = (vec![(0, vec![1.0; size.columns])], vec![(0, vec![1.0; size.rows])]);
        Self { size, visible, rect, window, columns, rows }
    }

    /// Of tiles that show their part of the frame in `window` of their maps, and together `rect` of the frame.
    pub(crate) fn of(tiling: &Tiling, window: PixelRect, rect: Rect) -> Self {
        let (x, y) = (tiling.x.scaled(window.width), tiling.y.scaled(window.height));
        let size = Grid { rows: y.total, columns: x.total };
        let placed = |cut: &Cut| cut.starts.iter().copied().zip(cut.weights()).collect();
        let visible = PixelRect { x: 0, y: 0, width: size.columns, height: size.rows };
        Self { size, visible, rect, window, columns: placed(&x), rows: placed(&y) }
    }

    /// Rows and columns of the map.
    pub(crate) fn size(&self) -> Grid {
        self.size
    }

    /// Part of the map that shows the frame; the rest are bars of a letterbox.
    pub(crate) fn visible(&self) -> PixelRect {
        self.visible
    }

    /// Part of the frame that the map covers; with a letterbox it reaches beyond the frame.
    pub(crate) fn rect(&self) -> Rect {
        self.rect
    }

    /// Number of tiles.
    pub(crate) fn tiles(&self) -> usize {
        self.columns.len() * self.rows.len()
    }

    /// Where the map of a tile lies.
    pub(crate) fn piece(&self, tile: usize) -> Piece<&[f32]> {
        let (x, columns) = &self.columns[tile % self.columns.len()];
        let (y, rows) = &self.rows[tile / self.columns.len()];
        Piece { window: self.window, at: (*x, *y), rows, columns }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stretches_cover_all_share_what_they_shall_and_weigh_one(
            total in 40_usize..3000, number in 1_usize..17, overlap in 0.0..0.5_f64,
        ) {
            for cut in [Cut::new(total, number, overlap), Cut::new(total, number, overlap).scaled(320)] {
                prop_assert_eq!((cut.starts[0], cut.starts[number - 1] + cut.length), (0, cut.total));
                for pair in cut.starts.windows(2) {
                    let shared = (pair[0] + cut.length) as f64 - pair[1] as f64;
                    prop_assert!(shared >= 0.0, "{:?} leaves a gap", cut);
                    prop_assert!((shared - overlap * cut.length as f64).abs() <= 3.0 + 320.0 * 1.5 * number as f64 / total as f64);
                }
                let mut sums = vec![0.0; cut.total];
                for (start, weights) in cut.starts.iter().zip(cut.weights()) {
                    prop_assert!(weights.iter().all(|weight| *weight > 0.0));
                    weights.iter().enumerate().for_each(|(at, weight)| sums[start + at] += weight);
                }
                prop_assert!(sums.iter().all(|sum: &f32| (sum - 1.0).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn tiles_lie_row_after_row_in_the_part_and_in_the_map() {
        let part = PixelRect { x: 100, y: 50, width: 700, height: 500 };
        let tiling = Tiling::new(part, TileGrid { columns: 2, rows: 1, overlap: 0.25 });
        let tile = |x| PixelRect { x, y: 50, width: 400, height: 500 };
        assert_eq!(tiling.tiles().collect::<Vec<_>>(), [tile(100), tile(400)]);
        // Of a letterbox of 320 the middle 256 columns show a tile of 4:5.
        let window = PixelRect { x: 32, y: 0, width: 256, height: 320 };
        let mosaic = Mosaic::of(&tiling, window, Rect::WHOLE);
        assert_eq!((mosaic.size(), mosaic.tiles()), (Grid { rows: 320, columns: 448 }, 2));
        let pieces = [mosaic.piece(0), mosaic.piece(1)];
        assert_eq!(pieces.map(|piece| piece.at), [(0, 0), (192, 0)]);
        assert_eq!(pieces[0].columns[..192], [1.0; 192]);
        assert!(pieces[0].columns[192..].is_sorted_by(|a, b| a > b));
        assert!((pieces[0].columns[255] + pieces[1].columns[63] - 1.0).abs() < 1e-6);
        assert_eq!(pieces[0].rows, [1.0; 320]);
    }

    #[test]
    fn a_frame_may_have_fewer_pixels_than_tiles() {
        let part = PixelRect { x: 0, y: 0, width: 3, height: 1 };
        let tiling = Tiling::new(part, TileGrid { columns: 8, rows: 2, overlap: 0.5 });
        assert!(tiling.tiles().all(|tile| tile.x < 3 && tile.y == 0 && (tile.width, tile.height) == (1, 1)));
        let window = PixelRect { x: 0, y: 0, width: 32, height: 32 };
        assert_eq!(Mosaic::of(&tiling, window, Rect::WHOLE).size(), Grid { rows: 32, columns: 96 });
    }
}
