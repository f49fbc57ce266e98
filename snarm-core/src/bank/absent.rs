//! What stands for a bank where a decoder compares frames with none.

use super::likeness::Sketches;
use super::{Bank, Calibration, Header, Reduction, layers_of};
use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::models::Decoder;
use crate::synthetic::augmentation::Views;
use crate::view::View;

/// Raw score that is the limit of all where nothing is known of good frames.
const LIMIT: f64 = 0.5;

impl Bank {
    /// A bank that learned nothing, for a decoder that needs none: the whole frame is squeezed to the encoder's square, as in
    /// training, and what good frames score is what the decoder knows of it.
    ///
    /// # Errors
    /// When the decoder compares frames with the descriptors of a bank, or was trained for another encoder.
    pub fn absent(encoder: &Encoder, decoder: &Decoder) -> Result<Self> {
        decoder.check_encoder(encoder)?;
        if decoder.needs_memory() {
            let expected = format!("a bank, whose descriptors {} compares frames with", decoder.scorer());
            return Err(Error::Mismatch { what: "bank", expected, found: "none".to_owned() });
        }
        let header = Header {
            encoder: encoder.name().to_owned(),
            encoder_digest: encoder.digest().to_owned(),
            precision: String::new(),
            side: encoder.input_side(),
            grid: encoder.grid_side(),
            aspect: None,
            layers: layers_of(encoder),
            group_scales: Vec::new(),
            crop: View::squeezed().crop,
            roi: None,
            tiles: None,
            ignore_mask: None,
            picture_bits: None,
            frames: 0,
            copies: 0,
            views: Views::None,
            views_found: Vec::new(),
            placed: None,
            reduction: Reduction::None,
            seed: 0,
            made_by: concat!("snarm-core ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let assumed = || Calibration::assumed(decoder.scorer(), LIMIT);
        let calibration = decoder.calibration().cloned().unwrap_or_else(assumed);
        Ok(Self::new(header, vec![calibration], None, None, Sketches::default(), None))
    }
}
