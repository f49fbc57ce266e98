//! Our encoder against an independent one on candle tensors, and the files that encoders are loaded from.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "oracle/checkpoint.rs"]
mod checkpoint;
#[path = "oracle/vit.rs"]
mod vit;

use std::path::{Path, PathBuf};

use checkpoint::{Checkpoint, Sizes};
use snarm_core::Grid;
use snarm_core::encoder::{Encoder, Geometry, PositionInterpolation, Transformer, Workspace, seeded};
use snarm_tests::skip::outside;
use vit::{Fetch, Vit};

/// Largest difference of a token or descriptor between the two.
const TOLERANCE: f32 = 5e-5;

/// A small network with everything that files may differ in.
const SMALL: Sizes = Sizes { dim: 64, depth: 4, patch: 14, registers: 3, table: 16, layer_scale: true };

/// The same without registers and layer scale, in patches of 16: what timm's supervised networks look like.
const PLAIN: Sizes = Sizes { patch: 16, registers: 0, table: 14, layer_scale: false, ..SMALL };

/// A normalised image (3, side, side): smooth waves with some noise.
fn image(side: usize) -> Vec<f32> {
    let noise = seeded::values("image", 3 * side * side, 0.0, 0.5);
    let wave = |i: usize| {
        let (c, y, x) = (i / (side * side), i / side % side, i % side);
        (x as f32 * 0.05 * (c + 1) as f32).sin() + (y as f32 * 0.03).cos()
    };
    noise.iter().enumerate().map(|(i, noise)| wave(i) + noise).collect()
}

fn open(path: &Path) -> snarm_core::Result<Encoder> {
    Encoder::load(path.to_str().unwrap(), PositionInterpolation::Legacy)
}

fn descriptors(encoder: &Encoder) -> Vec<f32> {
    let mut descriptors = Vec::new();
    encoder.encode(&image(encoder.input_side()), &mut Workspace::default(), &mut descriptors).unwrap();
    descriptors
}

/// Trained networks without registers have a few values of several hundred, whose rounding is larger.
#[track_caller]
fn assert_close(what: &str, expected: &[f32], found: &[f32]) {
    assert_eq!(expected.len(), found.len(), "{what}");
    let largest = expected.iter().fold(0.0, |largest: f32, v| largest.max(v.abs()));
    let worst = expected.iter().zip(found).map(|(e, f)| (e - f).abs()).fold(0.0, f32::max);
    let tolerance = TOLERANCE.max(largest * 1e-5);
    assert!(worst <= tolerance, "{what}: largest difference {worst:e}, tolerance {tolerance:e}");
    assert!(found.iter().all(|v| v.is_finite()), "{what}");
}

/// Compares tokens after each block, and descriptors, with those of the oracle on the same weights.
fn check(encoder: &Encoder, fetch: &Fetch<'_>) {
    let (sizes, geometry) = (encoder.transformer().unwrap(), encoder.geometry());
    let image = image(encoder.input_side());
    let mut expected = Vec::new();
    let oracle = Vit::new(sizes, geometry, fetch).unwrap();
    let all = oracle.forward(&image, &mut |_, tokens| {
        expected.push(tokens.flatten_all()?.to_vec1::<f32>()?);
        Ok(())
    });
    let all = all.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();

    let (mut found, mut blocks) = (Vec::new(), 0);
    let mut compare = |number: usize, tokens: &[f32]| {
        assert_close(&format!("{} after block {number}", encoder.name()), &expected[number], tokens);
        blocks = number;
    };
    encoder.encode_observed(&image, &mut Workspace::default(), &mut found, &mut compare).unwrap();
    assert_eq!((blocks, expected.len()), (sizes.blocks_used(), sizes.blocks_used() + 1));
    assert_eq!(found.len(), geometry.tokens() * geometry.width());
    assert_close(&format!("descriptors of {}", encoder.name()), &all, &found);
}

