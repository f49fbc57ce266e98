//! Decoders: the published state dictionary, and the same tensors as safetensors with a header.

use std::path::Path;

use snarm_kernels::Precision;

use super::{Converted, Options};
use crate::error::{Error, Result};
use crate::files::{self, Weights};
use crate::models::snarm::decoder::{self, About, OPTIONAL, Provenance, SnarmDecoder};
use crate::pickle::{Array, Pickle, state_dict};

const WHAT: &str = "decoder";

pub(super) fn from_pickle(pickle: &Pickle, output: &Path, options: &Options) -> Result<Converted> {
    if let Some(entry) = pickle.wrapper(decoder::FIRST) {
        let expected = format!("a tensor {}", decoder::FIRST);
        let found = format!("it in the entry {}, which must be saved alone", entry.escape_default());
        return Err(Error::wrong_file(WHAT, pickle.path(), expected, found));
    }
    let names: Vec<String> = pickle.names().map(str::to_owned).collect();
    let shape_of = |name: &str| Ok(pickle.array(name)?.map(|array| array.shape));
    let shape = decoder::check_names(pickle.path(), &names, &shape_of)?;
    let fetch = |name: &str, shape: &[usize]| {
        let wrong =
            |found| Error::wrong_file(WHAT, pickle.path(), format!("{name} of shape {shape:?}"), found);
        match pickle.array(name)? {
            Some(array) if array.shape == shape => {
                let kind = || wrong(format!("elements of type {:?}", array.kind));
                let values = array.f32s().ok_or_else(kind)?;
                // What a training run leaves that went astray.
                match values.iter().find(|value| !value.is_finite()) {
                    None => Ok(values),
                    Some(value) => Err(wrong(format!("{value} in it"))),
                }
            }
            Some(array) => Err(wrong(format!("{:?}", array.shape))),
            None => Err(wrong("none of that name".to_owned())),
        }
    };
    let counters = counters(&names, shape.views(), &|name| {
        Ok(pickle.array(name)?.and_then(|array| array.i64s()).and_then(|values| values.first().copied()))
    })?;
    let Some(encoder) = &options.encoder else {
        decoder::save_bare(output, &shape, &fetch, counters.as_deref())?;
        return Ok(Converted::Decoder { shape, names_encoder: false });
    };
    // Before anything is written: a decoder that cannot be used with its encoder helps nobody.
    SnarmDecoder::new(&shape, &fetch)?.check_encoder(encoder)?;
    let file = pickle.path().file_name().unwrap_or_default().to_string_lossy();
    let about = About {
        encoder: encoder.name().to_owned(),
        encoder_digest: encoder.digest().to_owned(),
        side: encoder.input_side(),
        grid: encoder.grid_side(),
        shape,
        relative: false,
        provenance: Provenance { data: format!("converted from {file}"), ..Provenance::default() },
        licence: options.licence.clone(),
        calibration: None,
    };
    decoder::save(output, &about, &fetch, counters.as_deref())?;
    Ok(Converted::Decoder { shape, names_encoder: true })
}

pub(super) fn to_pickle(file: &Weights, output: &Path) -> Result<Converted> {
    // Checks names, shapes and header.
    let decoder = SnarmDecoder::from_weights(file, Precision::F32)?;
    let names = file.names();
    let counters = counters(&names, decoder.shape().views(), &|name| {
        Ok(file.wholes(name)?.and_then(|values| values.first().copied()))
    })?;
    let mut counters = counters.into_iter().flatten();
    let mut all = Vec::new();
    for (name, shape) in decoder::tensors(decoder.shape()) {
        if !name.ends_with(OPTIONAL) {
            let tensor = file.get(&name)?.map(|tensor| tensor.data).unwrap_or_default();
            all.push((name, Array::of_f32(&shape, &tensor)));
        } else if let Some(counter) = counters.next() {
            all.push((name, Array::of_i64(&shape, &[counter])));
        }
    }
    let failed = |e: std::io::Error| Error::write(WHAT, output, e);
    files::replace(output, &state_dict(&all).map_err(failed)?).map_err(failed)?;
    Ok(Converted::Checkpoint { tensors: all.len(), relative: decoder.is_relative() })
}

/// The counters of the batch norms, one a view, where a file has them all.
fn counters(
    names: &[String],
    views: usize,
    get: &dyn Fn(&str) -> Result<Option<i64>>,
) -> Result<Option<Vec<i64>>> {
    if names.iter().filter(|name| name.ends_with(OPTIONAL)).count() < views {
        return Ok(None);
    }
    (0..views).map(|view| get(&format!("head_list.{view}.0.norm{OPTIONAL}"))).collect()
}
