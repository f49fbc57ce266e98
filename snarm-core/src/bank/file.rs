//! Bank files: sealed (`files/sealed.rs`), with an entry that says what they are.
//!
//! Tensors: `features` (vectors, width) f32, `images` (vectors) u32 (both are missing where the bank was made for decoders
//! alone that need no descriptors, whose calibrations are then the only ones), and where something is ignored `ignore_mask`
//! (height, ceil(width / 8)) u8, eight pixels a byte; `sketches` (frames, 128) f32 and `sketch_images` (frames) u32, by which
//! copies of frames are known when the bank is continued, and which may be missing; `light_cells` (tiles * 64, 8) and
//! `light_range` (2, 10) f32, what light learned frames have, which may be missing; `places` (vectors, words) u32, where in the frame
//! each vector was seen, where the header has `placed`. The entry is a JSON object with
//! `format`, `version`, `bank`, `calibration`, and two that may be missing: `trained`, a list of the calibrations with trained
//! decoders, and `origins`, a list of objects with the number of an `image` and where it comes from.

use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::likeness::{NUMBERS, Sketches};
use super::origin::Origins;
use super::places::Places;
use super::{Bank, Calibration, Header, Memory};
use crate::encoder::name_today;
use crate::error::{Error, Result};
use crate::files::{self, Sealed, VERSION, hex, seal};
use crate::light::{self, Light};
use crate::models::snarm::TRAINING_FREE;
use crate::view::IgnoreMask;

pub(super) const WHAT: &str = "bank";
const FORMAT: &str = "snarm-bank";

/// The tensor of the ignore mask.
const MASK: &str = "ignore_mask";

/// The tensors of sketches and their frames.
const SKETCHES: &str = "sketches";
const SKETCH_IMAGES: &str = "sketch_images";

/// The tensor of places.
const PLACES: &str = "places";

/// The tensors of light.
const LIGHT_CELLS: &str = "light_cells";
const LIGHT_RANGE: &str = "light_range";

/// The largest number taken for an element of a descriptor; others are damage.
const LARGEST: f32 = 1e6;

/// The largest side of an input, and of a grid.
const LARGEST_SIDE: usize = 4096;

/// How many times as long as wide a frame may be: no picture or video has a longer side.
const LONGEST: f64 = 65536.0;

/// What groups of channels may be multiplied by: descriptors stay finite, and do not vanish.
const SCALES: std::ops::RangeInclusive<f32> = 1e-9..=1e9;

/// The most frames that a bank is made of.
const MOST_FRAMES: usize = 1 << 31;

/// Identity of a bank: SHA-256 of its header, calibrations, ignore mask, descriptors, their places, and light.
pub(super) fn digest(
    header: &Header,
    calibrations: &[Calibration],
    ignore: Option<&IgnoreMask>,
    memory: Option<&Memory>,
    light: Option<&Light>,
) -> String {
    let mut hash = Sha256::new();
    let (calibration, trained) = (&calibrations[0], &calibrations[1..]);
    hash.update(format!("{header:?}{calibration:?}{trained:?}"));
    hash.update(ignore.map(IgnoreMask::to_bits).unwrap_or_default());
    hash.update(bytemuck::cast_slice::<f32, u8>(memory.map_or(&[], |memory| memory.rows().data)));
    if let Some(places) = memory.and_then(Memory::places) {
        hash.update(bytemuck::cast_slice::<u32, u8>(places.seen()));
    }
    if let Some((cells, range)) = light.map(Light::to_numbers) {
        hash.update(bytemuck::cast_slice::<f32, u8>(&cells));
        hash.update(bytemuck::cast_slice::<f32, u8>(&range));
    }
    hex(&hash.finalize())
}

