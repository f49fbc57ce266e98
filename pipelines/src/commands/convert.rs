//! `snarm convert`: between the files of the published program and ours.

use std::path::PathBuf;

use anyhow::Result;
use snarm_core::convert::{Converted, Options, convert};
use snarm_core::{paths, registry};

use super::outputs::{self, Holds, Inputs};
use super::{CropName, make_parent, path_text};
use crate::exit::Outcome;
use crate::output;

/// Converts decoders and banks between the published program's files and ours, both ways.
///
/// A PyTorch checkpoint (.pth) becomes a decoder, a pickled bank (.pkl) becomes a bank, and each back; what INPUT is
/// shows in the file itself. Pickles are read without running anything in them.
///
/// Checkpoints of the families that reconstruct features (MambaAD, Pyramid-Mamba), .pth or .safetensors, become decoders of
/// ours, one way. They hold the network whose features are reconstructed, and so does OUT, or with --encoder OUT names it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to convert
    input: PathBuf,
    /// File to write
    #[arg(long, short)]
    out: PathBuf,
    /// Encoder that the published file belongs to: a built-in name or a weights file. A bank needs it; a decoder of SNARM
    /// without it serves any encoder whose descriptors have its width; one that reconstructs features holds its own
    #[arg(long, value_parser = path_text())]
    encoder: Option<String>,
    /// How the published bank's frames were brought to the network's square
    #[arg(long, value_enum, default_value_t = CropName::Paper)]
    crop: CropName,
    /// Terms under which the published decoder may be used
    #[arg(long, default_value = "not stated")]
    licence: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let encoder_file = args.encoder.as_deref().map(paths::named);
    let read = Inputs::of([Some(args.input.as_path()), encoder_file.as_deref()].into_iter().flatten());
    outputs::check("--out", &args.out, Holds::Converted, &read)?;
    let encoder = args.encoder.as_deref().map(|name| registry::encoder(Some(name))).transpose()?;
    make_parent(&args.out)?;
    let options = Options { encoder, crop: args.crop.into(), licence: args.licence.clone() };
    let what = match convert(&args.input, &args.out, &options)? {
        Converted::Decoder { shape, names_encoder } => {
            let tied = if names_encoder {
                "tied to its encoder".to_owned()
            } else {
                format!("for any encoder with descriptors {} wide", shape.width)
            };
            format!("a decoder of {} channels and {} branches, {tied}", shape.channels, shape.branches)
        }
        Converted::Reconstruction { family, parameters, encoder } => {
            let tied =
                encoder.map_or("with its encoder".to_owned(), |name| format!("for the encoder {name}"));
            format!("a decoder of the family {family}, {parameters} parameters, {tied}")
        }
        Converted::Bank { vectors, images } => format!(
            "a bank of {vectors} vectors from {images} images; no good frame was scored against it, so its threshold is a \
             guess: `snarm bank GOOD --append` makes up for that"
        ),
        Converted::Checkpoint { tensors, relative } => {
            let lost = if relative {
                ", without the note that the decoder reads relative residuals: the published program gives it others, and \
                 so would this one after converting it back"
            } else {
                ""
            };
            format!("a PyTorch checkpoint of {tensors} tensors{lost}")
        }
        Converted::Pickle { vectors, lost } => {
            let lost = if lost.is_empty() {
                String::new()
            } else {
                format!(", without what such a file cannot say: {}", lost.join(", "))
            };
            format!("a pickled bank of {vectors} vectors{lost}")
        }
    };
    output::line(format!("{}: {what}", args.out.display()))?;
    Ok(Outcome::Done)
}
