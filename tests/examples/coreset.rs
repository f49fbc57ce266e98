//! Times the greedy coreset search, 10^5 points of 128 values to 10^4 picks, against the plain search that updates
//! every point after every pick (one matrix-vector product a pick), in turn. One JSON line for each kind of points.
//!
//! `cargo run --release -p snarm-tests --example coreset [PEER_PICKS [ROUNDS [POINTS [PICKS]]]]`
//!
//! The plain search costs the same for every pick, so a part of its picks is timed and the time of all follows.

#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::time::Instant;

use rayon::prelude::*;
use snarm_core::encoder::seeded;
use snarm_core::simd::dispatch;
use snarm_core::threads::install;
use snarm_kernels::coreset::greedy;

/// Width of the points: that of the projection before the search.
const D: usize = 128;

/// Points whose mean distance starts the search.
const STARTS: [usize; 10] = [0, 11, 222, 333, 444, 555, 666, 777, 888, 999];

fn main() -> anyhow::Result<()> {
    let given = std::env::args().skip(1).map(|n| n.parse()).collect::<Result<Vec<usize>, _>>()?;
    let argument = |i: usize, default: usize| given.get(i).copied().unwrap_or(default).max(1);
    let (peer_picks, rounds) = (argument(0, 2000), argument(1, 3));
    let (n, count) = (argument(2, 100_000).max(1000), argument(3, 10_000));
    for (kind, points) in [("noise", noise("points", n * D)), ("clusters", clusters(n))] {
        let (mut ours, mut peers, mut gaps, mut same) = (Vec::new(), Vec::new(), [0.0; 2], 0);
        for _ in 0..rounds {
            let start = Instant::now();
            let picks = install(|| greedy(&points, D, &STARTS, count, &mut |_| true))??;
            ours.push(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let plain = install(|| plain(&points, peer_picks.min(count)))?;
            peers.push(start.elapsed().as_secs_f64() * count as f64 / plain.len() as f64);
            same = picks.iter().zip(&plain).take_while(|(a, b)| a == b).count();
            gaps = [&picks[..plain.len()], &plain].map(|picks| gap(&points, picks));
        }
        let (ours_s, peer_s) = (median(&ours), median(&peers));
        let line = serde_json::json!({
            "points": kind,
            "n": n,
            "d": D,
            "picks": count,
            "isa": snarm_core::simd::isa().name(),
            "threads": install(rayon::current_num_threads)?,
            "rounds": rounds,
            "ours_s": ours_s,
            "plain_s": peer_s,
            "plain_picks_timed": peer_picks.min(count),
            "ratio": peer_s / ours_s,
            "first_picks_alike": same,
            "largest_gap_ours": gaps[0],
            "largest_gap_plain": gaps[1],
        });
        println!("{line}");
    }
    Ok(())
}

/// The plain search. Distances in the matrix form, |x|^2 - 2 x c + |c|^2, compiled for the processor at hand as the
/// libraries are that would be used for it.
fn plain(points: &[f32], count: usize) -> Vec<u32> {
    let n = points.len() / D;
    let (mut norms, mut scores) = (vec![0.0; n], vec![0.0; n]);
    let block = n.div_ceil(4 * rayon::current_num_threads());
    norms.par_chunks_mut(block).zip(points.par_chunks(block * D)).for_each(|(norms, points)| {
        dispatch(
            #[inline(always)]
            || norms.iter_mut().zip(points.as_chunks().0).for_each(|(norm, x)| *norm = dot(x, x)),
        );
    });
    // Starting scores are means of distances; from then on squares are compared, whose order is the same.
    for start in STARTS {
        visit(points, &norms, start, &mut scores, |score, square| *score += square.max(0.0).sqrt());
    }
    scores.iter_mut().for_each(|score| *score = (*score / STARTS.len() as f32).powi(2));
    let mut picks = Vec::with_capacity(count);
    while picks.len() < count {
        let best =
            scores.par_iter().copied().zip(0..n as u32).reduce(|| (f32::NEG_INFINITY, u32::MAX), higher);
        picks.push(best.1);
        visit(points, &norms, best.1 as usize, &mut scores, |score, square| *score = score.min(square));
        scores[best.1 as usize] = f32::NEG_INFINITY;
    }
    picks
}

/// Hands each score the squared distance of its point to one of them.
fn visit(points: &[f32], norms: &[f32], to: usize, scores: &mut [f32], then: impl Fn(&mut f32, f32) + Sync) {
    let block = norms.len().div_ceil(4 * rayon::current_num_threads());
    let (all, _) = points.as_chunks::<D>();
    let (centre, length) = (&all[to], norms[to]);
    let blocks = all.par_chunks(block).zip(norms.par_chunks(block)).zip(scores.par_chunks_mut(block));
    blocks.for_each(|((points, norms), scores)| {
        dispatch(
            #[inline(always)]
            || {
                for ((x, norm), score) in points.iter().zip(norms).zip(scores) {
                    then(score, norm - 2.0 * dot(x, centre) + length);
                }
            },
        );
    });
}

/// The higher of two scores, the lower index of equal ones.
fn higher(a: (f32, u32), b: (f32, u32)) -> (f32, u32) {
    if b.0 > a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
}

#[inline(always)]
fn dot(a: &[f32; D], b: &[f32; D]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane = a.mul_add(*b, *lane);
        }
    }
    lanes.iter().sum()
}

