//! Operations on the levels of each channel by itself.

use super::{look_up, table};
use crate::dataset::Picture;

/// `255 * (v / 255) ^ exponent`, one exponent for each channel.
pub fn gamma_contrast(picture: &mut Picture, exponents: [f32; 3]) {
    look_up(picture, &exponents.map(|exponent| table(|v| 255.0 * (v / 255.0).powf(exponent))));
}

/// `255 - v` for levels from `threshold` on.
pub fn solarize(picture: &mut Picture, threshold: u8) {
    let threshold = f32::from(threshold);
    look_up(picture, &[table(|v| if v >= threshold { 255.0 - v } else { v }); 3]);
}

/// Keeps the upper `bits` (1 to 8) of each sample.
pub fn posterize(picture: &mut Picture, bits: u32) {
    let mask = (0xFF00u32 >> bits.min(8)) as u8;
    picture.data.iter_mut().for_each(|sample| *sample &= mask);
}

/// `255 - v`.
pub fn invert(picture: &mut Picture) {
    picture.data.iter_mut().for_each(|sample| *sample = 255 - *sample);
}

/// Stretches each channel to 0..255, after `percent` of its darkest and of its lightest samples are left out.
pub fn autocontrast(picture: &mut Picture, percent: f32) {
    let cut = ((picture.width * picture.height) as f64 * f64::from(percent) / 100.0) as usize;
    let tables = histograms(picture).map(|histogram| {
        match (first_kept(&histogram, 0..256, cut), first_kept(&histogram, (0..256).rev(), cut)) {
            (Some(low), Some(high)) if high > low => {
                table(|v| (v - low as f32) * 255.0 / (high - low) as f32)
            }
            _ => table(|v| v),
        }
    });
    look_up(picture, &tables);
}

/// The first of `levels` with a sample that is left when `cut` samples are taken away.
fn first_kept(
    histogram: &[usize; 256],
    mut levels: impl Iterator<Item = usize>,
    cut: usize,
) -> Option<usize> {
    let mut left = cut;
    levels.find(|&level| {
        let kept = histogram[level] > left;
        left = left.saturating_sub(histogram[level]);
        kept
    })
}

/// Makes the histogram of each channel as even as its levels allow.
pub fn equalize(picture: &mut Picture) {
    let tables = histograms(picture).map(|histogram| {
        let last = histogram.iter().rev().find(|&&n| n > 0).copied().unwrap_or(0);
        let step = (picture.width * picture.height - last) / 255;
        if step == 0 {
            return table(|v| v);
        }
        let mut below = step / 2;
        histogram.map(|n| {
            let level = (below / step).min(255) as u8;
            below += n;
            level
        })
    });
    look_up(picture, &tables);
}

fn histograms(picture: &Picture) -> [[usize; 256]; 3] {
    let mut histograms = [[0; 256]; 3];
    for pixel in picture.data.chunks_exact(3) {
        for (histogram, &sample) in histograms.iter_mut().zip(pixel) {
            histogram[usize::from(sample)] += 1;
        }
    }
    histograms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(levels: &[u8]) -> Picture {
        Picture { data: levels.iter().flat_map(|&v| [v; 3]).collect(), width: levels.len(), height: 1 }
    }

    #[track_caller]
    fn check(before: &[u8], op: impl Fn(&mut Picture), after: &[u8]) {
        let mut picture = grey(before);
        op(&mut picture);
        assert_eq!(picture, grey(after));
    }

    #[test]
    fn gamma_bends_each_channel_by_its_own_exponent() {
        let mut picture = grey(&[0, 64, 255]);
        gamma_contrast(&mut picture, [1.0, 2.0, 0.5]);
        // 64^2 / 255 = 16.06; 255 * sqrt(64 / 255) = 127.75
        assert_eq!(picture.data, [0, 0, 0, 64, 16, 128, 255, 255, 255]);
    }

    #[test]
    fn solarize_inverts_from_the_threshold_on() {
        check(&[0, 99, 100, 255], |p| solarize(p, 100), &[0, 99, 155, 0]);
    }

    #[test]
    fn posterize_keeps_the_upper_bits() {
        check(&[0, 127, 128, 255], |p| posterize(p, 1), &[0, 0, 128, 128]);
        check(&[0b1011_0111], |p| posterize(p, 3), &[0b1010_0000]);
        check(&[1, 2, 255], |p| posterize(p, 8), &[1, 2, 255]);
    }

    #[test]
    fn invert_twice_is_nothing() {
        check(&[0, 1, 255], invert, &[255, 254, 0]);
    }

    #[test]
    fn autocontrast_stretches_what_is_left_after_the_cut() {
        check(&[50, 100, 150], |p| autocontrast(p, 0.0), &[0, 128, 255]);
        // One of ten samples is cut at each end: 10 and 210 fall outside 60..160.
        let levels = [10, 60, 60, 60, 110, 110, 160, 160, 160, 210];
        check(&levels, |p| autocontrast(p, 10.0), &[0, 0, 0, 0, 128, 128, 255, 255, 255, 255]);
        check(&[7, 7], |p| autocontrast(p, 0.0), &[7, 7]);
    }

    #[test]
    fn equalize_spreads_levels_by_their_ranks() {
        // 1020 samples of 4 levels: step (1020 - 255) / 255 = 3; ranks 1/3, 256/3, 511/3, 766/3.
        let levels: Vec<u8> = [10u8, 11, 12, 13].into_iter().flat_map(|v| [v; 255]).collect();
        let expected: Vec<u8> = [0u8, 85, 170, 255].into_iter().flat_map(|v| [v; 255]).collect();
        check(&levels, equalize, &expected);
        check(&[5, 5, 5], equalize, &[5, 5, 5]);
    }
}
