//! How long the groups of channels of descriptors are to each other.
//!
//! Networks that see different things give distances of different sizes. Each group is brought to the length with which the
//! distances of good frames have one mean in all groups; the search over whole descriptors then adds squares of distances
//! that mean the same. The first group keeps its length.

use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use snarm_kernels::device::BufferView;
use snarm_kernels::nearest::{Labels, Rows, Workspace, nearest, squared_norms};

use super::blocks::Blocks;
use super::sample::Sample;
use crate::error::Result;

/// Descriptors that are compared with others.
const PROBES: usize = 1024;

/// Descriptors that they are compared with.
const ROWS: usize = 8192;

/// Rows whose mean distance counts, as in the score.
const NEIGHBOURS: usize = 3;

/// The scale of each group of channels, by the distances of collected descriptors to the nearest of other blocks of frames.
pub(super) fn find(
    sample: &Sample,
    groups: &[usize],
    blocks: Blocks,
    mut rng: ChaCha8Rng,
) -> Result<Vec<f32>> {
    let mut draw = |n: usize| index::sample(&mut rng, sample.len(), n.min(sample.len())).into_vec();
    let (probes, rows) = (draw(PROBES), draw(ROWS));
    let labels = |places: &[usize]| -> Vec<u32> {
        places.iter().map(|place| blocks.of(sample.image(*place))).collect()
    };
    let (probe_blocks, row_blocks) = (labels(&probes), labels(&rows));
    let (mut first, mut means) = (0, Vec::new());
    for width in groups {
        let gather = |places: &[usize]| -> Vec<f32> {
            places.iter().flat_map(|place| &sample.row(*place)[first..first + width]).copied().collect()
        };
        let (probes, rows) = (gather(&probes), gather(&rows));
        let labels = Labels { queries: (&probe_blocks).into(), rows: (&row_blocks).into() };
        means.push(mean_distance(&probes, &rows, *width, labels)?);
        first += width;
    }
    let of = |mean: &f64| (means[0] / mean) as f32;
    let scales: Vec<f32> = means.iter().map(of).collect();
    // Frames that are copies of each other say nothing.
    let is_scale = |scale: &f32| scale.is_finite() && *scale > 0.0;
    Ok(if scales.iter().all(is_scale) { scales } else { vec![1.0; groups.len()] })
}

/// Mean distance of the probes to their nearest rows of other labels.
fn mean_distance(
    probes: &[f32],
    rows: &[f32],
    width: usize,
    labels: Labels<BufferView<'_, u32>>,
) -> Result<f64> {
    let mut norms = vec![0.0; rows.len() / width];
    let mut squares = vec![0.0; probes.len() / width * NEIGHBOURS];
    let mut indices = vec![0; squares.len()];
    snarm_kernels::threads::install(|| -> Result<()> {
        squared_norms(rows, width, &mut norms)?;
        let rows = Rows { data: rows, norms: &norms[..] };
        let (mut workspace, others) = (Workspace::default(), labels.into());
        nearest(probes, width, rows, others, NEIGHBOURS, &mut workspace, &mut indices, &mut squares)?;
        Ok(())
    })??;
    let found = squares.iter().filter(|square| square.is_finite());
    let n = found.clone().count().max(1);
    Ok(found.map(|square| f64::from(*square).sqrt()).sum::<f64>() / n as f64)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::places::NOWHERE;

    use super::*;
    use crate::bank::BankSettings;
    use crate::encoder::seeded::values;

    fn sample(groups: [usize; 2], second: f32) -> Sample {
        let rng = || ChaCha8Rng::seed_from_u64(1);
        let mut sample = Sample::new(groups[0] + groups[1], &BankSettings::default(), rng(), rng());
        for image in 0..8_u32 {
            for row in 0..60 {
                let noise = |part: &str, width| values(&format!("{part}{image}.{row}"), width, 0.0, 1.0);
                let mut row = noise("first", groups[0]);
                row.extend(noise("second", groups[1]).iter().map(|v| second * v));
                sample.add(&row, image, NOWHERE).unwrap();
            }
        }
        sample
    }

    fn scales(groups: [usize; 2], second: f32) -> Vec<f32> {
        let blocks = Blocks::new(0, 8, 0.2);
        find(&sample(groups, second), &groups, blocks, ChaCha8Rng::seed_from_u64(2)).unwrap()
    }

    #[test]
    fn groups_are_brought_to_one_mean_distance() {
        let [first, second] = scales([6, 6], 5.0)[..] else { panic!("two groups") };
        assert!(first == 1.0 && (second - 0.2).abs() < 0.01, "{second}");
        // Distances between wide rows are larger than between narrow ones of elements of one size.
        let [_, wide] = scales([6, 24], 1.0)[..] else { panic!("two groups") };
        assert!((0.2..0.5).contains(&wide), "{wide}");
    }

    #[test]
    fn a_group_in_which_all_is_alike_gives_no_scale() {
        assert_eq!(scales([6, 6], 0.0), [1.0, 1.0]);
    }
}
