//! One step: samples are drawn, learned from, and the variables moved.

use super::{Trainer, net};
use crate::error::Result;
use crate::training::decoder::Mode;
use crate::training::decoder::assemble::{Entry, TURNS};
use crate::training::decoder::samples::{Id, Shows};
use crate::training::random::{key, uniform};

/// What the random numbers of a step are for.
const DRAW: u64 = 2;
const DROP: u64 = 3;

impl Trainer {
    /// Losses of views and navigator, and the norm of the gradients.
    pub(super) fn one_step(&mut self, step: u64, rate: f64) -> Result<(f64, f64, f64)> {
        let mut drawn = Vec::new();
        for slot in 0..self.settings.batch as u64 {
            let key = key(self.settings.seed, &[DRAW, step, slot]);
            let id = self.draw(key);
            let entry =
                Entry { turn: (uniform(key, 100) * TURNS as f32) as u64, jitter: self.settings.jitter, key };
            drawn.push((self.samples.get(id)?, entry));
        }
        let batch = self.assembler.batch(&drawn, &self.variables)?;
        let net = net(self.shape, &self.variables, &self.buffers, self.settings.without);
        let branches = self.settings.branches_of(step);
        let (mut total, mut outcomes) = (None, Vec::new());
        for branch in branches.clone() {
            let drop = key(self.settings.seed, &[DROP, step, branch as u64]);
            let outcome =
                net.run(branch, &batch, Mode::Train { key: drop, dropout: self.settings.dropout })?;
            let share = (&outcome.views / branches.len() as f64)?;
            total = Some(match total {
                // The navigator is the same in each.
                None => (share + &outcome.navigator)?,
                Some(sum) => (sum + share)?,
            });
            outcomes.push((branch, outcome));
        }
        let Some(total) = total else { return Ok((0.0, 0.0, 0.0)) };
        let grads = total.backward()?;
        let norm = self.optimiser.step(&self.variables, &grads, rate)?;
        let scalar = |t: &candle_core::Tensor| -> Result<f64> { Ok(f64::from(t.to_scalar::<f32>()?)) };
        let (mut views, mut navigator) = (0.0, 0.0);
        for (branch, outcome) in &outcomes {
            net.gather(*branch, &batch, outcome)?;
            views += scalar(&outcome.views)? / outcomes.len() as f64;
            navigator = scalar(&outcome.navigator)?;
        }
        Ok((views, navigator, norm))
    }

    /// The sample of a slot: categories are equally likely, whatever their sizes.
    fn draw(&self, key: u64) -> Id {
        let settings = &self.settings;
        let at = |i: u64, n: usize| ((uniform(key, i) * n as f32) as usize).min(n.saturating_sub(1));
        let category = at(0, self.samples.categories.len());
        let of = &self.samples.categories[category];
        let kind = f64::from(uniform(key, 1));
        if kind >= 1.0 - settings.real_share && !of.defective.is_empty() {
            return Id { category, image: at(2, of.defective.len()), shows: Shows::Real };
        }
        let learned: Vec<usize> = (0..of.good.len()).filter(|i| !of.is_held_out(*i, settings)).collect();
        let image = learned[at(2, learned.len())];
        let shows = match kind {
            kind if kind >= settings.normal_share => {
                Shows::Synthetic(at(3, settings.variants as usize) as u32)
            }
            kind if kind >= settings.normal_share / 2.0 => Shows::OtherLight,
            _ => Shows::Good,
        };
        Id { category, image, shows }
    }
}
