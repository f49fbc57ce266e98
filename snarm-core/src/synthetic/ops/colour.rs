//! Operations on brightness, hue and saturation.

use super::to_level;
use crate::dataset::Picture;

/// Luma (BT.601) becomes `factor * luma + offset`; chroma stays.
pub fn brightness(picture: &mut Picture, factor: f32, offset: f32) {
    for pixel in picture.data.chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        let change = (factor * luma + offset).clamp(0.0, 255.0) - luma;
        pixel.iter_mut().zip([r, g, b]).for_each(|(sample, value)| *sample = to_level(value + change));
    }
}

/// Turns the hue by `degrees` and adds `levels` (of 255) to the saturation.
pub fn hue_saturation(picture: &mut Picture, degrees: f32, levels: f32) {
    for pixel in picture.data.chunks_exact_mut(3) {
        let [hue, saturation, value] =
            rgb_to_hsv([pixel[0], pixel[1], pixel[2]].map(|v| f32::from(v) / 255.0));
        // Grey has no hue that more saturation could bring out.
        let saturation = if saturation > 0.0 { (saturation + levels / 255.0).clamp(0.0, 1.0) } else { 0.0 };
        let rgb = hsv_to_rgb([(hue + degrees).rem_euclid(360.0), saturation, value]);
        pixel.iter_mut().zip(rgb).for_each(|(sample, value)| *sample = to_level(255.0 * value));
    }
}

/// Hue in degrees, saturation and value in 0..1, from red, green and blue in 0..1.
fn rgb_to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = high - low;
    if chroma <= 0.0 {
        return [0.0, 0.0, high];
    }
    let sixths = if high == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if high == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    [60.0 * sixths, chroma / high, high]
}

/// Red, green and blue in 0..1, from hue in degrees, saturation and value in 0..1.
pub(crate) fn hsv_to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|n: f32| {
        let k = (n + hue / 60.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(rgb: [u8; 3]) -> Picture {
        Picture { data: rgb.to_vec(), width: 1, height: 1 }
    }

    #[test]
    fn brightness_moves_all_channels_by_the_change_of_luma() {
        let mut picture = pixel([100, 100, 100]);
        brightness(&mut picture, 1.2, -10.0);
        assert_eq!(picture.data, [110, 110, 110]);
        // Luma of (200, 50, 0) is 89.15; half of it less is 44.575 less in each channel.
        let mut picture = pixel([200, 50, 0]);
        brightness(&mut picture, 0.5, 0.0);
        assert_eq!(picture.data, [155, 5, 0]);
    }

    #[test]
    fn hue_turns_through_the_primaries() {
        for (degrees, expected) in [(120.0, [0, 200, 0]), (-120.0, [0, 0, 200]), (60.0, [200, 200, 0])] {
            let mut picture = pixel([200, 0, 0]);
            hue_saturation(&mut picture, degrees, 0.0);
            assert_eq!(picture.data, expected);
        }
    }

    #[test]
    fn saturation_moves_towards_grey_or_away_and_leaves_grey_alone() {
        // (200, 100, 100) has saturation 0.5; 127.5 levels less are grey, 127.5 more are full.
        for (levels, expected) in [(-127.5, [200, 200, 200]), (127.5, [200, 0, 0])] {
            let mut picture = pixel([200, 100, 100]);
            hue_saturation(&mut picture, 0.0, levels);
            assert_eq!(picture.data, expected);
        }
        let mut grey = pixel([90, 90, 90]);
        hue_saturation(&mut grey, 40.0, 50.0);
        assert_eq!(grey.data, [90, 90, 90]);
    }

    #[test]
    fn every_colour_comes_back_from_hsv() {
        for rgb in (0..=5).flat_map(|r| (0..=5).flat_map(move |g| (0..=5).map(move |b| [r, g, b]))) {
            let rgb = rgb.map(|v| v as f32 / 5.0);
            let back = hsv_to_rgb(rgb_to_hsv(rgb));
            assert!(rgb.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-5), "{rgb:?} {back:?}");
        }
    }
}