fn check_file(sizes: &Sizes) -> (Transformer, Geometry) {
    let dir = tempfile::tempdir().unwrap();
    let all = Checkpoint::torch_hub(sizes);
    let path = write(dir.path(), "network.safetensors", &all.safetensors().unwrap());
    let encoder = open(&path).unwrap();
    check(&encoder, &|name, shape| {
        let (found, data) = all.0.get(name)?;
        assert_eq!(found, shape, "{name}");
        Some(data.clone())
    });
    (encoder.transformer().unwrap().clone(), encoder.geometry().clone())
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn vit_s_agrees_with_the_oracle_after_every_block() {
    let encoder = Encoder::load("seeded:small", PositionInterpolation::Legacy).unwrap();
    let sizes = encoder.transformer().unwrap();
    assert_eq!(
        (sizes.dim, sizes.depth, sizes.heads, sizes.tokens(Grid::square(sizes.side))),
        (384, 12, 6, 789)
    );
    assert_eq!((sizes.layers.first.clone(), sizes.layers.second.clone()), (1..5, 5..9));
    check(&encoder, &|name, shape| Some(seeded::vit_tensor(name, shape)));
}

#[test]
fn the_embedded_network_agrees_with_the_oracle() {
    let (sizes, geometry) = check_file(&Sizes { dim: 192, registers: 4, table: 28, ..SMALL });
    assert_eq!(
        (sizes.heads, sizes.hidden, sizes.tokens(geometry.size), geometry.grid()),
        (3, 768, 789, Grid::square(49))
    );
    assert!(!sizes.unit_descriptors);
}

#[test]
fn networks_without_registers_or_layer_scale_agree_with_the_oracle() {
    let (dino, geometry) = check_file(&Sizes { registers: 0, table: 37, ..SMALL });
    assert_eq!(
        (dino.registers, geometry.size.rows, geometry.mean[0], dino.tokens(geometry.size)),
        (0, 392, 0.485, 785)
    );
    assert!(dino.unit_descriptors, "a network without registers has its descriptors brought to one length");
    let (plain, geometry) = check_file(&PLAIN);
    assert_eq!(
        (geometry.grid().rows, plain.patches(geometry.size).rows, plain.tokens(geometry.size)),
        (48, 24, 577)
    );
    assert_eq!((geometry.mean, geometry.std), ([0.5; 3], [0.5; 3]));
}

#[test]
fn one_network_in_five_kinds_of_file_gives_the_same_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Checkpoint::torch_hub(&SMALL);
    let expected = descriptors(&open(&write(dir.path(), "hub", &hub.safetensors().unwrap())).unwrap());
    assert!(expected.iter().all(|v| v.is_finite()) && expected.iter().any(|v| v.abs() > 0.1));
    for (name, bytes) in [
        ("bare.safetensors", hub.hugging_face("").safetensors().unwrap()),
        ("prefixed.safetensors", hub.hugging_face("dinov2_with_registers.").safetensors().unwrap()),
        ("timm.safetensors", hub.timm().safetensors().unwrap()),
        ("hub.pth", hub.pth()),
        ("timm.bin", hub.timm().pth()),
        ("hub.pt", hub.pickle()),
    ] {
        let encoder = open(&write(dir.path(), name, &bytes)).unwrap();
        let sizes = encoder.transformer().unwrap();
        assert_eq!((sizes.registers, sizes.depth), (3, 4), "{name}");
        assert!(descriptors(&encoder) == expected, "{name}: bit for bit");
        assert_eq!(encoder.digest().len(), 64, "{name}");
    }
}

