//! One set of names for the tensors of an EfficientNet-Lite: timm's. The networks of `efficientnet_lite_pytorch` and its
//! kin (lukemelas/EfficientNet-PyTorch) number their blocks through all stages and call their layers otherwise.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files::{Tensor, Weights};
use crate::layers::Tensors;

const WHAT: &str = "encoder";

/// The stem by timm's name and by lukemelas'.
const STEMS: [&str; 2] = ["_conv_stem.weight", "conv_stem.weight"];

/// Tensors by timm's names.
pub(crate) struct Named<'a> {
    weights: &'a Weights,
    prefix: String,
    /// Where blocks are numbered through: the number of the first block of each stage, and that of all blocks.
    numbered: Option<Vec<usize>>,
}

impl<'a> Named<'a> {
    /// The tensors of a file with the stem of such a network, whatever prefix a checkpoint puts before it; nothing for a
    /// file of other networks.
    pub(crate) fn find(weights: &'a Weights) -> Result<Option<Self>> {
        for name in weights.names() {
            for (stem, is_numbered) in STEMS.into_iter().zip([true, false]) {
                let Some(prefix) = name.strip_suffix(stem) else { continue };
                if prefix.is_empty() || prefix.ends_with('.') {
                    let mut named = Self { weights, prefix: prefix.to_owned(), numbered: None };
                    if is_numbered {
                        named.numbered = Some(named.first_blocks()?);
                    }
                    return Ok(Some(named));
                }
            }
        }
        Ok(None)
    }

    /// The shape of the tensor of that name, where there is one.
    pub(super) fn shape(&self, name: &str) -> Result<Option<Vec<usize>>> {
        Ok(self.raw(name)?.map(|tensor| tensor.shape))
    }

    /// Whether some block has squeeze-and-excitation.
    pub(super) fn has_squeeze(&self) -> bool {
        self.weights.names().iter().any(|name| name.contains(".se.") || name.contains("._se_"))
    }

    /// The file is not what was expected.
    pub(super) fn wrong(&self, expected: &str, found: String) -> Error {
        Error::wrong_file(WHAT, self.weights.path(), expected, found)
    }

    /// Where stages begin, among blocks that are numbered through: where the number of channels changes.
    fn first_blocks(&self) -> Result<Vec<usize>> {
        let (mut firsts, mut channels, mut blocks) = (Vec::new(), None, 0);
        while let Some(tensor) =
            self.weights.get(&format!("{}_blocks.{blocks}._project_conv.weight", self.prefix))?
        {
            let outputs = tensor.shape.first().copied();
            if outputs != channels {
                firsts.push(blocks);
                channels = outputs;
            }
            blocks += 1;
        }
        firsts.push(blocks);
        Ok(firsts)
    }

    fn raw(&self, name: &str) -> Result<Option<Tensor>> {
        let name = match &self.numbered {
            None => Some(name.to_owned()),
            Some(firsts) => {
                let expands = |block: usize| {
                    let layer = format!("{}_blocks.{block}._expand_conv.weight", self.prefix);
                    self.weights.names().binary_search(&layer).is_ok()
                };
                numbered(name, firsts, expands)
            }
        };
        match name {
            Some(name) => self.weights.get(&format!("{}{name}", self.prefix)),
            None => Ok(None),
        }
    }
}

impl Tensors for Named<'_> {
    fn tensor(&self, name: &str, _: &[usize]) -> Result<Option<Tensor>> {
        self.raw(name)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.weights.path())
    }
}

/// lukemelas' name of a timm tensor, by the first blocks of the stages; nothing where there is no such block or layer.
fn numbered(name: &str, firsts: &[usize], expands: impl Fn(usize) -> bool) -> Option<String> {
    let Some(rest) = name.strip_prefix("blocks.") else {
        return Some(match name.strip_prefix("bn1.") {
            Some(part) => format!("_bn0.{part}"),
            None => format!("_{name}"),
        });
    };
    let mut parts = rest.splitn(4, '.');
    let mut number = || parts.next()?.parse::<usize>().ok();
    let (stage, block) = (number()?, number()?);
    let (layer, part) = (parts.next()?, parts.next()?);
    let (first, end) = (*firsts.get(stage)?, *firsts.get(stage + 1)?);
    let block = first + block;
    if block >= end {
        return None;
    }
    let layer = match (layer, expands(block)) {
        ("conv_dw", _) => "_depthwise_conv",
        ("conv_pw", true) => "_expand_conv",
        ("conv_pw", false) | ("conv_pwl", true) => "_project_conv",
        ("bn1", true) => "_bn0",
        ("bn1", false) | ("bn2", true) => "_bn1",
        ("bn2", false) | ("bn3", true) => "_bn2",
        _ => return None,
    };
    Some(format!("_blocks.{block}.{layer}.{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timms_names_are_those_of_numbered_blocks() {
        // One block that does not expand, then stages of three and of two.
        let of = |name: &str| numbered(name, &[0, 1, 4, 6], |block| block > 0);
        for (timm, other) in [
            ("conv_stem.weight", "_conv_stem.weight"),
            ("bn1.running_var", "_bn0.running_var"),
            ("blocks.0.0.conv_dw.weight", "_blocks.0._depthwise_conv.weight"),
            ("blocks.0.0.bn1.bias", "_blocks.0._bn1.bias"),
            ("blocks.0.0.conv_pw.weight", "_blocks.0._project_conv.weight"),
            ("blocks.0.0.bn2.weight", "_blocks.0._bn2.weight"),
            ("blocks.1.2.conv_pw.weight", "_blocks.3._expand_conv.weight"),
            ("blocks.2.1.bn1.running_mean", "_blocks.5._bn0.running_mean"),
            ("blocks.2.1.bn2.weight", "_blocks.5._bn1.weight"),
            ("blocks.2.1.conv_pwl.weight", "_blocks.5._project_conv.weight"),
            ("blocks.2.1.bn3.weight", "_blocks.5._bn2.weight"),
        ] {
            assert_eq!(of(timm).as_deref(), Some(other), "{timm}");
        }
        for none in ["blocks.0.0.conv_pwl.weight", "blocks.1.3.conv_dw.weight", "blocks.3.0.conv_dw.weight"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
