//! Checkpoints as the public programs write them, made of formula weights.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use snarm_core::encoder::seeded;
use snarm_core::pickle::{Array, Dump};

/// Tensors by name.
#[derive(Clone, Default)]
pub struct Checkpoint(pub BTreeMap<String, (Vec<usize>, Vec<f32>)>);

/// Sizes of a vision transformer.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub dim: usize,
    pub depth: usize,
    pub patch: usize,
    pub registers: usize,
    pub table: usize,
    pub layer_scale: bool,
}

impl Checkpoint {
    /// A whole network in torch-hub names, with what no encoder needs too.
    pub fn torch_hub(sizes: &Sizes) -> Self {
        let Sizes { dim: d, depth, patch, registers, table, layer_scale } = *sizes;
        let mut all = Self::default();
        let mut put = |name: &str, shape: &[usize]| all.put(name, shape, seeded::vit_tensor(name, shape));
        put("cls_token", &[1, 1, d]);
        put("mask_token", &[1, d]);
        put("pos_embed", &[1, table * table + 1, d]);
        if registers > 0 {
            put("register_tokens", &[1, registers, d]);
        }
        put("patch_embed.proj.weight", &[d, 3, patch, patch]);
        put("patch_embed.proj.bias", &[d]);
        for i in 0..depth {
            for (name, shape) in [
                ("norm1.weight", &[d][..]),
                ("norm1.bias", &[d]),
                ("attn.qkv.weight", &[3 * d, d]),
                ("attn.qkv.bias", &[3 * d]),
                ("attn.proj.weight", &[d, d]),
                ("attn.proj.bias", &[d]),
                ("norm2.weight", &[d]),
                ("norm2.bias", &[d]),
                ("mlp.fc1.weight", &[4 * d, d]),
                ("mlp.fc1.bias", &[4 * d]),
                ("mlp.fc2.weight", &[d, 4 * d]),
                ("mlp.fc2.bias", &[d]),
            ] {
                put(&format!("blocks.{i}.{name}"), shape);
            }
            if layer_scale {
                put(&format!("blocks.{i}.ls1.gamma"), &[d]);
                put(&format!("blocks.{i}.ls2.gamma"), &[d]);
            }
        }
        put("norm.weight", &[d]);
        put("norm.bias", &[d]);
        all
    }

    /// The same network in Hugging Face's names: the joint projection split, everything under a prefix.
    pub fn hugging_face(&self, prefix: &str) -> Self {
        let mut all = Self::default();
        for (name, (shape, data)) in &self.0 {
            if let Some((block, kind)) = name.split_once(".attn.qkv.") {
                let layer = block.replace("blocks", "encoder.layer");
                let shape = [&[shape[0] / 3], &shape[1..]].concat();
                let parts = data.chunks_exact(data.len() / 3);
                for (part, data) in ["query", "key", "value"].into_iter().zip(parts) {
                    let name = format!("{prefix}{layer}.attention.attention.{part}.{kind}");
                    all.put(&name, &shape, data.to_vec());
                }
                continue;
            }
            let mut name = name.clone();
            for (hub, face) in [
                ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
                ("pos_embed", "embeddings.position_embeddings"),
                ("cls_token", "embeddings.cls_token"),
                ("mask_token", "embeddings.mask_token"),
                ("register_tokens", "embeddings.register_tokens"),
                ("blocks.", "encoder.layer."),
                ("attn.proj", "attention.output.dense"),
                ("ls1.gamma", "layer_scale1.lambda1"),
                ("ls2.gamma", "layer_scale2.lambda1"),
            ] {
                name = name.replace(hub, face);
            }
            if let Some(kind) = name.strip_prefix("norm.") {
                name = format!("layernorm.{kind}");
            }
            all.put(&format!("{prefix}{name}"), shape, data.clone());
        }
        all
    }

