//! Whether a device finds what the processor finds, before frames are left to it: both look at a built-in picture. Stacks of
//! drivers that return wrong numbers are a known complaint, and a wrong number may look like a good part.

use std::sync::Arc;

use snarm_kernels::device::Place;
use snarm_kernels::frame::Frame;

use super::extract::Extractor;
use super::lighting::Lighting;
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::view::View;

/// Width and height of the picture.
const SIZE: [usize; 2] = [160, 120];

/// The most that descriptors may be apart, as a part of their length. Products of bf16 make up to a hundredth of it.
const DESCRIPTORS: f64 = 0.03;

/// The most that raw maps may be apart, as a part of their length. Distances are differences of descriptors.
const MAPS: f64 = 0.1;

/// The most that numbers of light may be apart, as a part of their length. Nothing of them is rounded to bf16.
const LIGHT: f64 = 0.002;

/// Checks that an encoder gives the same descriptors there as on the processor, and that light is measured as there.
///
/// # Errors
/// When it does not, does not run there, or the device lacks the memory or fails.
pub(crate) fn check_encoder(encoder: &Arc<Encoder>, place: &Place) -> Result<()> {
    let mut extractor = Extractor::new(Arc::clone(encoder), View::squeezed(), None)?;
    extractor.set_lighting(Lighting::Measured);
    let picture = picture();
    let look = |extractor: &mut Extractor| -> Result<[Vec<f32>; 2]> {
        extractor.run(&frame(&picture)?, &mut Default::default())?;
        extractor.fetch()?;
        Ok([extractor.light_numbers(), extractor.descriptors.clone()])
    };
    let [light, descriptors] = look(&mut extractor)?;
    extractor.move_to(place)?;
    let [found_light, found] = look(&mut extractor)?;
    check_light(&light, &found_light)?;
    check_descriptors(&descriptors, &found)
}

/// Checks that numbers of the light of the picture are the same.
///
/// # Errors
/// When they are not.
pub(super) fn check_light(expected: &[f32], found: &[f32]) -> Result<()> {
    check("light", LIGHT, expected, found)
}

/// Checks that descriptors of the picture are the same.
///
/// # Errors
/// When they are not.
pub(super) fn check_descriptors(expected: &[f32], found: &[f32]) -> Result<()> {
    check("descriptors", DESCRIPTORS, expected, found)
}

/// Checks that raw maps of the picture are the same.
///
/// # Errors
/// When they are not.
pub(super) fn check_maps(expected: &[f32], found: &[f32]) -> Result<()> {
    check("scores", MAPS, expected, found)
}

/// Compares what a device found with what was expected.
fn check(what: &str, most: f64, expected: &[f32], found: &[f32]) -> Result<()> {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let apart = square(&mut expected.iter().zip(found).map(|(e, f)| e - f));
    let apart = (apart / square(&mut expected.iter().copied()).max(f64::MIN_POSITIVE)).sqrt();
    if expected.len() == found.len() && apart <= most {
        return Ok(());
    }
    Err(Error::Mismatch {
        what: "device",
        expected: format!("{what} of a built-in picture within {most} of the CPU's, relatively"),
        found: format!("{apart:.3}"),
    })
}

/// The picture as a frame.
///
/// # Errors
/// Never, as it has its size.
pub(super) fn frame(picture: &[u8]) -> Result<Frame<'_>> {
    Ok(Frame::rgb(picture, SIZE[0], SIZE[1])?)
}

/// Stripes, a gradient and a blotch of another colour, in RGB.
pub(super) fn picture() -> Vec<u8> {
    let [width, height] = SIZE;
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        let stripe = if (x + y / 3) / 9 % 2 == 0 { 60 } else { 0 };
        let base = (40 + stripe + y) as u8;
        let is_blotch = (40..64).contains(&x) && (30..70).contains(&y);
        if is_blotch { [200, 30, base] } else { [base, base + 20, base / 2] }
    };
    (0..width * height).flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_apart_or_no_number_is_refused() {
        let expected = [1.0, -2.0, 3.0];
        check("scores", 0.1, &expected, &[1.05, -2.05, 3.0]).unwrap();
        for found in [&[1.0, -2.0, 4.0][..], &[1.0, f32::NAN, 3.0], &[0.0; 3], &[1.0, -2.0]] {
            let refused = check("scores", 0.1, &expected, found).unwrap_err().to_string();
            assert!(
                refused.starts_with("device: expected scores of a built-in picture within 0.1 of the CPU's"),
                "{refused}"
            );
        }
    }
}
