//! The two resizes as single formulas for each byte, without tables.

use super::Size;

/// [`super::opencv_linear`].
///
/// # Panics
/// When `image` is shorter than `src`.
pub fn opencv_linear(image: &[u8], src: Size, dst: Size, channels: usize) -> Vec<u8> {
    let at = |x: usize, y: usize, c: usize| i32::from(image[(y * src.width + x) * channels + c]);
    let position = |d: usize, src: usize, dst: usize| {
        let c = ((d as f64 + 0.5) * (1.0 / (dst as f64 / src as f64)) - 0.5) as f32;
        (c.floor(), c - c.floor())
    };
    let weights = |f: f32| [1.0 - f, f].map(|part| (part * 2048.0).round_ties_even() as i32);
    let mut out = Vec::new();
    for y in 0..dst.height {
        let (i, f) = position(y, src.height, dst.height);
        let rows = [i, i + 1.0].map(|i| i.clamp(0.0, src.height as f32 - 1.0) as usize);
        let down = weights(f);
        for x in 0..dst.width {
            let (i, f) = position(x, src.width, dst.width);
            let inside = i >= 0.0 && i < src.width as f32 - 1.0;
            let columns = [i, i + 1.0].map(|i| i.clamp(0.0, src.width as f32 - 1.0) as usize);
            let across = weights(if inside { f } else { 0.0 });
            for c in 0..channels {
                let h =
                    rows.map(|row| across[0] * at(columns[0], row, c) + across[1] * at(columns[1], row, c));
                let v = ((down[0] * (h[0] >> 4)) >> 16) + ((down[1] * (h[1] >> 4)) >> 16);
                out.push(((v + 2) >> 2) as u8);
            }
        }
    }
    out
}

/// [`super::pil_bilinear`].
///
/// # Panics
/// When `image` is shorter than `src`.
pub fn pil_bilinear(image: &[u8], src: Size, dst: Size, channels: usize) -> Vec<u8> {
    let across = |x: usize, y: usize, c: usize| {
        weighted(x, src.width, dst.width, |k| image[(y * src.width + k) * channels + c])
    };
    let mut out = Vec::new();
    for y in 0..dst.height {
        for x in 0..dst.width {
            for c in 0..channels {
                out.push(weighted(y, src.height, dst.height, |k| across(x, k, c)));
            }
        }
    }
    out
}

/// One result of one axis.
fn weighted(o: usize, src: usize, dst: usize, sample: impl Fn(usize) -> u8) -> u8 {
    let scale = src as f64 / dst as f64;
    let support = scale.max(1.0);
    let centre = (o as f64 + 0.5) * scale;
    let taps = ((centre - support + 0.5).max(0.0) as usize)..((centre + support + 0.5) as usize).min(src);
    let weight = |k: usize| (1.0 - ((k as f64 - centre + 0.5) / support).abs()).max(0.0);
    let sum: f64 = taps.clone().map(weight).sum();
    let total: i64 = taps.map(|k| (0.5 + weight(k) / sum * 4_194_304.0) as i64 * i64::from(sample(k))).sum();
    ((total + 2_097_152) >> 22).clamp(0, 255) as u8
}
