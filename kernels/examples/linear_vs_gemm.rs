//! Times our linear layer, in f32 and in bf16 where the processor has it, against the `gemm` crate on the shapes of ViT-B and of
//! snarm-tiny, in turn. One JSON line a shape.
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]

use std::time::Instant;

use snarm_kernels::Precision;
use snarm_kernels::linear::{Panels, Then, linear};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = snarm_kernels::threads::pool()?;
    pool.install(|| {
        for (m, k, n) in [(789, 768, 2304), (789, 768, 768), (789, 768, 3072), (789, 3072, 768), (789, 192, 576), (1600, 128, 512), (1600, 512, 128), (400, 192, 768), (400, 768, 192)] {
            let x: Vec<f32> = (0..m * k).map(|i| (i % 17) as f32 * 0.1).collect();
            let w: Vec<f32> = (0..n * k).map(|i| (i % 13) as f32 * 0.1).collect();
            let bias = vec![0.0; n];
            let mut y = vec![0.0_f32; m * n];
            let panels = Panels::from_transposed(&w, n, k);
            let halves = panels.clone().in_precision(Precision::Bf16);
            let (mut ours, mut rounded, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..15 {
                let start = Instant::now();
                let _ = linear(&x, &panels, &bias, Then::Store, &mut y);
                ours.push(start.elapsed().as_secs_f64() * 1e3);
                let start = Instant::now();
                let _ = linear(&x, &halves, &bias, Then::Store, &mut y);
                rounded.push(start.elapsed().as_secs_f64() * 1e3);
                let start = Instant::now();
                by_gemm(&x, &w, &mut y, m, k, n);
                theirs.push(start.elapsed().as_secs_f64() * 1e3);
            }
            for times in [&mut ours, &mut rounded, &mut theirs] {
                times.sort_by(f64::total_cmp);
            }
            let gflop = 2e-6 * (m * k * n) as f64;
            println!(
                "{{\"shape\":[{m},{k},{n}],\"ours_ms\":{:.3},\"ours_{}_ms\":{:.3},\"gemm_ms\":{:.3},\"ours_gflops\":{:.0},\"ratio\":{:.2}}}",
                ours[7],
                halves.precision().name(),
                rounded[7],
                theirs[7],
                gflop / ours[7],
                theirs[7] / ours[7]
            );
        }
    });
    Ok(())
}

#[expect(unsafe_code, reason = "the gemm crate takes pointers")]
fn by_gemm(x: &[f32], w: &[f32], y: &mut [f32], m: usize, k: usize, n: usize) {
    let (mi, ki, ni) = (m as isize, k as isize, n as isize);
    assert!(x.len() == m * k && w.len() == n * k && y.len() == m * n && mi > 0);
    // SAFETY: the three slices hold exactly the matrices that the sizes and strides describe.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            y.as_mut_ptr(),
            1,
            ni,
            false,
            x.as_ptr(),
            1,
            ki,
            w.as_ptr(),
            ki,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
