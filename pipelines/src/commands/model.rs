//! The option that names a trained decoder, one for all commands that score.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use snarm_core::detect::Detector;
use snarm_core::encoder::Encoder;
use snarm_core::models::Decoder;
use snarm_core::registry::How;
use snarm_core::{paths, registry};

use super::path_text;

/// Which trained decoder scores.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ModelOption {
    /// Trained decoder: a file, looked for in $SNARM_MODEL_PATH too; `none` scores by the residuals themselves
    /// [default: the one that ships for the encoder, if one does, else none]
    #[arg(long, value_name = "FILE", value_parser = path_text())]
    model: Option<String>,
}

impl ModelOption {
    /// The encoder of that name, else that of a decoder which compares frames with no bank, else the usual one.
    pub(crate) fn encoder(&self, name: Option<&str>, how: How<'_>) -> Result<Arc<Encoder>> {
        Ok(registry::encoder_with(name, self.model.as_deref(), how)?)
    }

    /// A detector without a bank, with the encoder of that name, else that of the decoder.
    pub(crate) fn without_bank(&self, encoder: Option<&str>, how: How<'_>) -> Result<Detector> {
        let Some(model) = &self.model else {
            bail!("--bank: expected a bank, or --model with a decoder that needs none, found neither");
        };
        let (encoder, bank, decoder) = registry::without_bank(model, encoder, how)?;
        Ok(Detector::with_decoder(encoder, bank, Some(decoder))?)
    }

    /// The decoder for that encoder; nothing where the residuals themselves are the score.
    pub(crate) fn decoder(&self, encoder: &Encoder) -> Result<Option<Arc<Decoder>>> {
        Ok(registry::decoder(self.model.as_deref(), encoder)?)
    }

    /// Whether a folder of decoders was given.
    pub(crate) fn is_folder(&self) -> bool {
        self.model.as_deref().is_some_and(|path| paths::named(path).is_dir())
    }

    /// The decoder of a category: of a folder the file of that name, else the one decoder for all.
    pub(crate) fn decoder_of(&self, category: &str, encoder: &Encoder) -> Result<Option<Arc<Decoder>>> {
        match self.model.as_deref().map(paths::named).filter(|path| path.is_dir()) {
            None => self.decoder(encoder),
            Some(folder) => {
                let path = paths::text(folder.join(format!("{category}.safetensors")));
                registry::decoder(Some(&path), encoder).with_context(|| format!("decoder of {category}"))
            }
        }
    }
}