/// Largest distance to the nearest pick, of every twentieth point.
fn gap(points: &[f32], picks: &[u32]) -> f32 {
    let (all, _) = points.as_chunks::<D>();
    let nearest = |x: &[f32; D]| {
        dispatch(
            #[inline(always)]
            || {
                let to = |c: &[f32; D]| dot(x, x) - 2.0 * dot(x, c) + dot(c, c);
                picks.iter().fold(f32::INFINITY, |nearest, pick| nearest.min(to(&all[*pick as usize])))
            },
        )
    };
    all.par_iter().step_by(20).map(nearest).reduce(|| 0.0, f32::max).sqrt()
}

/// Normal random numbers (Box and Muller).
fn noise(name: &str, len: usize) -> Vec<f32> {
    let unit = seeded::values(name, len.next_multiple_of(2), 0.5, 0.5);
    let (pairs, _) = unit.as_chunks::<2>();
    let normal = |[a, b]: &[f32; 2]| {
        let (radius, angle) = ((-2.0 * (1.0 - a).ln()).sqrt(), std::f32::consts::TAU * b);
        [radius * angle.cos(), radius * angle.sin()]
    };
    pairs.iter().flat_map(normal).take(len).collect()
}

/// Points as pictures of one product give them: many of few kinds and few of many, each kind spread along a few
/// directions of its own.
fn clusters(n: usize) -> Vec<f32> {
    const KINDS: usize = 400;
    const DIRECTIONS: usize = 6;
    let centres = noise("centres", KINDS * D);
    let directions = noise("directions", KINDS * DIRECTIONS * D);
    let spread = noise("spread", n * DIRECTIONS);
    let rest = noise("rest", n * D);
    let dice = seeded::values("kinds", n, 0.5, 0.5);
    let mut points = Vec::with_capacity(n * D);
    for (i, dice) in dice.iter().enumerate() {
        // The cube makes the first kinds the frequent ones.
        let kind = ((dice.powi(3) * KINDS as f32) as usize).min(KINDS - 1);
        points.extend((0..D).map(|j| {
            let along = (0..DIRECTIONS)
                .map(|k| spread[i * DIRECTIONS + k] * directions[(kind * DIRECTIONS + k) * D + j]);
            centres[kind * D + j] + 0.15 * along.sum::<f32>() + 0.05 * rest[i * D + j]
        }));
    }
    points
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
