//! Operations that look at more than one pixel.

use super::to_level;
use crate::dataset::Picture;
use crate::synthetic::sampling::{Affine, Border, transform};

/// Moves away from the smoothed image (3 x 3 ones with 5 in the middle, over 13; the outermost pixels stay):
/// `smooth + factor * (v - smooth)`. Below 1 this blurs, above it sharpens.
pub fn sharpen(picture: &mut Picture, factor: f32) {
    let (width, height) = (picture.width, picture.height);
    let before = picture.data.clone();
    for y in 1..height.saturating_sub(1) {
        for i in 3 * (y * width + 1)..3 * (y * width + width.saturating_sub(1)).max(y * width + 1) {
            let row = |from: usize| {
                u32::from(before[from - 3]) + u32::from(before[from]) + u32::from(before[from + 3])
            };
            let value = f32::from(before[i]);
            let sum = row(i - 3 * width) + row(i) + row(i + 3 * width);
            let smooth = (sum as f32 + 4.0 * value) / 13.0;
            picture.data[i] = to_level(smooth + factor * (value - smooth));
        }
    }
}

/// Turns the image counter-clockwise about its middle, bilinear, black outside.
pub fn rotate(picture: &Picture, degrees: f32) -> Picture {
    transform(picture, Affine::turn(degrees), Border::Zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(levels: &[u8], width: usize) -> Picture {
        let data = levels.iter().flat_map(|&v| [v; 3]).collect();
        Picture { data, width, height: levels.len() / width }
    }

    #[test]
    fn sharpening_moves_the_inner_pixels_away_from_their_mean() {
        let levels = [10, 10, 10, 10, 49, 10, 10, 10, 10];
        // Smooth middle: (8 * 10 + 5 * 49) / 13 = 25; 25 + 1.5 * 24 = 61, 25 + 0 * 24 = 25.
        for (factor, middle) in [(1.5, 61), (0.0, 25), (1.0, 49)] {
            let mut picture = grey(&levels, 3);
            sharpen(&mut picture, factor);
            assert_eq!(picture, grey(&[10, 10, 10, 10, middle, 10, 10, 10, 10], 3));
        }
    }

    #[test]
    fn images_without_inner_pixels_stay() {
        for (levels, width) in [(vec![1, 2, 3, 4], 2), (vec![1, 2, 3], 1), (vec![1, 2, 3], 3)] {
            let mut picture = grey(&levels, width);
            sharpen(&mut picture, 0.1);
            assert_eq!(picture, grey(&levels, width));
        }
    }

    #[test]
    fn a_quarter_turn_is_exact_and_corners_of_others_are_black() {
        let picture = grey(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 3);
        assert_eq!(rotate(&picture, 90.0), grey(&[3, 6, 9, 2, 5, 8, 1, 4, 7], 3));
        let turned = rotate(&grey(&[200; 81], 9), 45.0);
        assert_eq!((turned.data[0], turned.data[3 * 40]), (0, 200));
    }
}
