//! What is learned from: categories below folders, and drawn ones.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::dataset::{self, Dataset, Picture, Reading};
use snarm_core::paths::text;
use snarm_core::synthetic::augmentation;
use snarm_core::synthetic::product::Product;
use snarm_core::training::decoder::{Category, Image};

use crate::commands::SetOptions;
use crate::inputs::tell;

/// Which good images are learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shots {
    /// All.
    All,
    /// So many at most, evenly spread over them.
    Most(usize),
    /// So many, evenly spread, each in 22 views.
    Few(usize),
}

/// All categories below the folders, each with its files.
pub(super) fn categories(
    roots: &[PathBuf],
    options: &SetOptions,
    real: bool,
    shots: &Shots,
) -> Result<Vec<(Category, Dataset)>> {
    let mut all: Vec<(Category, Dataset)> = Vec::new();
    for root in roots {
        for folder in dataset::categories(root)? {
            let name = text(folder.file_name().unwrap_or_default());
            let set = match options.find(&folder) {
                Ok(set) => set,
                // A folder of something else beside the categories is no fault of theirs.
                Err(reason) => {
                    tracing::warn!("passed over: {reason}");
                    continue;
                }
            };
            let set = options.checked(set).with_context(|| format!("category {name}"))?;
            if all.iter().any(|(known, _)| known.name == name) {
                bail!("expected categories of different names, found {name} twice");
            }
            all.push((category(&name, &set, real, shots), set));
        }
    }
    if all.is_empty() && !roots.is_empty() {
        let roots: Vec<String> = roots.iter().map(text).collect();
        bail!("expected categories with good images, found none in {}", roots.join(", "));
    }
    Ok(all)
}

fn category(name: &str, set: &Dataset, real: bool, shots: &Shots) -> Category {
    let most = match shots {
        Shots::All => set.train.len(),
        Shots::Most(most) | Shots::Few(most) => (*most).min(set.train.len()),
    };
    let paths = (0..most).map(|i| &set.train[i * set.train.len() / most]);
    let mut category = match shots {
        Shots::Few(_) => {
            let all = paths
                .flat_map(|path| augmentation::few_shot().map(|view| Image::Augmented(path.clone(), view)));
            let mut category = Category::new(name.to_owned(), all.collect());
            category.pieces.iter_mut().for_each(|piece| *piece /= augmentation::FEW_SHOT as u32);
            category
        }
        _ => Category::new(name.to_owned(), paths.map(|path| Image::File(path.clone())).collect()),
    };
    category.reading = set.reading;
    if real {
        let marked = set.test.iter().filter(|sample| sample.anomalous);
        category.defective =
            marked.filter_map(|sample| Some((sample.path.clone(), sample.mask.clone()?))).collect();
    }
    category
}

/// Drawn classes of products.
pub(super) fn drawn(classes: u32, images: u32, side: usize, seed: u64) -> Vec<Category> {
    (0..classes)
        .map(|class| {
            // Neighbouring seeds are different families.
            let product = Product::new(seed.wrapping_mul(1000).wrapping_add(u64::from(class)));
            pieces(format!("drawn-{class}"), product, images, side)
        })
        .collect()
}

/// Classes whose products are pictures, spread evenly over those in the folders.
pub(super) fn photographed(
    folders: &[PathBuf],
    classes: u32,
    images: u32,
    side: usize,
    seed: u64,
    mut reading: Reading,
) -> Result<Vec<Category>> {
    let pictures = dataset::images_of(folders)?;
    if reading.bits.is_none() {
        let depth = dataset::depth_of(&pictures, &reading)?;
        reading.bits = depth.bits();
        tell(&depth, &pictures, &reading);
    }
    let classes = classes as usize;
    if pictures.len() < classes {
        bail!("--picture-classes {classes}: expected as many pictures, found {}", pictures.len());
    }
    (0..classes)
        .map(|class| {
            let path = &pictures[class * pictures.len() / classes];
            let product = Product::of_picture(
                &Picture::read(path, &reading)?,
                seed.wrapping_mul(1000).wrapping_add(class as u64),
            )?;
            let name = text(path.file_stem().unwrap_or_default());
            Ok(pieces(format!("picture-{class}-{name}"), product, images, side))
        })
        .collect()
}

fn pieces(name: String, product: Product, images: u32, side: usize) -> Category {
    let product = Arc::new(product);
    Category::new(name, (0..images).map(|i| Image::Drawn(Arc::clone(&product), i, side)).collect())
}
