//! Small pictures as data URIs.

use anyhow::{Context, Result};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, RgbImage};
use snarm_core::dataset::Picture;

/// Box that a picture is shrunk into.
const BOX: [usize; 2] = [336, 336];

const QUALITY: u8 = 80;

/// The picture within the box; small ones stay as they are.
pub(super) fn shrink(picture: &Picture) -> Result<Picture> {
    let scale = |n: usize, most: usize| most as f64 / n.max(1) as f64;
    let factor = scale(picture.width, BOX[0]).min(scale(picture.height, BOX[1]));
    if factor >= 1.0 {
        return Ok(picture.clone());
    }
    let side = |n: usize| ((n as f64 * factor).round() as u32).max(1);
    let image = RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.data.clone())
        .with_context(|| format!("picture: expected {}x{} RGB", picture.width, picture.height))?;
    let (width, height) = (side(picture.width), side(picture.height));
    let image = resize(&image, width, height, FilterType::Triangle);
    Ok(Picture { data: image.into_raw(), width: width as usize, height: height as usize })
}

/// The picture as a JPEG that lies in the page.
pub(super) fn data_uri(picture: &Picture) -> Result<String> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode(
        &picture.data,
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(format!("data:image/jpeg;base64,{}", base64(&bytes)))
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let known = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (n, expected) in known.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..n]), expected);
        }
    }

    #[test]
    fn pictures_keep_their_shape() {
        let picture = Picture { data: vec![90; 3 * 1540 * 645], width: 1540, height: 645 };
        let small = shrink(&picture).unwrap();
        assert_eq!((small.width, small.height), (336, 141));
        assert!(small.data.iter().all(|v| *v == 90));
        let tiny = Picture { data: vec![1; 12], width: 2, height: 2 };
        assert_eq!(shrink(&tiny).unwrap(), tiny);
        assert!(data_uri(&tiny).unwrap().starts_with("data:image/jpeg;base64,/9j/"));
    }
}
