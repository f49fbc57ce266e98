use snarm_core::Grid;
use snarm_core::encoder::{Encoder, PositionInterpolation, SEEDED_LITE, Workspace, seeded};
use snarm_kernels::frame::Frame;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor};

use crate::file::{Golden, assert_close, rows};

/// Image a of the golden set, 389 rows of 517 pixels, brought to the network the published way.
pub(crate) fn input() -> Vec<f32> {
    let image = Golden::open("preprocess").u8s("a.image");
    let spec = PreprocessSpec::imagenet(Grid::square(392), Fit::paper(392));
    let mut input = vec![0.0; spec.output_len()];
    let frame = Frame::rgb(&image, 517, 389).unwrap();
    Preprocessor::new(spec).unwrap().run(&frame, &mut input).unwrap();
    input
}

fn check(name: &str, file: &str, positions: PositionInterpolation, mode: &str) {
    let golden = Golden::open(file);
    let encoder = Encoder::load(name, positions).unwrap();
    let sizes = encoder.transformer().unwrap();
    let (dim, extra) = (sizes.dim, sizes.extra_tokens());
    let tokens = golden.u32s("token_index");
    let of = |what: &str| golden.f32s(&format!("{mode}.{what}"));
    let class_rows = of("cls_all_blocks");
    let mut seen = Vec::new();
    let mut descriptors = Vec::new();
    snarm_kernels::threads::install(|| {
        encoder
            .encode_observed(&input(), &mut Workspace::default(), &mut descriptors, &mut |number, all| {
                seen.push(number);
                let part = rows(all, dim, &tokens);
                match number {
                    0 => assert_close("tokens_in", &of("tokens_in"), &part, 4e-5),
                    1 => assert_close("block0", &of("block0"), &part, 5e-5),
                    2 => assert_close("block1", &of("block1"), &part, 5e-5),
                    9 => assert_close("block8", &of("block8"), &part, 5e-5),
                    _ => {}
                }
                if number > 0 {
                    let class = &class_rows[(number - 1) * dim..][..dim];
                    assert_close("class token", class, &all[..dim], 5e-5);
                }
                assert_eq!(all.len(), (extra + 784) * dim);
            })
            .unwrap();
    })
    .unwrap();
    assert_eq!(seen, (0..10).collect::<Vec<_>>(), "blocks 0 to 8 run and no more");
    assert_eq!(descriptors.len(), 2401 * 512);
    let part = rows(&descriptors, 512, &golden.u32s("desc_index"));
    assert_close("descriptors", &of("desc"), &part, 8e-5);

    let column = |c: usize| descriptors.iter().skip(c).step_by(512).map(|v| f64::from(*v));
    let mean: Vec<f64> = (0..512).map(|c| column(c).sum::<f64>() / 2401.0).collect();
    let std = |c: usize| (column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / 2401.0).sqrt() as f32;
    let narrow: Vec<f32> = mean.iter().map(|v| *v as f32).collect();
    assert_close("mean of the descriptors", &of("desc_mean"), &narrow, 1e-5);
    assert_close(
        "deviation of the descriptors",
        &of("desc_std"),
        &(0..512).map(std).collect::<Vec<_>>(),
        1e-5,
    );
}

#[test]
fn vit_b_with_legacy_positions_is_the_published_encoder() {
    check("seeded:base", "encoder_vitb14reg_legacy", PositionInterpolation::Legacy, "legacy");
}

#[test]
fn vit_b_with_antialiased_positions_is_torch_hubs_and_hugging_faces() {
    check("seeded:base", "encoder_vitb14reg_legacy", PositionInterpolation::Antialiased, "antialias");
}

#[test]
fn vit_s_agrees_in_both_modes() {
    check("seeded:small", "encoder_vits14reg", PositionInterpolation::Legacy, "legacy");
    check("seeded:small", "encoder_vits14reg", PositionInterpolation::Antialiased, "antialias");
}

/// `pipelines/torch` trained it; the numbers are those of its own forward pass, in PyTorch on a CPU in f32.
#[test]
fn a_pyramid_trained_with_pytorch_gives_what_it_gave_there() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../snarm-core/assets/snarm-tiny.safetensors");
    let encoder = Encoder::load(file, PositionInterpolation::Legacy).unwrap();
    let n = 3 * 320 * 320;
    let pixel = |i: usize| 0.7 * i as f64 / (n - 1) as f64 + 0.3 * (0.37 * i as f64).sin().abs();
    let image: Vec<f32> = (0..n).map(|i| ((pixel(i) - 0.5) / 0.5) as f32).collect();
    let mut found = Vec::new();
    encoder.encode(&image, &mut Workspace::default(), &mut found).unwrap();
    assert_eq!(found.len(), 40 * 40 * 128);
    let corner = [0.59398, 0.29783, -0.20312, 1.04584, 1.03102, -0.1698, -0.16513, -0.05011];
    let middle = [4.48672, 0.19786, 2.04546, -1.60009];
    let at = (20 * 40 + 20) * 128;
    for (f, e) in found[..8].iter().zip(&corner).chain(found[at..].iter().zip(&middle)) {
        assert!((f - e).abs() < 2e-2, "expected {e}, found {f}");
    }
    let mean = found.iter().map(|v| f64::from(v.abs())).sum::<f64>() / found.len() as f64;
    assert!((mean - 0.75050).abs() < 1e-3, "{mean}");
}

/// The stages and descriptors of a narrow EfficientNet-Lite, whose formula timm was given too.
#[test]
fn efficientnet_lite_agrees_stage_by_stage() {
    let golden = Golden::open("encoder_efficientnet");
    let encoder = Encoder::load(SEEDED_LITE, PositionInterpolation::Legacy).unwrap();
    let geometry = encoder.geometry();
    assert_eq!((encoder.input_side(), encoder.grid_side(), geometry.width()), (320, 40, 96));
    let image = seeded::values("image", 3 * 320 * 320, 0.0, 1.5);
    let (mut seen, mut descriptors) = (Vec::new(), Vec::new());
    snarm_kernels::threads::install(|| {
        let mut compare = |number: usize, cells: &[f32]| {
            seen.push(number);
            let which = golden.u32s(&format!("cells{number}"));
            let expected = golden.f32s(&format!("stage{number}"));
            let found = rows(cells, expected.len() / which.len(), &which);
            // Sums of some thousand products in f32, against f64.
            assert_close(&format!("stage {number}"), &expected, &found, 1e-3);
        };
        encoder.encode_observed(&image, &mut Workspace::default(), &mut descriptors, &mut compare).unwrap();
    })
    .unwrap();
    assert_eq!(seen, (0..=7).collect::<Vec<_>>());
    let found = rows(&descriptors, 96, &golden.u32s("cells"));
    assert_close("descriptors", &golden.f32s("descriptors"), &found, 5e-5);
    let column = |c: usize| descriptors.iter().skip(c).step_by(96).map(|v| f64::from(*v));
    let mean = |c: usize| column(c).sum::<f64>() / 1600.0;
    let std = |c: usize| (column(c).map(|v| (v - mean(c)).powi(2)).sum::<f64>() / 1600.0).sqrt() as f32;
    let means: Vec<f32> = (0..96).map(|c| mean(c) as f32).collect();
    assert_close("mean of the descriptors", &golden.f32s("mean"), &means, 1e-5);
    assert_close(
        "deviation of the descriptors",
        &golden.f32s("std"),
        &(0..96).map(std).collect::<Vec<_>>(),
        1e-5,
    );
}
