//! MambaAD and Pyramid-Mamba, stage by stage: a checkpoint of formula weights is written and read as a published one is.

use snarm_core::encoder::{Encoder, Features, PositionInterpolation, Workspace as Encoding};
use snarm_core::models::reconstruction::{Kind, Reconstruction, Shape, Stage, Workspace, tensors};
use snarm_core::models::scan_order::Curve;
use snarm_core::models::{Decoder, mambaad, pyramid_mamba};
use snarm_core::threads::install;
use snarm_kernels::blur::Blur;
use snarm_kernels::cosine_distance::cosine_distance;
use snarm_tests::checkpoint;

use crate::file::{Golden, assert_close, rows};

/// Side of the input in pixels.
const SIDE: usize = 256;

/// Image a of the golden set as Pillow brings it to the network, normalised.
fn input() -> Vec<f32> {
    let pixels = Golden::open("preprocess").u8s("a.pil256");
    let (mean, std) = snarm_core::encoder::IMAGENET;
    let cells = SIDE * SIDE;
    let value =
        |i: usize| (f32::from(pixels[i % cells * 3 + i / cells]) / 255.0 - mean[i / cells]) / std[i / cells];
    (0..3 * cells).map(value).collect()
}

/// Compares a map (cells, channels) with the channels and the positions that are stored of it.
fn check(golden: &Golden, name: &str, level: usize, map: &[f32], tolerance: f32) {
    let cells = ((SIDE / 4) >> level).pow(2);
    let c = map.len() / cells;
    let channels = golden.u32s(&format!("channel_index.{level}"));
    let found: Vec<f32> =
        channels.iter().flat_map(|channel| map.iter().skip(*channel as usize).step_by(c).copied()).collect();
    assert_close(name, &golden.f32s(&format!("{name}.{level}.channels")), &found, tolerance);
    let places = golden.u32s(&format!("position_index.{level}"));
    let found: Vec<f32> = (0..c)
        .flat_map(|channel| places.iter().map(move |place| map[*place as usize * c + channel]))
        .collect();
    assert_close(name, &golden.f32s(&format!("{name}.{level}.positions")), &found, tolerance);
}

/// Compares what the stages show of the coarse maps; returns how many are stored.
fn check_stage(golden: &Golden, stage: Stage, map: &[f32], fused: &mut Vec<f32>) -> usize {
    let coarse = |map: &[f32]| rows(map, 512, &golden.u32s("position_index.8"));
    match stage {
        Stage::Fused => {
            let planes: Vec<f32> = (0..512).flat_map(|c| map.iter().skip(c).step_by(512).copied()).collect();
            assert_close("fused", &golden.f32s("fused"), &planes, 6e-5);
            *fused = map.to_vec();
        }
        Stage::Scanned(0, 0, 0) => {
            assert_close("hss0", &golden.f32s("stage0.hss0"), &coarse(map), 8e-5);
            let scanned: Vec<f32> = map.iter().zip(fused).map(|(map, fused)| map - *fused).collect();
            assert_close("ss2d0", &golden.f32s("stage0.ss2d0"), &coarse(&scanned), 3e-5);
        }
        Stage::Module(0, 0) => assert_close("lss0", &golden.f32s("stage0.lss0"), &coarse(map), 8e-5),
        Stage::Expanded(1) => {
            let found = rows(map, 256, &golden.u32s("position_index.2"));
            assert_close("expand", &golden.f32s("stage1.expand"), &found, 4e-5);
        }
        _ => return 0,
    }
    1
}

/// Tolerances of the reconstructed levels, of the distances, and of the map.
struct Tolerances {
    student: [f32; 3],
    map: f32,
}

fn run(file: &str, kind: &'static Kind, shape: &Shape, parameters: usize, tolerances: &Tolerances) {
    let golden = Golden::open(file);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("published.safetensors");
    checkpoint::write(&path, kind, shape, [3, 4, 6]);
    let name = path.to_str().unwrap();
    let encoder = Encoder::load(name, PositionInterpolation::Legacy).unwrap();
    let decoder = Decoder::open(&path).unwrap();
    assert_eq!((decoder.family(), decoder.encoder()), (kind.family, Some(name)));
    decoder.check_encoder(&encoder).unwrap();
    let geometry = encoder.geometry().clone();
    let mut features = Vec::new();
    let mut map = install(|| {
        encoder.encode(&input(), &mut Encoding::default(), &mut features).unwrap();
        let seen = Features::new(&geometry, &features).unwrap();
        let mut model = decoder.model(&geometry).unwrap();
        model.score(&seen, None, None, &[], &mut Default::default()).unwrap().to_vec()
    })
    .unwrap();

    let seen = Features::new(&geometry, &features).unwrap();
    let levels = [0, 1, 2].map(|level| seen.level(level).unwrap().1.host("test").unwrap());
    let same = Reconstruction::open(kind, &path).unwrap();
    assert_eq!((same.shape(), same.about()), (shape, None));
    let mut workspace = Workspace::new(kind, shape, &geometry).unwrap();
    let (mut stored, mut fused) = (0, Vec::new());
    install(|| {
        let mut observe = |stage: Stage, map: &[f32]| stored += check_stage(&golden, stage, map, &mut fused);
        same.run_observed(levels, &mut workspace, &mut observe).unwrap();
    })
    .unwrap();
    assert_eq!(stored, 4, "stages that are stored");
    for (level, (c, n)) in [(64, 64), (128, 32), (256, 16)].into_iter().enumerate() {
        let reconstructed = workspace.reconstructed()[level].host("test").unwrap();
        check(&golden, "teacher", level, levels[level], [3e-5, 4e-5, 8e-5][level]);
        check(&golden, "student", level, reconstructed, tolerances.student[level]);
        let mut distances = vec![0.0; n * n];
        cosine_distance(levels[level], reconstructed, c, &mut distances).unwrap();
        assert_close("cos", &golden.f32s(&format!("cos.{level}")), &distances, [1e-5, 5e-6, 3e-6][level]);
    }
    install(|| Blur::new(SIDE, SIDE, 4.0).run(&mut map)).unwrap().unwrap();
    assert_close("map", &golden.f32s("map"), &map, tolerances.map);
    let score = map.iter().fold(0.0_f32, |most, v| most.max(*v));
    assert_close("score", &golden.f32s("score"), &[score], 1e-7);

    // As published, without its tables; batch statistics are no parameters.
    let all = tensors(kind, shape).unwrap();
    let learned = all.iter().filter(|(name, _)| !name.contains("running_"));
    let count = |part: &str| -> usize {
        let own = learned.clone().filter(|(name, _)| name.starts_with(part));
        own.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    };
    assert_eq!((count("mff_oce."), count("net_s.")), (1_458_304, parameters));
    let found = Reconstruction::open(kind, &path).unwrap().parameters();
    assert_eq!(found, 1_458_304 + parameters);
}

#[test]
fn every_stage_of_mambaad_is_the_published_one() {
    let shape = Shape::published(8, Curve::Hilbert);
    let tolerances = Tolerances { student: [2e-4, 1.5e-4, 1e-4], map: 4e-7 };
    run("mambaad", &mambaad::KIND, &shape, 16_025_920 - 39_296, &tolerances);
}

#[test]
fn every_stage_of_pyramid_mamba_is_the_published_one() {
    let shape = Shape::published(4, Curve::Sweep);
    let tolerances = Tolerances { student: [1.5e-4, 1.5e-4, 1e-4], map: 5e-7 };
    run("pyramid_mamba", &pyramid_mamba::KIND, &shape, 13_471_032 - 51_576, &tolerances);
}