#[test]
fn a_damaged_network_is_refused_with_what_was_expected_and_found() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], words: &[&str]| {
        let path = write(dir.path(), "damaged", bytes);
        let error = open(&path).err().expect("an error").to_string();
        for word in [words, &["expected", "found"]].concat() {
            assert!(error.contains(word), "expected {word:?} in: {error}");
        }
    };
    let check = |edit: &dyn Fn(&mut Checkpoint), words: &[&str]| {
        let mut all = Checkpoint::torch_hub(&SMALL);
        edit(&mut all);
        refused(&all.safetensors().unwrap(), words);
        refused(&all.pth(), words);
    };
    let wrapped = Checkpoint::torch_hub(&SMALL).wrapped("teacher");
    refused(&wrapped, &["patch_embed.proj.weight", "in the entry teacher, which must be saved alone"]);
    let remove = |all: &mut Checkpoint, part: &str| all.0.retain(|name, _| !name.contains(part));

    check(
        &|all| remove(all, "blocks.1.mlp.fc2.weight"),
        &["a tensor blocks.1.mlp.fc2.weight", "none of that"],
    );
    check(&|all| remove(all, "cls_token"), &["a tensor cls_token"]);
    check(&|all| remove(all, "pos_embed"), &["a tensor pos_embed"]);
    check(
        &|all| remove(all, "patch_embed"),
        &[
            "patch_embed.proj.weight (torch-hub, timm)",
            "Hugging Face",
            "tensors, the first named blocks.0.attn.proj.bias",
        ],
    );
    check(&|all| remove(all, ""), &["patch_embed.proj.weight", "no tensors"]);
    check(&|all| remove(all, "blocks."), &["blocks.0"]);
    let gated = |all: &mut Checkpoint| {
        for i in 0..4 {
            remove(all, &format!("blocks.{i}.mlp"));
            all.put(&format!("blocks.{i}.mlp.w12.weight"), &[256, 64], vec![0.1; 256 * 64]);
            all.put(&format!("blocks.{i}.mlp.w3.weight"), &[64, 128], vec![0.1; 64 * 128]);
        }
    };
    check(&gated, &["a tensor blocks.0.mlp.fc1.weight", "none of that name"]);

    let reshape = |name: &'static str, shape: &'static [usize]| {
        move |all: &mut Checkpoint| all.put(name, shape, vec![0.1; shape.iter().product()])
    };
    check(
        &reshape("blocks.0.attn.qkv.weight", &[192, 63]),
        &["blocks.0.attn.qkv.weight of shape [192, 64]", "[192, 63]"],
    );
    check(&reshape("register_tokens", &[3, 64]), &["register_tokens of shape [1, 64, 64]", "[3, 64]"]);
    check(&reshape("pos_embed", &[1, 200, 64]), &["pos_embed of shape [1, 197, 64]", "[1, 200, 64]"]);
    check(&reshape("pos_embed", &[64]), &["positions a side", "found 0"]);
    check(&reshape("blocks.0.mlp.fc1.weight", &[]), &["blocks.0.mlp.fc1.weight", "[]"]);
    check(&reshape("patch_embed.proj.weight", &[64, 1, 14, 14]), &["[d, 3, p, p]", "[64, 1, 14, 14]"]);
    check(&reshape("patch_embed.proj.weight", &[64, 3, 14, 16]), &["square patches", "14 x 16"]);
    check(&reshape("patch_embed.proj.weight", &[60, 3, 14, 14]), &["a multiple of 64", "60"]);
    check(&reshape("patch_embed.proj.weight", &[64, 3, 0, 0]), &["patches of 1 to 64 pixels", "0 x 0"]);

    let whole = Checkpoint::torch_hub(&SMALL);
    for (bytes, word) in [
        (whole.safetensors().unwrap(), "a safetensors file"),
        (whole.pth(), "a whole zip archive of torch.save"),
    ] {
        for length in (4..bytes.len()).step_by(bytes.len() / 20) {
            refused(&bytes[..length], &[if length < 1000 { "" } else { word }]);
        }
    }
}

#[test]
fn a_tensor_of_another_type_is_refused_by_name() {
    use safetensors::tensor::{Dtype, TensorView};
    let dir = tempfile::tempdir().unwrap();
    let bytes = [0; 64 * 3 * 14 * 14 * 4];
    let view = TensorView::new(Dtype::I32, vec![64, 3, 14, 14], &bytes).unwrap();
    let file = safetensors::serialize([("patch_embed.proj.weight", view)], None).unwrap();
    let error = open(&write(dir.path(), "whole.safetensors", &file)).err().unwrap().to_string();
    assert!(error.contains("expected patch_embed.proj.weight of f32, f16 or bf16, found I32"), "{error}");
}

#[test]
fn a_trained_vit_tiny_of_timm_is_read_as_it_was_trained() {
    let Some(path) = outside("timm", "weights/vit_tiny_patch16_224.safetensors") else { return };
    let encoder = open(&path).unwrap();
    let (sizes, geometry) = (encoder.transformer().unwrap(), encoder.geometry());
    assert_eq!((sizes.dim, sizes.depth, sizes.heads, sizes.blocks_used()), (192, 12, 3, 9));
    assert_eq!((sizes.patch, geometry.size.rows, geometry.grid().rows, sizes.table), (16, 384, 48, 14));
    assert_eq!((sizes.registers, geometry.mean, geometry.std), (0, [0.5; 3], [0.5; 3]));
    let weights = snarm_core::files::Weights::open(&path).unwrap();
    check(&encoder, &|name, shape| {
        let tensor = weights.get(name).unwrap()?;
        assert_eq!(tensor.shape, shape, "{name}");
        Some(tensor.data)
    });
}
