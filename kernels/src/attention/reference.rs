//! The plainest statement, in f64.

pub(super) fn attention(qkv: &[f32], n: usize, heads: usize, y: &mut [f32]) {
    let dim = qkv.len() / n / 3;
    let d = dim / heads;
    let at = |row: usize, part: usize, head: usize, i: usize| {
        f64::from(qkv[row * 3 * dim + part * dim + head * d + i])
    };
    for head in 0..heads {
        for q in 0..n {
            let scores: Vec<f64> = (0..n)
                .map(|k| {
                    (0..d).map(|i| at(q, 0, head, i) * at(k, 1, head, i)).sum::<f64>() / (d as f64).sqrt()
                })
                .collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let exps: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
            let sum: f64 = exps.iter().sum();
            for i in 0..d {
                let value: f64 = (0..n).map(|k| exps[k] * at(k, 2, head, i)).sum();
                y[q * dim + head * d + i] = (value / sum) as f32;
            }
        }
    }
}
