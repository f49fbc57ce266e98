//! Which masks are defects: the rule on the size of their components.

use snarm_kernels::components::Components;

use super::settings::Small;
use crate::dataset::Mask;
use crate::error::Result;

/// Numbers the 8-connected components of a mask from 1 and counts their pixels: `areas[0]` is all that is outside.
///
/// # Errors
/// When the fields of the mask do not fit each other.
pub fn components(mask: &Mask) -> Result<(Vec<u32>, Vec<usize>)> {
    let mut components = Components::default();
    let values: Vec<f32> = mask.data.iter().map(|&v| f32::from(u8::from(v))).collect();
    let n = components.run(&values, mask.width, 0.5)?;
    let labels = components.labels().to_vec();
    let mut areas = vec![0; n + 1];
    labels.iter().for_each(|&label| areas[label as usize] += 1);
    Ok((labels, areas))
}

/// Whether a mask may stand: not empty, and every component, as well as all that is outside, has more pixels than the
/// part `min_area` of the image. With [`Small::Remove`], components that are too small are removed first.
///
/// # Errors
/// When the fields of the mask do not fit each other.
pub fn accept(mask: &mut Mask, min_area: f64, small: Small) -> Result<bool> {
    let (labels, areas) = components(mask)?;
    // 250 of 392 x 392 pixels, written as a part of the area, must not become 249 by rounding.
    let floor = (min_area * mask.data.len() as f64 + 1e-6) as usize;
    let large = |label: u32| areas[label as usize] > floor;
    if small == Small::Remove {
        mask.data.iter_mut().zip(&labels).for_each(|(marked, &label)| *marked &= large(label));
        let left = mask.data.iter().filter(|&&marked| marked).count();
        return Ok(left > 0 && mask.data.len() - left > floor);
    }
    Ok(areas.len() > 1 && (0..areas.len() as u32).all(large))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10 x 10 with a block of 3 x 3 whose corner touches a block of 2 x 2 (one component of 13), and one pixel.
    fn mask(single: bool) -> Mask {
        let mut mask = Mask::empty(10, 10);
        for i in (0..3).flat_map(|y| (0..3).map(move |x| y * 10 + x)) {
            mask.data[i] = true;
        }
        for i in [33, 34, 43, 44] {
            mask.data[i] = true;
        }
        mask.data[88] = single;
        mask
    }

    #[test]
    fn corners_connect_and_the_outside_counts_as_one() {
        let (_, areas) = components(&mask(true)).unwrap();
        assert_eq!(areas, [86, 13, 1]);
    }

    #[test]
    fn every_component_must_exceed_the_smallest_area() {
        let check = |single, min_area| accept(&mut mask(single), min_area, Small::Reject).unwrap();
        assert!(check(false, 0.0) && check(true, 0.0) && check(false, 0.12));
        assert!(!check(false, 0.13), "13 pixels are not more than 13");
        assert!(!check(true, 0.01));
        let mut almost_all = Mask { data: vec![true; 100], width: 10, height: 10 };
        almost_all.data[0] = false;
        assert!(!accept(&mut almost_all, 0.01, Small::Reject).unwrap(), "one pixel of background");
        assert!(!accept(&mut Mask::empty(10, 10), 0.0, Small::Reject).unwrap(), "nothing marked");
    }

    #[test]
    fn small_components_are_removed_where_that_is_the_rule() {
        let mut cleaned = mask(true);
        assert!(accept(&mut cleaned, 0.01, Small::Remove).unwrap());
        assert_eq!(cleaned, mask(false));
        assert!(!accept(&mut cleaned, 0.2, Small::Remove).unwrap(), "nothing is left");
    }

    #[test]
    fn published_pixels_survive_as_a_part_of_the_area() {
        let min_area = super::super::Settings::snarm().min_area;
        let block = |n: usize| {
            let mut mask = Mask::empty(392, 392);
            mask.data[..n].fill(true);
            accept(&mut mask, min_area, Small::Reject).unwrap()
        };
        assert!(!block(250) && block(251));
    }
}
