//! The part of an image that is no background.

use snarm_kernels::components::Components;

use crate::dataset::{Mask, Picture};
use crate::error::Result;

/// Between-class share of the variance above which a threshold is taken to part object and background: an even
/// spread of distances has 0.75, one bump 0.64, two apart approach 1.
const PARTED: f64 = 0.8;

/// Share of the border's pixels that may look like the object.
const MOST_AT_BORDER: f64 = 0.35;

/// The object in the image: pixels whose colour is far from that of the image's border, by Otsu's threshold, with
/// holes filled. Where that parts nothing (a texture fills the image, or the object is almost all or nothing of it),
/// every pixel belongs to the object.
///
/// # Errors
/// When the fields of the picture do not fit each other.
pub fn foreground(picture: &Picture) -> Result<Mask> {
    let (width, height) = (picture.width, picture.height);
    let whole = Mask { data: vec![true; width * height], width, height };
    let border = border_median(picture);
    let distance: Vec<u8> = picture
        .data
        .chunks_exact(3)
        .map(|pixel| pixel.iter().zip(border).map(|(&v, b)| v.abs_diff(b)).max().unwrap_or(0))
        .collect();
    let (threshold, parted) = otsu(&distance);
    let mut data: Vec<bool> = distance.iter().map(|&d| d > threshold).collect();
    let on_border = border_pixels(width, height).filter(|&i| data[i]).count() as f64
        / border_pixels(width, height).count().max(1) as f64;
    if parted < PARTED || on_border > MOST_AT_BORDER {
        return Ok(whole);
    }
    fill_holes(&mut data, width)?;
    let share = data.iter().filter(|&&v| v).count() as f64 / data.len().max(1) as f64;
    Ok(if (0.03..0.97).contains(&share) { Mask { data, width, height } } else { whole })
}

/// Pixels of the outermost rows and columns.
fn border_pixels(width: usize, height: usize) -> impl Iterator<Item = usize> {
    (0..width * height).filter(move |i| {
        let (x, y) = (i % width, i / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    })
}

fn border_median(picture: &Picture) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let pixels = border_pixels(picture.width, picture.height);
        let mut samples: Vec<u8> = pixels.map(|i| picture.data[3 * i + channel]).collect();
        samples.sort_unstable();
        samples.get(samples.len() / 2).copied().unwrap_or(0)
    })
}

/// Otsu's threshold, and the share of the variance that lies between the two classes.
fn otsu(values: &[u8]) -> (u8, f64) {
    let mut histogram = [0.0f64; 256];
    values.iter().for_each(|&v| histogram[usize::from(v)] += 1.0);
    let n = values.len().max(1) as f64;
    let mean = (0..256).map(|v| v as f64 * histogram[v]).sum::<f64>() / n;
    let variance = (0..256).map(|v| (v as f64 - mean).powi(2) * histogram[v]).sum::<f64>() / n;
    let (mut below, mut sum) = (0.0, 0.0);
    let mut best = (0, 0.0);
    for (v, count) in histogram.iter().enumerate() {
        below += count / n;
        sum += v as f64 * count / n;
        let between = (mean * below - sum).powi(2) / (below * (1.0 - below)).max(1e-12);
        if below < 1.0 && between > best.1 {
            best = (v as u8, between);
        }
    }
    (best.0, if variance > 0.0 { best.1 / variance } else { 0.0 })
}

/// Marks what is outside but cannot reach the image's border.
fn fill_holes(data: &mut [bool], width: usize) -> Result<()> {
    let outside: Vec<f32> = data.iter().map(|&v| f32::from(u8::from(!v))).collect();
    let mut components = Components::default();
    let n = components.run(&outside, width, 0.5)?;
    let labels = components.labels();
    let mut open = vec![false; n + 1];
    border_pixels(width, data.len() / width.max(1)).for_each(|i| open[labels[i] as usize] = true);
    data.iter_mut().zip(labels).for_each(|(v, &label)| *v |= label > 0 && !open[label as usize]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::noise::hash;
    use super::*;

    fn picture(colour: impl Fn(usize, usize) -> u8) -> Picture {
        let data = (0..64 * 48).flat_map(|i| [colour(i % 64, i / 64); 3]).collect();
        Picture { data, width: 64, height: 48 }
    }

    #[test]
    fn a_ring_on_a_noisy_background_is_found_with_its_hole() {
        let noise = |x: usize, y: usize| (6.0 * hash(x as i32, y as i32, 1)) as i32;
        let radius = |x: usize, y: usize| (x as f64 - 32.0).hypot(y as f64 - 24.0);
        let ring = picture(|x, y| {
            let base = if (6.0..15.0).contains(&radius(x, y)) { 180 } else { 60 };
            (base + noise(x, y)) as u8
        });
        let found = foreground(&ring).unwrap();
        for (i, &on) in found.data.iter().enumerate() {
            assert_eq!(on, radius(i % 64, i / 64) < 15.0, "{i}");
        }
    }

    #[test]
    fn textures_and_even_images_belong_to_the_object_altogether() {
        for texture in [
            picture(|_, _| 90),
            picture(|x, y| (128.0 + 40.0 * hash(x as i32, y as i32, 2)) as u8),
            picture(|x, _| if x / 4 % 2 == 0 { 40 } else { 200 }),
        ] {
            assert!(foreground(&texture).unwrap().data.iter().all(|&v| v));
        }
    }

    #[test]
    fn otsu_parts_two_levels_between_them() {
        let (threshold, parted) = otsu(&[10, 10, 10, 12, 200, 202]);
        assert!((12..200).contains(&threshold) && parted > 0.99, "{threshold} {parted}");
        assert_eq!(otsu(&[5, 5]).1, 0.0);
    }
}
