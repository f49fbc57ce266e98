//! Images read between their pixels, and beyond their edges.

use crate::dataset::Picture;

/// What lies beyond the edge of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// Zeros.
    Zero,
    /// The image mirrored about its outermost pixels, which are not repeated.
    Reflect,
}

/// Where a pixel of the result comes from: source = matrix * (pixel - middle) + shift + middle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) matrix: [[f32; 2]; 2],
    pub(crate) shift: [f32; 2],
}

impl Affine {
    /// Turns the content counter-clockwise about the middle.
    pub(crate) fn turn(degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Self { matrix: [[cos, -sin], [sin, cos]], shift: [0.0; 2] }
    }

    /// Moves the content to the right and down, in pixels.
    pub(crate) fn shift(right: f32, down: f32) -> Self {
        Self { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [-right, -down] }
    }

    /// For every pixel of an image the four pixels it is mixed from; `None` is a zero.
    fn taps(self, width: usize, height: usize, border: Border) -> impl Iterator<Item = Taps> {
        let middle = [(width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0];
        (0..width * height).map(move |i| {
            let (dx, dy) = ((i % width) as f32 - middle[0], (i / width) as f32 - middle[1]);
            let at = |row: usize| {
                self.matrix[row][0] * dx + self.matrix[row][1] * dy + self.shift[row] + middle[row]
            };
            Taps::new(at(0), at(1), width, height, border)
        })
    }
}

struct Taps {
    from: [Option<usize>; 4],
    weights: [f32; 4],
}

impl Taps {
    fn new(x: f32, y: f32, width: usize, height: usize, border: Border) -> Self {
        let (left, top) = (x.floor(), y.floor());
        let (fx, fy) = (x - left, y - top);
        let columns = [left as i64, left as i64 + 1].map(|v| within(v, width, border));
        let rows = [top as i64, top as i64 + 1].map(|v| within(v, height, border));
        let tap = |i: usize| Some(rows[i / 2]? * width + columns[i % 2]?);
        Self {
            from: [tap(0), tap(1), tap(2), tap(3)],
            weights: [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy],
        }
    }

    fn mix(&self, value: impl Fn(usize) -> f32) -> f32 {
        let taps = self.from.iter().zip(self.weights);
        taps.filter_map(|(from, weight)| Some(weight * value((*from)?))).sum()
    }
}

fn within(at: i64, side: usize, border: Border) -> Option<usize> {
    let side = side as i64;
    let at = match border {
        Border::Zero => at,
        Border::Reflect if side == 1 => 0,
        Border::Reflect => {
            let period = 2 * (side - 1);
            let at = at.rem_euclid(period);
            if at < side { at } else { period - at }
        }
    };
    (0..side).contains(&at).then_some(at as usize)
}

/// An image moved by `affine`, bilinear, rounded.
pub(crate) fn transform(picture: &Picture, affine: Affine, border: Border) -> Picture {
    let mut data = Vec::with_capacity(picture.data.len());
    for taps in affine.taps(picture.width, picture.height, border) {
        for channel in 0..3 {
            let value = taps.mix(|i| f32::from(picture.data[3 * i + channel]));
            data.push((value + 0.5) as u8);
        }
    }
    Picture { data, width: picture.width, height: picture.height }
}

/// A plane of numbers turned counter-clockwise about its middle, bilinear.
pub(crate) fn rotate_plane(
    plane: &[f32],
    width: usize,
    height: usize,
    degrees: f32,
    border: Border,
) -> Vec<f32> {
    Affine::turn(degrees).taps(width, height, border).map(|taps| taps.mix(|i| plane[i])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_turn_moves_every_value_to_its_place() {
        // 1 2 3      3 6 9
        // 4 5 6  ->  2 5 8   counter-clockwise
        // 7 8 9      1 4 7
        let plane: Vec<f32> = (1..=9).map(|v| v as f32).collect();
        let turned = rotate_plane(&plane, 3, 3, 90.0, Border::Zero);
        let expected = [3.0, 6.0, 9.0, 2.0, 5.0, 8.0, 1.0, 4.0, 7.0];
        assert!(turned.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-4), "{turned:?}");
    }

    #[test]
    fn beyond_the_edge_are_zeros_or_the_mirrored_image() {
        let at = |v, border| within(v, 4, border);
        assert_eq!([-1, 0, 3, 4].map(|v| at(v, Border::Zero)), [None, Some(0), Some(3), None]);
        let reflected = [-4, -2, -1, 0, 3, 4, 5, 6, 7].map(|v| at(v, Border::Reflect));
        assert_eq!(reflected, [2, 2, 1, 0, 3, 2, 1, 0, 1].map(Some));
    }

    #[test]
    fn half_a_pixel_to_the_right_mixes_neighbours_evenly() {
        let picture =
            Picture { data: [10u8, 20, 40].iter().flat_map(|&v| [v; 3]).collect(), width: 3, height: 1 };
        let zero = transform(&picture, Affine::shift(0.5, 0.0), Border::Zero);
        assert_eq!(zero.data.chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [5, 15, 30]);
        let mirrored = transform(&picture, Affine::shift(0.5, 0.0), Border::Reflect);
        assert_eq!(mirrored.data.chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [15, 15, 30]);
    }
}