/// Writes a bank, and `more` tensors beside its own.
pub(super) fn save(bank: &Bank, path: &Path, more: Vec<(&str, TensorView<'_>)>) -> Result<()> {
    let bytes = bytes(bank, more);
    bytes.and_then(|bytes| files::replace(path, &bytes)).map_err(|e| Error::write(WHAT, path, e))
}

/// A bank as bytes of a file, with `more` tensors beside its own.
pub(super) fn bytes(bank: &Bank, more: Vec<(&str, TensorView<'_>)>) -> std::io::Result<Vec<u8>> {
    let about = serde_json::json!({
        "format": FORMAT,
        "version": VERSION,
        "bank": bank.header,
        "calibration": bank.calibrations[0],
        "trained": bank.calibrations[1..],
        "origins": bank.origins,
    });
    let (vectors, width) = (bank.vectors(), bank.width());
    let (features, images) = (bytemuck::cast_slice(bank.rows().data), bytemuck::cast_slice(bank.images()));
    let view = |dtype, shape, data| TensorView::new(dtype, shape, data).map_err(std::io::Error::other);
    let bits = bank.ignore.as_deref().map(|mask| (mask.height(), mask.to_bits()));
    let mut tensors: Vec<(&str, TensorView<'_>)> = more;
    if bank.memory.is_some() {
        tensors.push(("features", view(Dtype::F32, vec![vectors, width], features)?));
        tensors.push(("images", view(Dtype::U32, vec![vectors], images)?));
    }
    if let Some(places) = bank.memory.as_ref().and_then(Memory::places) {
        let seen = bytemuck::cast_slice(places.seen());
        tensors.push((PLACES, view(Dtype::U32, vec![vectors, places.words()], seen)?));
    }
    if let Some((height, bits)) = &bits {
        tensors.push((MASK, view(Dtype::U8, vec![*height, bits.len() / height], bits)?));
    }
    let (frames, sketches) = (bank.sketches.images(), bytemuck::cast_slice(bank.sketches.data()));
    if !frames.is_empty() {
        tensors.push((SKETCHES, view(Dtype::F32, vec![frames.len(), NUMBERS], sketches)?));
        tensors.push((SKETCH_IMAGES, view(Dtype::U32, vec![frames.len()], bytemuck::cast_slice(frames))?));
    }
    let light = bank.light.as_ref().map(|light| light.to_numbers());
    if let Some((cells, range)) = &light {
        let shape = vec![cells.len() / light::NUMBERS, light::NUMBERS];
        tensors.push((LIGHT_CELLS, view(Dtype::F32, shape, bytemuck::cast_slice(cells))?));
        tensors.push((LIGHT_RANGE, view(Dtype::F32, vec![2, light::ENDS], bytemuck::cast_slice(range))?));
    }
    seal(&about, tensors)
}

pub(super) fn open(path: &Path) -> Result<Bank> {
    let bytes = files::read(WHAT, path)?;
    let wrong = |expected: &str, found: String| Error::wrong_file(WHAT, path, expected, found);
    let file = Sealed::of(WHAT, path, &bytes)?;
    let mut about: Value = serde_json::from_str(&file.about).unwrap_or_default();
    if about["format"] != FORMAT {
        let found = match file.about.as_str() {
            "" => format!("a safetensors file of {} tensors that is no bank", file.metadata.tensors().len()),
            _ => format!("format {}", about["format"]),
        };
        return Err(wrong("a snarm bank", found));
    }
    if !file.is_version(&about["version"]) {
        let sealed = if file.sealed { "with" } else { "without" };
        let found = format!("version {} {sealed} a digest", about["version"]);
        return Err(wrong("a bank of version 1, or 2 with a digest", found));
    }
    let mut header: Header = serde_json::from_value(about["bank"].take())
        .map_err(|e| wrong("a header of a bank", e.to_string()))?;
    header.encoder = name_today(&header.encoder, &header.encoder_digest);
    let calibration: Calibration = serde_json::from_value(about["calibration"].take())
        .map_err(|e| wrong("a calibration of a bank", e.to_string()))?;
    let mut calibrations = vec![calibration];
    match about["trained"].take() {
        Value::Null => {}
        list => {
            let trained: Vec<Calibration> = serde_json::from_value(list)
                .map_err(|e| wrong("a list of calibrations of a bank", e.to_string()))?;
            calibrations.extend(trained);
        }
    }
    let origins = match about["origins"].take() {
        Value::Null => Origins::default(),
        list => serde_json::from_value(list)
            .map_err(|e| wrong("a list of the places that images come from", e.to_string()))?,
    };
    let tensor = |name: &str, dtype: Dtype| match file.tensor(name) {
        None => Err(wrong(&format!("a tensor {name}"), "none of that name".into())),
        Some((found, ..)) if found != dtype => {
            Err(wrong(&format!("{name} of type {dtype:?}"), format!("{found:?}")))
        }
        Some((_, shape, data)) => Ok((shape, data)),
    };
    // Scores without a decoder are distances from descriptors.
    let has_memory = file.tensor("features").is_some() || calibrations[0].scorer == TRAINING_FREE;
    let memory = if has_memory {
        let ((features_shape, features), (images_shape, images)) =
            (tensor("features", Dtype::F32)?, tensor("images", Dtype::U32)?);
        match (features_shape, images_shape) {
            ([vectors, width], [n]) if vectors == n && *n > 0 && *width > 0 => {}
            (features, images) => {
                let found = format!("{features:?} and {images:?}");
                return Err(wrong("features (n, width) and images (n)", found));
            }
        }
        let (features, images): (Vec<f32>, Vec<u32>) = (floats(features), wholes(images));
        if let Some(value) = features.iter().find(|value| value.is_nan() || value.abs() > LARGEST) {
            return Err(wrong(&format!("finite descriptors, up to {LARGEST:e}"), format!("{value:e}")));
        }
        if let Some(image) = images.iter().find(|image| **image as usize >= MOST_FRAMES) {
            return Err(wrong("numbers of images below 2^31", image.to_string()));
        }
        Some((features, images))
    } else {
        None
    };
    if let Some((expected, found)) = header.fault() {
        return Err(wrong(expected, found));
    }
    if let Some(calibration) = calibrations.iter().find(|one| !one.is_sane()) {
        return Err(wrong("a calibration with scores in 0..1", format!("{calibration:?}")));
    }
    if header.picture_bits.is_some_and(|bits| !(8..=16).contains(&bits)) {
        return Err(wrong("pictures of 8 to 16 bits", format!("{:?}", header.picture_bits)));
    }
    if let Some(scale) = header.group_scales.iter().find(|scale| !SCALES.contains(*scale)) {
        let expected = format!("scales of groups from {:e} to {:e}", SCALES.start(), SCALES.end());
        return Err(wrong(&expected, scale.to_string()));
    }
    let ignore = match header.ignore_mask {
        Some([width, height]) => {
            let (_, bits) = tensor(MASK, Dtype::U8)?;
            let mask = IgnoreMask::from_bits(bits, width, height);
            Some(Arc::new(mask.map_err(|e| wrong("an ignore mask", e.to_string()))?))
        }
        None => None,
    };
    let sketches = match file.tensor(SKETCHES) {
        None => Sketches::default(),
        Some(_) => {
            let ((_, data), (_, frames)) =
                (tensor(SKETCHES, Dtype::F32)?, tensor(SKETCH_IMAGES, Dtype::U32)?);
            let sketches = Sketches::of(wholes(frames), floats(data));
            sketches.ok_or_else(|| wrong("a sketch for each of ascending frames", "others".into()))?
        }
    };
    let memory = memory.map(|(features, images)| Memory::new(features, images)).transpose()?;
    let memory = match (memory, header.placed) {
        (Some(memory), Some(placed)) => {
            let (_, seen) = tensor(PLACES, Dtype::U32)?;
            let places = Places::of(placed, memory.vectors(), wholes(seen));
            let places =
                places.ok_or_else(|| wrong("words of places for each vector", format!("{placed:?}")))?;
            Some(memory.with_places(Some(places)))
        }
        (memory, _) => memory,
    };
    let light = match file.tensor(LIGHT_CELLS) {
        None => None,
        Some(_) => {
            let ((_, cells), (_, range)) =
                (tensor(LIGHT_CELLS, Dtype::F32)?, tensor(LIGHT_RANGE, Dtype::F32)?);
            let light = Light::from_numbers(&floats(cells), &floats(range));
            Some(light.ok_or_else(|| wrong("the light of whole tiles and its range", "others".into()))?)
        }
    };
    let bank = Bank::new(header, calibrations, ignore, memory, sketches, light).with_origins(origins);
    // Frames that are learned later are numbered from there on.
    let next = bank.next_image();
    for (what, highest) in
        [(SKETCH_IMAGES, bank.sketches.images().last().copied()), ("origins", bank.origins.last())]
    {
        if let Some(image) = highest.filter(|image| *image >= next) {
            return Err(wrong(&format!("{what} of frames of the bank, below {next}"), image.to_string()));
        }
    }
    Ok(bank)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn wholes(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

impl Header {
    /// What cannot be true of it: what was expected and what was found.
    fn fault(&self) -> Option<(&'static str, String)> {
        let sizes = [self.side, self.grid];
        if self.grid > self.side || sizes.iter().any(|size| !(1..=LARGEST_SIDE).contains(size)) {
            return Some(("side and grid from 1 to 4096", format!("{} and {}", self.side, self.grid)));
        }
        if self.layers.iter().any(|layers| layers.start > layers.end || layers.end > LARGEST_SIDE) {
            return Some(("groups of at most 4096 layers", format!("{:?}", self.layers)));
        }
        if self.aspect.is_some_and(|aspect| !(1.0 / LONGEST..=LONGEST).contains(&aspect)) {
            return Some(("an aspect from 1/65536 to 65536", format!("{:?}", self.aspect)));
        }
        if self.roi.is_some_and(|roi| !roi.is_inside_frame()) {
            return Some(("a region of interest inside the frame", format!("{:?}", self.roi)));
        }
        if let Some(tiles) = self.tiles.filter(|tiles| !tiles.is_sane()) {
            return Some(("1 to 64 tiles that share at most a half", tiles.to_string()));
        }
        if self.frames > MOST_FRAMES || self.copies > self.frames {
            let found = format!("{} frames, {} of them copies", self.frames, self.copies);
            return Some(("at most 2^31 frames, some of them copies", found));
        }
        None
    }
}
