//! How far one gets without any network: a patch of 16 x 16 pixels is the mean colours of its four quarters, and its score
//! the distance to the nearest such patch of the good images. Image and pixel AUROC, a line a category; what an encoder
//! adds is what it has more than this (docs/accuracy.md).
//!
//! `cargo run --release -p snarm-core --example pixel_baseline DATA CATEGORY...`

#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::path::Path;

use snarm_core::dataset::{Dataset, Mask, Picture};
use snarm_core::metrics::{Samples, auroc};
use snarm_core::view::Rect;
use snarm_kernels::Grid;
use snarm_kernels::blur::Blur;
use snarm_kernels::nearest::{Filter, Rows, Workspace, nearest, squared_norms};
use snarm_kernels::pooled_max::pooled_max;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor, Rect as Fractions};
use snarm_kernels::upsample::{Corners, Upsample};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Side of the input, of its grid of patches, and of the squares that are averaged.
const SIDE: usize = 384;
const GRID: usize = 24;
const SQUARE: usize = 8;

/// Numbers of a patch.
const WIDTH: usize = 12;

/// As many rows as a bank has.
const CAPACITY: usize = 10_000;

/// Smoothing and pooling of the map, as for any encoder.
const SIGMA: f64 = 4.0;
const WINDOW: usize = 16;
const STRIDE: usize = 2;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((data, categories)) = arguments.split_first() else {
        return Err("expected DATA CATEGORY..., found nothing".into());
    };
    for category in categories {
        let set = Dataset::open(&Path::new(data).join(category))?;
        let [images, pixels] = snarm_core::threads::install(|| figures(&set))??;
        let show = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        println!("{category}: image AUROC {}, pixel AUROC {}", show(images), show(pixels));
    }
    Ok(())
}

fn figures(set: &Dataset) -> Result<[Option<f64>; 2]> {
    let spec = PreprocessSpec {
        size: Grid::square(SIDE),
        fit: Fit::Full,
        region: Fractions::WHOLE,
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let mut preprocessor = Preprocessor::new(spec)?;
    let mut all = Vec::new();
    for path in &set.train {
        all.extend(patches(&mut preprocessor, &Picture::open(path)?)?);
    }
    let every = (all.len() / WIDTH).div_ceil(CAPACITY).max(1);
    let rows: Vec<f32> = all.chunks_exact(WIDTH).step_by(every).flatten().copied().collect();
    let mut norms = vec![0.0; rows.len() / WIDTH];
    squared_norms(&rows, WIDTH, &mut norms)?;

    let mut upsample = Upsample::new((GRID, GRID), (SIDE, SIDE), 1, Corners::Edges);
    let mut blur = Blur::new(SIDE, SIDE, SIGMA);
    let (mut workspace, mut sums) = (Workspace::default(), Vec::new());
    let (mut images, mut pixels, mut marked) = (Samples::new(), Samples::new(), false);
    for sample in &set.test {
        let picture = Picture::open(&sample.path)?;
        let queries = patches(&mut preprocessor, &picture)?;
        let (mut indices, mut distances) = (vec![0; GRID * GRID], vec![0.0; GRID * GRID]);
        let bank = Rows { data: &rows, norms: &norms };
        let filter = Filter::default();
        nearest(&queries, WIDTH, bank, filter, 1, &mut workspace, &mut indices, &mut distances)?;
        distances.iter_mut().for_each(|d| *d = d.sqrt());
        let mut map = vec![0.0; SIDE * SIDE];
        upsample.run(&distances, &mut map)?;
        blur.run(&mut map)?;
        images.push(pooled_max(&map, SIDE, WINDOW, STRIDE, &mut sums)?, sample.anomalous);
        let mask = match &sample.mask {
            Some(path) => Mask::open(path)?,
            None if sample.anomalous => continue,
            None => Mask::empty(picture.width, picture.height),
        };
        marked |= sample.mask.is_some();
        let labels = mask.on_map(Grid::square(SIDE), Rect::WHOLE);
        pixels.extend(map.iter().zip(labels).filter_map(|(&score, label)| Some((score, label?))));
    }
    let pixels = if marked { auroc(&pixels.rank()?) } else { None };
    Ok([auroc(&images.rank()?), pixels])
}

/// The patches of a picture, (GRID * GRID, WIDTH).
fn patches(preprocessor: &mut Preprocessor, picture: &Picture) -> Result<Vec<f32>> {
    let mut input = vec![0.0; 3 * SIDE * SIDE];
    preprocessor.run(&picture.frame()?, &mut input)?;
    let mean = |channel: usize, top: usize, left: usize| {
        let rows = (top..top + SQUARE).map(|row| (channel * SIDE + row) * SIDE + left);
        rows.flat_map(|at| &input[at..at + SQUARE]).sum::<f32>() / (SQUARE * SQUARE) as f32
    };
    let per_patch = SIDE / GRID / SQUARE;
    let mut patches = Vec::with_capacity(GRID * GRID * WIDTH);
    for cell in 0..GRID * GRID {
        for square in 0..per_patch * per_patch {
            let row = cell / GRID * per_patch + square / per_patch;
            let col = cell % GRID * per_patch + square % per_patch;
            patches.extend((0..3).map(|channel| mean(channel, row * SQUARE, col * SQUARE)));
        }
    }
    Ok(patches)
}
