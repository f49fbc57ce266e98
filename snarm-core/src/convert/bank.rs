//! Banks: the published dictionary of descriptors, where they come from and how they look, and ours.
//!
//! Ours needs the descriptors and their images. The place of each descriptor and its little picture lie beside them in the
//! file, where nothing but the way back reads them.

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

use super::{Converted, Options};
use crate::bank::{Bank, BankSettings};
use crate::error::{Error, Result};
use crate::files::{self, Weights};
use crate::pickle::{Array, Dump, Kind, Pickle};
use crate::view::{Crop, View};

const WHAT: &str = "bank";

/// The descriptors in a published bank, (n, width).
pub(super) const FEATURES: &str = "sample_features";

/// The same once more: a projection that is not used would make them differ.
const PROJECTED: &str = "sample_pca_features";

/// Numbers of the tokens among those of all images, (n).
const INDICES: &str = "sample_indices";

/// Numbers of their images, (n).
const IMAGES: &str = "sample_image_indices";

/// Pixels around each token, (n, 3, 8, 8).
const PATCHES: &str = "images";

/// Shape of the pixels of a token.
const PATCH: [usize; 3] = [3, 8, 8];

/// What a converted file keeps for the way back.
const KEPT_INDICES: &str = "published.indices";
const KEPT_PATCHES: &str = "published.patches";

pub(super) fn from_pickle(pickle: &Pickle, output: &Path, options: &Options) -> Result<Converted> {
    let wrong = |expected: String, found: String| Error::wrong_file(WHAT, pickle.path(), expected, found);
    let Some(encoder) = &options.encoder else {
        let expected =
            "the encoder of the published bank (--encoder), which the file does not name".to_owned();
        return Err(wrong(expected, "none".to_owned()));
    };
    let get = |name: &str| {
        pickle.array(name)?.ok_or_else(|| wrong(format!("an entry {name}"), "none of that name".to_owned()))
    };
    let features = get(FEATURES)?;
    let width = encoder.geometry().width();
    let vectors = match features.shape[..] {
        [n, w] if n > 0 && w == width => n,
        _ => return Err(wrong(format!("{FEATURES} of shape [n, {width}]"), format!("{:?}", features.shape))),
    };
    let kind = format!("elements of type {:?}", features.kind);
    let features = features.f32s().ok_or_else(|| wrong(format!("{FEATURES} in floating point"), kind))?;
    if let Some(value) = features.iter().find(|value| !value.is_finite()) {
        return Err(wrong("finite descriptors".to_owned(), value.to_string()));
    }
    let whole = |name: &str| -> Result<Vec<i64>> {
        let array = get(name)?;
        let values = array.i64s().filter(|values| values.len() == vectors && array.shape.len() == 1);
        let shape = format!("{:?} of {:?}", array.shape, array.kind);
        values.ok_or_else(|| wrong(format!("{name} of {vectors} whole numbers"), shape))
    };
    let (indices, images) = (whole(INDICES)?, whole(IMAGES)?);
    let tokens = encoder.geometry().tokens() as i64;
    let of_image = |image: i64| u32::try_from(image).ok();
    let numbers: Option<Vec<u32>> = images.iter().map(|image| of_image(*image)).collect();
    let numbers = numbers.ok_or_else(|| wrong(format!("{IMAGES} from 0 on"), "others".to_owned()))?;
    if let Some(at) =
        indices.iter().zip(&images).position(|(index, image)| index.div_euclid(tokens) != *image)
    {
        let expected = format!("{tokens} tokens an image, as the encoder makes them");
        return Err(wrong(expected, format!("token {} in image {}", indices[at], images[at])));
    }
    let patches = pickle.array(PATCHES)?.filter(|array| array.kind == Kind::F32);

    let view = View { crop: options.crop, ..View::default() };
    let settings = BankSettings { view, ..BankSettings::default() };
    let bank = Bank::of_descriptors(Arc::clone(encoder), settings, features, numbers)?;
    let bytes = bytemuck::cast_slice(&indices);
    let tensor = |dtype, shape: Vec<usize>, data| {
        TensorView::new(dtype, shape, data).map_err(|e| wrong("whole tensors".to_owned(), e.to_string()))
    };
    let mut kept = vec![(KEPT_INDICES, tensor(Dtype::I64, vec![vectors], bytes)?)];
    if let Some(patches) = &patches {
        kept.push((KEPT_PATCHES, tensor(Dtype::F32, patches.shape.clone(), &patches.data)?));
    }
    bank.save_with(output, kept)?;
    let images = images.iter().collect::<std::collections::HashSet<_>>().len();
    Ok(Converted::Bank { vectors, images })
}

pub(super) fn to_pickle(input: &Path, output: &Path) -> Result<Converted> {
    let (bank, file) = (Bank::open(input)?, Weights::open(input)?);
    if bank.memory().is_none() {
        return Err(Error::wrong_file(WHAT, input, "a bank with descriptors", "one without"));
    }
    let vectors = bank.vectors();
    let features = Array::of_f32(&[vectors, bank.width()], bank.rows().data);
    // The header of a file may claim any grid.
    let tokens = bank.header().grid.checked_pow(2).and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
    // A bank of our own does not know the places of its descriptors: the first of each image stands for all.
    let unknown = || bank.images().iter().map(|image| i64::from(*image).saturating_mul(tokens)).collect();
    let indices = file.wholes(KEPT_INDICES)?.unwrap_or_else(unknown);
    let images: Vec<f32> = bank.images().iter().map(|image| *image as f32).collect();
    let patches = match file.get(KEPT_PATCHES)? {
        Some(tensor) => Array::of_f32(&tensor.shape, &tensor.data),
        None => {
            let shape: Vec<usize> = std::iter::once(vectors).chain(PATCH).collect();
            Array::of_f32(&shape, &vec![0.0; shape.iter().product()])
        }
    };
    let mut dump = Dump::new();
    dump.tensor(FEATURES, &features);
    dump.tensor(PROJECTED, &features);
    dump.array(INDICES, &Array::of_i64(&[vectors], &indices));
    dump.tensor(IMAGES, &Array::of_f32(&[vectors], &images));
    dump.instance("pca", ("residual.pca_torch", "PCA_torch"), "n_components", -1);
    dump.tensor(PATCHES, &patches);
    files::replace(output, &dump.finish()).map_err(|e| Error::write(WHAT, output, e))?;
    Ok(Converted::Pickle { vectors, lost: lost(&bank) })
}

/// What a bank says that a published one cannot: that holds descriptors and the images that they are of.
fn lost(bank: &Bank) -> Vec<String> {
    let mut lost = Vec::new();
    let View { crop, roi, ignore, tiles } = bank.view();
    if let Some(roi) = roi {
        lost.push(format!("roi {roi}"));
    }
    if let Some(mask) = ignore {
        lost.push(format!("an ignore mask of {}x{}", mask.width(), mask.height()));
    }
    if !tiles.is_none() {
        lost.push(format!("tiles {tiles}"));
    }
    // What a published one is of.
    if crop != Crop::Paper {
        lost.push(format!("crop {}", crop.name()));
    }
    if bank.calibrations().any(|calibration| calibration.frames > 0) {
        lost.push("thresholds from the scores of good frames".to_owned());
    }
    if bank.place_radius().is_some() {
        lost.push("places of vectors".to_owned());
    }
    if bank.light().is_some() {
        lost.push("light".to_owned());
    }
    if bank.group_scales().iter().any(|scale| *scale != 1.0) {
        lost.push("scales of its networks".to_owned());
    }
    lost
}
