//! Decoders that reconstruct features: a published checkpoint holds the tables of the scans, and the network whose features
//! are reconstructed. Ours says the curve in place of the tables, which are checked, and either holds the network or names it.

use std::path::Path;

use super::{Converted, Options};
use crate::encoder::{Encoder, PositionInterpolation, Workspace, seeded};
use crate::error::{Error, Result};
use crate::files::Weights;
use crate::models::Provenance;
use crate::models::reconstruction::{About, Published, Reconstruction, save};
use crate::paths;

const WHAT: &str = "decoder";

/// The largest difference between the features of two networks that are one, as a part of the largest feature.
const TOLERANCE: f32 = 1e-3;

pub(super) fn from_published(
    decoder: &Reconstruction,
    file: &Weights,
    output: &Path,
    options: &Options,
) -> Result<Converted> {
    if decoder.about().is_some() {
        let expected = "a published checkpoint, the only kind of this family that is converted";
        return Err(Error::wrong_file(WHAT, file.path(), expected, "a file of our own"));
    }
    let published = Published::find(file)?;
    let (encoder, encoder_digest, inside) = match &options.encoder {
        None => (String::new(), String::new(), published.encoder()?),
        Some(encoder) => {
            check_encoder(file, encoder)?;
            (encoder.name().to_owned(), encoder.digest().to_owned(), Vec::new())
        }
    };
    let name = file.path().file_name().unwrap_or_default().to_string_lossy();
    let about = About {
        encoder,
        encoder_digest,
        shape: decoder.shape().clone(),
        provenance: Provenance { data: format!("converted from {name}"), ..Provenance::default() },
        licence: options.licence.clone(),
        calibration: None,
    };
    let fetch = |name: &str, shape: &[usize]| match published.tensor(name)? {
        Some(tensor) if tensor.data.len() == shape.iter().product::<usize>() => Ok(tensor.data),
        found => {
            let found = found.map_or("none of that name".to_owned(), |tensor| format!("{:?}", tensor.shape));
            Err(Error::wrong_file(WHAT, file.path(), format!("{name} of shape {shape:?}"), found))
        }
    };
    save(output, decoder.kind(), &about, &fetch, inside)?;
    Ok(Converted::Reconstruction {
        family: decoder.kind().family,
        parameters: decoder.parameters(),
        encoder: options.encoder.as_ref().map(|encoder| encoder.name().to_owned()),
    })
}

/// Checks that an encoder is the network in a checkpoint: both see the same in one image.
fn check_encoder(file: &Weights, encoder: &Encoder) -> Result<()> {
    let inside = Encoder::load(&paths::text(file.path()), PositionInterpolation::Legacy)?;
    let different = |found: String| Error::Mismatch {
        what: "encoder",
        expected: "the network in the checkpoint (net_t.*)".to_owned(),
        found: format!("{} ({}), {found}", encoder.name(), encoder.digest()),
    };
    if encoder.geometry() != inside.geometry() {
        return Err(different(format!("levels of features {:?}", encoder.geometry().levels())));
    }
    let image = seeded::values("image", inside.geometry().input_len(), 0.0, 1.0);
    let see = |encoder: &Encoder| -> Result<Vec<f32>> {
        let mut values = Vec::new();
        encoder.encode(&image, &mut Workspace::default(), &mut values)?;
        Ok(values)
    };
    let (expected, found) =
        snarm_kernels::threads::install(|| Ok::<_, Error>((see(&inside)?, see(encoder)?)))??;
    let largest = expected.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let apart = expected.iter().zip(&found).fold(0.0_f32, |apart, (e, f)| apart.max((e - f).abs()));
    if apart <= TOLERANCE * largest {
        return Ok(());
    }
    Err(different(format!("whose features differ by up to {apart:.3} where the largest is {largest:.3}")))
}
