//! Times our encoder against the same network on candle tensors, in turn: ViT-B/14 at 392 pixels, 9 blocks and the
//! descriptors, f32. One JSON line.
//!
//! `cargo run --release -p snarm-tests --example encoder_vs_candle [ROUNDS [NETWORK]]`

#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

#[path = "../tests/oracle/vit.rs"]
mod vit;

use std::time::Instant;

use snarm_core::encoder::{Encoder, PositionInterpolation, Workspace, seeded};
use vit::Vit;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(9), |rounds| rounds.parse())?;
    let name = arguments.next().unwrap_or_else(|| "seeded:base".to_owned());
    anyhow::ensure!(rounds > 0, "expected at least one round, found none");
    let encoder = Encoder::load(&name, PositionInterpolation::Legacy)?;
    let sizes = encoder
        .transformer()
        .ok_or_else(|| anyhow::anyhow!("expected a vision transformer, found {name}"))?;
    let fetch = |name: &str, shape: &[usize]| Some(seeded::vit_tensor(name, shape));
    let oracle = Vit::new(sizes, encoder.geometry(), &fetch)?;
    let image = seeded::values("image", encoder.geometry().input_len(), 0.0, 1.5);

    let (mut workspace, mut descriptors) = (Workspace::default(), Vec::new());
    let (mut ours, mut candles, mut difference) = (Vec::new(), Vec::new(), 0.0_f32);
    // The first round warms both up and is not counted.
    for round in 0..=rounds {
        let start = Instant::now();
        snarm_core::threads::install(|| encoder.encode(&image, &mut workspace, &mut descriptors))??;
        let our = start.elapsed().as_secs_f64() * 1e3;
        let start = Instant::now();
        let expected = oracle.forward(&image, &mut |_, _| Ok(()))?;
        let candle = start.elapsed().as_secs_f64() * 1e3;
        if round == 0 {
            let expected = expected.flatten_all()?.to_vec1::<f32>()?;
            difference = expected.iter().zip(&descriptors).map(|(e, d)| (e - d).abs()).fold(0.0, f32::max);
            continue;
        }
        ours.push(our);
        candles.push(candle);
    }
    let ratios: Vec<f64> = candles.iter().zip(&ours).map(|(candle, our)| candle / our).collect();
    let line = serde_json::json!({
        "network": name,
        "blocks": sizes.blocks_used(),
        "tokens": sizes.tokens(encoder.geometry().size),
        "isa": snarm_core::simd::isa().name(),
        "threads": snarm_core::threads::install(rayon::current_num_threads)?,
        "rounds": rounds,
        "ours_ms": median(&ours),
        "candle_ms": median(&candles),
        "ratio": median(&ratios),
        "ratio_min": ratios.iter().copied().fold(f64::INFINITY, f64::min),
        "largest_difference": difference,
    });
    println!("{line}");
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[sorted.len() / 2] * 1e3).round() / 1e3
}
