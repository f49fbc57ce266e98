//! The recurrence, channel by channel, in f64.

use super::Sweep;

/// Parameters as [`super::Directions::new`] takes them.
pub(super) struct Learned<'a> {
    pub(super) count: usize,
    pub(super) step: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) a_log: &'a [f32],
    pub(super) skip: &'a [f32],
}

pub(super) fn cross_scan(u: &[f32], rows: &[f32], learned: &Learned<'_>, sweeps: &[Sweep], y: &mut [f32]) {
    let d = learned.bias.len() / learned.count;
    let (r, n) = (learned.step.len() / learned.bias.len(), learned.a_log.len() / learned.bias.len());
    let cells = u.len() / d;
    let at = |x: &[f32], i: usize| f64::from(x[i]);
    let mut sums = vec![0.0_f64; y.len()];
    for sweep in sweeps {
        for (k, channel) in (0..learned.count).flat_map(|k| (0..d).map(move |channel| (k, channel))) {
            let own = k * d + channel;
            let mut h = vec![0.0_f64; n];
            for (place, cell) in sweep.orders[k * cells..][..cells].iter().enumerate() {
                if place % sweep.len == 0 {
                    h.fill(0.0);
                }
                let cell = *cell as usize;
                let row = &rows[(cell * learned.count + k) * (r + 2 * n)..][..r + 2 * n];
                let dt: f64 = (0..r).map(|i| at(learned.step, own * r + i) * at(row, i)).sum();
                let delta = (dt + at(learned.bias, own)).exp().ln_1p();
                let input = at(u, cell * d + channel);
                let mut out = at(learned.skip, own) * input;
                for (i, h) in h.iter_mut().enumerate() {
                    let decay = (-delta * at(learned.a_log, own * n + i).exp()).exp();
                    *h = decay * *h + delta * at(row, r + i) * input;
                    out += at(row, r + n + i) * *h;
                }
                sums[cell * d + channel] += out;
            }
        }
    }
    y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (sum / sweeps.len() as f64) as f32);
}
