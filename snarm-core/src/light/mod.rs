//! Light and sharpness of frames beside those of the learned ones.
//!
//! Each tile of a frame is measured in 8 x 8 cells, where it is read, on the host or a device (`snarm_kernels::light`). A bank
//! keeps what each cell usually looks like and how much it changes. The light of a frame is the plane, for each colour, that its
//! cells lie above the usual ones on the scale of logarithms, by robust least squares: cells that usually change, such as those
//! that parts pass, count little, and cells that a defect changed do not count. So a frame tells a darker lamp from a darker
//! part, as long as something in it stays as it is.
//!
//! Light outside of the learned range is brought to its edge before the network sees the frame. A frame that is too dark, too
//! bright, blurred or covered tells nothing of the part: its verdict is unknown.

mod quality;
mod seen;
mod usual;

pub use self::quality::{Kind, Quality, Reason};
pub(crate) use self::seen::{ENDS, Seen};
pub use self::usual::Light;
pub(crate) use self::usual::NUMBERS;

pub(crate) use snarm_kernels::light::CELLS;
use snarm_kernels::light::Cell;

/// Standard deviation of a normal distribution whose median absolute deviation is 1.
const PER_MAD: f32 = 1.4826;

/// Detail that is told from none.
const PLAIN: f32 = 1e-3;

/// The numbers of one cell: logarithms of its colours and of its detail.
type Logs = [f32; 4];

fn logs(cell: &Cell) -> Logs {
    [cell.log(0), cell.log(1), cell.log(2), cell.detail.max(PLAIN).ln()]
}

/// Those of all cells of a tile, without room on the heap: they are taken of every frame.
fn logs_of(cells: &[Cell]) -> [Logs; CELLS] {
    std::array::from_fn(|at| cells.get(at).map_or([0.0; 4], logs))
}

/// Median of numbers, 0 of none.
fn median(numbers: &mut [f32]) -> f32 {
    if numbers.is_empty() {
        return 0.0;
    }
    let middle = numbers.len() / 2;
    *numbers.select_nth_unstable_by(middle, f32::total_cmp).1
}
