use snarm_core::encoder::seeded;
use snarm_core::models::snarm::{Matching, Navigation};
use snarm_kernels::nearest::{Filter, Rows, squared_norms};

use crate::file::{Golden, assert_close, rows};

const TOKENS: usize = 2401;
const WIDTH: usize = 512;

/// Wide every 64th channel.
fn amplitude(channel: usize) -> f32 {
    if channel.is_multiple_of(64) { 2.0 } else { 0.125 }
}

/// Descriptors and bank of the golden decoder: a disc of 193 tokens lies far from the bank.
pub(crate) fn inputs() -> (Vec<f32>, Vec<f32>) {
    let values = |name: &str, n: usize| seeded::values(name, n * WIDTH, 0.0, 1.0);
    let mut tokens = values("snarm.f.12", TOKENS);
    for (i, row) in tokens.chunks_exact_mut(WIDTH).enumerate() {
        let (y, x) = ((i / 49) as i32 - 30, (i % 49) as i32 - 18);
        let gain = if y * y + x * x < 64 { 2.0 } else { 1.0 };
        row.iter_mut().enumerate().for_each(|(j, v)| *v *= amplitude(j) * gain);
    }
    let mut bank = values("snarm.bank.12", 1000);
    bank.chunks_exact_mut(WIDTH)
        .for_each(|row| row.iter_mut().enumerate().for_each(|(j, v)| *v *= amplitude(j)));
    (tokens, bank)
}

#[test]
fn matching_and_navigation_are_the_published_ones() {
    let golden = Golden::open("snarm_head");
    let (tokens, bank) = inputs();
    assert_eq!(rows(&tokens, WIDTH, &[0])[..128], golden.f32s("f.first_rows")[..128]);
    assert_eq!(bank[..128], golden.f32s("bank.first_row"));
    let mut norms = vec![0.0; 1000];
    squared_norms(&bank, WIDTH, &mut norms).unwrap();

    let mut inter = Matching::new(WIDTH);
    inter.with_bank(&tokens, Rows { data: &bank, norms: &norms }, None, Filter::default()).unwrap();
    let sorted = |indices: &[u32]| -> Vec<[u32; 3]> {
        let mut sets = indices.as_chunks::<3>().0.to_vec();
        sets.iter_mut().for_each(|set| set.sort_unstable());
        sets
    };
    assert_eq!(sorted(inter.indices()), sorted(&golden.u32s("inter_index")), "the three nearest, as sets");
    assert_close("distances", &golden.f32s("inter_sqdist3"), inter.distances(), 1e-4);

    let places = golden.u32s("row_index");
    let part = |data: &[f32]| rows(data, WIDTH, &places);
    assert_close("residual", &golden.f32s("residual"), &part(inter.residual()), 2e-6);
    assert_close("R", &golden.f32s("R"), &part(inter.transformed()), 6e-6);

    // The golden waypoints contain a learned term Q; without it they are the mean of R.
    let mut navigation = Navigation::default();
    navigation.run(inter.transformed(), WIDTH, None, &[]).unwrap();
    assert_close("mean of R", &golden.f32s("R_mean"), navigation.waypoints(), 3e-6);
    navigation.run(inter.transformed(), WIDTH, Some(&golden.f32s("Q")), &[]).unwrap();
    assert_close("W", &golden.f32s("W"), navigation.waypoints(), 3e-6);
    assert_eq!(navigation.trusted(), golden.u32s("trusted"));
    assert_eq!(navigation.hard(), golden.u32s("hard"));

    let mut intra = Matching::new(WIDTH);
    intra.with_trusted(&tokens, navigation.trusted()).unwrap();
    assert_eq!(intra.indices(), golden.u32s("intra_index"));
    assert_close("intra residual", &golden.f32s("intra_residual"), &part(intra.residual()), 2e-6);
    assert_close("R intra", &golden.f32s("R_intra"), &part(intra.transformed()), 6e-6);
}