    /// The same network as timm keeps its register models: `reg_token`, and a position table without a row for the
    /// class token, which has its position added already.
    pub fn timm(&self) -> Self {
        let mut all = self.clone();
        if let Some((shape, data)) = all.0.remove("register_tokens") {
            all.put("reg_token", &shape, data);
        }
        all.0.remove("mask_token");
        let (shape, mut class) = all.0["cls_token"].clone();
        let (table_shape, table) = all.0["pos_embed"].clone();
        let (row, grid) = table.split_at(class.len());
        class.iter_mut().zip(row).for_each(|(class, position)| *class += position);
        all.put("cls_token", &shape, class);
        all.put("pos_embed", &[1, table_shape[1] - 1, table_shape[2]], grid.to_vec());
        all
    }

    pub fn put(&mut self, name: &str, shape: &[usize], data: Vec<f32>) {
        self.0.insert(name.to_owned(), (shape.to_vec(), data));
    }

    /// As a safetensors file.
    pub fn safetensors(&self) -> Result<Vec<u8>, SafeTensorError> {
        let views = self
            .0
            .iter()
            .map(|(name, (shape, data))| {
                let bytes = bytemuck::cast_slice(data);
                Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>, SafeTensorError>>()?;
        safetensors::serialize(views, None)
    }

    /// As `pickle.dump` writes a state dict.
    pub fn pickle(&self) -> Vec<u8> {
        let mut dump = Dump::new();
        for (name, (shape, data)) in &self.0 {
            dump.tensor(name, &Array::of_f32(shape, data));
        }
        dump.finish()
    }

    /// As `pickle.dump` writes a state dict that is the only entry of a dictionary.
    pub fn wrapped(&self, entry: &str) -> Vec<u8> {
        let bare = self.pickle();
        let name = [&b"X"[..], &(entry.len() as u32).to_le_bytes(), entry.as_bytes()].concat();
        // The header, a dictionary, its key; the program of the value without its header and end; set item, end.
        [&bare[..2], b"}", &name, &bare[2..bare.len() - 1], b"s."].concat()
    }

    /// As `torch.save` writes a state dict.
    pub fn pth(&self) -> Vec<u8> {
        let number = |n: usize| [&b"J"[..], &(n as u32).to_le_bytes()].concat();
        let text = |s: &str| [&b"X"[..], &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat();
        let tuple = |items: Vec<Vec<u8>>| [&b"("[..], &items.concat(), b"t"].concat();
        let ordered_dict = b"ccollections\nOrderedDict\n)R".to_vec();
        let mut pickle = [&[0x80, 2][..], &ordered_dict, b"("].concat();
        let mut entries = Vec::new();
        for (i, (name, (shape, data))) in self.0.iter().enumerate() {
            let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
            let storage = tuple(vec![
                text("storage"),
                b"ctorch\nFloatStorage\n".to_vec(),
                text(&i.to_string()),
                text("cpu"),
                number(data.len()),
            ]);
            let arguments = tuple(vec![
                [&storage[..], b"Q"].concat(),
                number(0),
                tuple(shape.iter().map(|n| number(*n)).collect()),
                tuple((0..shape.len()).map(|axis| number(stride(axis))).collect()),
                vec![0x89], // requires no gradient
                ordered_dict.clone(),
            ]);
            pickle.extend([text(name), b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), arguments].concat());
            pickle.push(b'R');
            entries.push((format!("archive/data/{i}"), bytemuck::cast_slice(data).to_vec()));
        }
        pickle.extend(b"u.");
        entries.insert(0, ("archive/data.pkl".to_owned(), pickle));
        entries.push(("archive/version".to_owned(), b"3\n".to_vec()));
        zip(&entries)
    }
}

/// A zip archive of uncompressed entries.
fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let offset = (archive.len() as u32).to_le_bytes();
        let size = (data.len() as u32).to_le_bytes();
        // Version 2.0, no flags, stored, midnight of the first of January 1980.
        let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        about.extend([crc32(data).to_le_bytes(), size, size].concat());
        about.extend((name.len() as u32).to_le_bytes()); // length of the name, then none of extra fields
        archive.extend([b"PK\x03\x04", &about[..], name.as_bytes(), data].concat());
        let rest = [0; 10]; // no comment, first disk, no attributes
        directory.extend([b"PK\x01\x02", &[20, 0][..], &about, &rest, &offset, name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let sizes = [(directory.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes()].concat();
    archive.extend(directory);
    archive.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &sizes, &[0; 2]].concat());
    archive
}

fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !data.iter().fold(!0, step)
}
