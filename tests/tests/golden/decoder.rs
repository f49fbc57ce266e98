use snarm_core::Grid;
use snarm_core::models::snarm::decoder::{ORDERS, Residuals, Shape, SnarmDecoder, Stage, Workspace};
use snarm_core::models::snarm::{Matching, Navigation};
use snarm_core::threads::install;
use snarm_kernels::blur::Blur;
use snarm_kernels::nearest::{Filter, Rows, squared_norms};
use snarm_kernels::pooled_max::pooled_max;

use crate::file::{Golden, assert_close, rows};
use crate::matching::inputs;

pub(crate) const GRID: usize = 49;
pub(crate) const SIDE: usize = 392;
pub(crate) const WIDTH: usize = 512;

/// Hybrid matching with the decoder's own navigator: what the decoder reads.
pub(crate) fn match_and_navigate(
    golden: &Golden,
    decoder: &SnarmDecoder,
) -> (Matching, Navigation, Matching) {
    let (tokens, bank) = inputs();
    let mut norms = vec![0.0; 1000];
    squared_norms(&bank, WIDTH, &mut norms).unwrap();
    let mut inter = Matching::new(WIDTH);
    inter.with_bank(&tokens, Rows { data: &bank, norms: &norms }, None, Filter::default()).unwrap();
    let mut q = Vec::new();
    decoder.navigate(inter.transformed(), &mut q).unwrap();
    assert_close("Q", &golden.f32s("Q"), &q, 3e-6);
    let mut navigation = Navigation::default();
    navigation.run(inter.transformed(), WIDTH, Some(&q), &[]).unwrap();
    assert_close("W", &golden.f32s("W"), navigation.waypoints(), 3e-6);
    assert_eq!(navigation.trusted(), golden.u32s("trusted"));
    assert_eq!(navigation.hard(), golden.u32s("hard"));
    let mut intra = Matching::new(WIDTH);
    intra.with_trusted(&tokens, navigation.trusted()).unwrap();
    (inter, navigation, intra)
}

/// Name, places and tolerance of a stage in the golden file, where it is stored.
fn stored(branch: usize, stage: Stage) -> Option<(String, &'static str, f32)> {
    let (part, places, tolerance) = match (branch, stage) {
        (0, Stage::Embedded) => return Some(("embed0".to_owned(), "row_index", 1e-5)),
        (0, Stage::Stream(layer)) => (format!("layer{layer}.u"), "seq_pos", [1e-5, 6e-5][layer]),
        (0, Stage::MixerIn(layer)) => (format!("layer{layer}.mixer_in"), "hard_pos", [6e-5, 8e-5][layer]),
        (0, Stage::MixerOut(layer)) => (format!("layer{layer}.mixer_out"), "hard_pos", [6e-5, 8e-5][layer]),
        (0, Stage::Hidden(layer)) => (format!("layer{layer}.h"), "seq_pos", [6e-5, 8e-5][layer]),
        (0 | 3, Stage::Normed) => ("norm_out".to_owned(), "seq_pos", 1e-4),
        _ => return None,
    };
    Some((format!("branch{branch}.{part}"), places, tolerance))
}

#[test]
fn every_stage_of_the_decoder_is_the_published_one() {
    let golden = Golden::open("snarm_head");
    let shape = Shape::published(WIDTH);
    let decoder = SnarmDecoder::seeded(&shape).unwrap();
    let mut workspace = Workspace::new(&shape, Grid::square(GRID), Grid::square(SIDE)).unwrap();
    let mut seen = 0;
    let mut prob = install(|| {
        let (inter, navigation, intra) = match_and_navigate(&golden, &decoder);
        let residuals =
            Residuals { inter: inter.transformed(), intra: intra.transformed(), hard: navigation.hard() };
        let map = decoder.run_observed(&residuals, &mut workspace, &mut |branch, stage, all| {
            let Some((name, places, tolerance)) = stored(branch, stage) else { return };
            let sequences = if stage == Stage::Embedded { 1 } else { ORDERS };
            let places = golden.u32s(places);
            let part = |sequence: &[f32]| rows(sequence, shape.channels, &places);
            let found: Vec<f32> = all.chunks_exact(all.len() / sequences).flat_map(part).collect();
            assert_close(&name, &golden.f32s(&name), &found, tolerance);
            seen += 1;
        });
        map.unwrap().to_vec()
    })
    .unwrap();
    assert_eq!(seen, 11, "stages that are stored");

    let view = |v: usize| workspace.logits().iter().skip(v).step_by(shape.views()).copied();
    let logits: Vec<f32> = (0..shape.views()).flat_map(view).collect();
    assert_close("logits", &golden.f32s("logits"), &logits, 8e-5);
    assert_close("prob", &golden.f32s("prob"), &prob, 4e-6);
    install(|| Blur::new(SIDE, SIDE, 4.0).run(&mut prob)).unwrap().unwrap();
    assert_close("smooth", &golden.f32s("smooth"), &prob, 2e-6);
    let score = pooled_max(&prob, SIDE, 16, 2, &mut Vec::new()).unwrap();
    assert_close("score", &golden.f32s("score"), &[score], 3e-7);
}
