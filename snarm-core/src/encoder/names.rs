//! One set of names for the tensors of a vision transformer, whatever file they come from.
//!
//! The names are torch-hub's. Hugging Face files split the joint projection in three and name everything else
//! differently; timm calls the registers `reg_token` and may leave the class token out of the position table.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files::{Tensor, Weights};
use crate::layers::Tensors;

/// Tensors by torch-hub name.
pub(crate) struct Named<'a> {
    weights: &'a Weights,
    prefix: String,
    hugging_face: bool,
}

impl<'a> Named<'a> {
    /// Finds out which naming a file uses, and the prefix that checkpoints of larger models put before it.
    pub(crate) fn new(weights: &'a Weights) -> Result<Self> {
        const HUB: &str = "patch_embed.proj.weight";
        const FACE: &str = "embeddings.patch_embeddings.projection.weight";
        for name in weights.names() {
            for (ending, hugging_face) in [(FACE, true), (HUB, false)] {
                if let Some(prefix) = name.strip_suffix(ending) {
                    return Ok(Self { weights, prefix: prefix.to_owned(), hugging_face });
                }
            }
        }
        let expected = format!(
            "a vision transformer with {HUB} (torch-hub, timm) or {FACE} (Hugging Face), an EfficientNet-Lite with \
             conv_stem.weight (timm), or a ResNet with layer1.0.conv1.weight (torchvision, timm)"
        );
        let names = weights.names();
        let wrapper = weights.wrapper(HUB).or_else(|| weights.wrapper(FACE));
        let found = match (wrapper, names.first()) {
            (Some(entry), _) => {
                format!("it in the entry {}, which must be saved alone", entry.escape_default())
            }
            (None, Some(first)) => format!("{} tensors, the first named {first}", names.len()),
            (None, None) => "no tensors".to_owned(),
        };
        Err(Error::wrong_file("encoder", weights.path(), expected, found))
    }

    /// The tensor of that name.
    pub(crate) fn get(&self, name: &str) -> Result<Tensor> {
        match self.find(name)? {
            Some(tensor) => Ok(tensor),
            None => Err(Error::wrong_file(
                "encoder",
                self.weights.path(),
                format!("a tensor {name}"),
                "none of that name",
            )),
        }
    }

    /// The tensor of that name, or `None`.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Tensor>> {
        if !self.hugging_face {
            let found = self.raw(name)?;
            return match (found, name) {
                (None, "register_tokens") => self.raw("reg_token"),
                (found, _) => Ok(found),
            };
        }
        if let Some((block, kind)) = name.split_once(".attn.qkv.") {
            let part = |which| self.raw(&format!("{}.attention.attention.{which}.{kind}", layer(block)));
            let (Some(q), Some(k), Some(v)) = (part("query")?, part("key")?, part("value")?) else {
                return Ok(None);
            };
            return self.stack(name, [q, k, v]).map(Some);
        }
        self.raw(&hugging_face(name))
    }

    /// Query, key and value as the joint projection of that name.
    fn stack(&self, name: &str, parts: [Tensor; 3]) -> Result<Tensor> {
        let [mut shape, k, v] = parts.each_ref().map(|part| part.shape.clone());
        match shape.first_mut() {
            Some(rows) if parts[0].shape == k && k == v => *rows *= 3,
            _ => {
                let found = format!("{:?}, {k:?} and {v:?}", parts[0].shape);
                let expected = format!("three tensors of one shape for {name}");
                return Err(Error::wrong_file("encoder", self.weights.path(), expected, found));
            }
        }
        Ok(Tensor { shape, data: parts.into_iter().flat_map(|part| part.data).collect() })
    }

    fn raw(&self, name: &str) -> Result<Option<Tensor>> {
        self.weights.get(&format!("{}{name}", self.prefix))
    }
}

impl Tensors for Named<'_> {
    /// The table of positions gets a row of zeros for the class token where a file has none (timm's register models, which
    /// add it to the class token beforehand).
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Option<Tensor>> {
        let found = self.find(name)?;
        match (found, shape) {
            (Some(tensor), &[1, rows, dim]) if name == "pos_embed" && tensor.shape == [1, rows - 1, dim] => {
                let data = std::iter::repeat_n(0.0, dim).chain(tensor.data).collect();
                Ok(Some(Tensor { shape: shape.to_vec(), data }))
            }
            (found, _) => Ok(found),
        }
    }

    fn path(&self) -> Option<&Path> {
        Some(self.weights.path())
    }
}

/// `blocks.3` -> `encoder.layer.3`
fn layer(block: &str) -> String {
    block.replacen("blocks", "encoder.layer", 1)
}

/// The Hugging Face name of a torch-hub tensor other than the joint projection.
fn hugging_face(name: &str) -> String {
    for (hub, face) in [
        ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
        ("pos_embed", "embeddings.position_embeddings"),
        ("norm.", "layernorm."),
    ] {
        if let Some(rest) = name.strip_prefix(hub) {
            return format!("{face}{rest}");
        }
    }
    if !name.starts_with("blocks.") {
        return format!("embeddings.{name}");
    }
    layer(name)
        .replace(".attn.proj.", ".attention.output.dense.")
        .replace(".ls1.gamma", ".layer_scale1.lambda1")
        .replace(".ls2.gamma", ".layer_scale2.lambda1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_key_and_value_must_be_of_one_shape() {
        use safetensors::tensor::{Dtype, TensorView};
        let file = tempfile::NamedTempFile::new().unwrap();
        let find = |q: &[usize], v: &[usize]| {
            let bytes = [0; 4 * 4];
            let view = |shape: &[usize]| {
                let length = 4 * shape.iter().product::<usize>();
                TensorView::new(Dtype::F32, shape.to_vec(), &bytes[..length]).unwrap()
            };
            let name = |which| format!("encoder.layer.0.attention.attention.{which}.weight");
            let tensors = [
                ("embeddings.patch_embeddings.projection.weight".to_owned(), view(&[1])),
                (name("query"), view(q)),
                (name("key"), view(q)),
                (name("value"), view(v)),
            ];
            std::fs::write(file.path(), safetensors::serialize(tensors, None).unwrap()).unwrap();
            let weights = Weights::open(file.path()).unwrap();
            let found = Named::new(&weights).unwrap().find("blocks.0.attn.qkv.weight");
            found.map(|tensor| tensor.unwrap().shape).map_err(|e| e.to_string())
        };
        assert_eq!(find(&[1, 2], &[1, 2]), Ok(vec![3, 2]));
        for (q, v) in [(&[2, 2][..], &[1, 2][..]), (&[], &[]), (&[1], &[])] {
            let said = find(q, v).unwrap_err();
            assert!(said.contains("three tensors of one shape for blocks.0.attn.qkv.weight"), "{said}");
        }
    }

    #[test]
    fn torch_hub_names_map_to_hugging_face() {
        for (hub, face) in [
            ("cls_token", "embeddings.cls_token"),
            ("register_tokens", "embeddings.register_tokens"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("patch_embed.proj.bias", "embeddings.patch_embeddings.projection.bias"),
            ("blocks.11.norm1.weight", "encoder.layer.11.norm1.weight"),
            ("blocks.0.attn.proj.bias", "encoder.layer.0.attention.output.dense.bias"),
            ("blocks.0.ls2.gamma", "encoder.layer.0.layer_scale2.lambda1"),
            ("blocks.0.mlp.fc1.weight", "encoder.layer.0.mlp.fc1.weight"),
            ("norm.weight", "layernorm.weight"),
        ] {
            assert_eq!(hugging_face(hub), face);
        }
    }
}
