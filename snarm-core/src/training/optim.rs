//! AdamW with clipping by the norm of all gradients.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use snarm_kernels::adamw::{Step, adamw};

use super::Variables;
use crate::error::{Error, Result};

/// Constants of the optimiser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Weight decay, apart from the gradient.
    pub decay: f64,
    /// Whether variables of one dimension (biases and norms) decay, too.
    pub decay_vectors: bool,
    /// Memory of the two moments.
    pub betas: (f64, f64),
    /// What keeps a division from overflowing.
    pub eps: f64,
    /// Largest norm of all gradients together; a larger one is scaled down to it.
    pub clip: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { decay: 0.05, decay_vectors: true, betas: (0.9, 0.999), eps: 1e-8, clip: 1.0 }
    }
}

/// Highest learning rate of a run: a step moves each weight by about as much.
const MOST_RATE: f64 = 1.0;

/// Refuses a learning rate at which weights keep still, or go anywhere.
pub(super) fn check_rate(name: &'static str, rate: f64) -> Result<()> {
    // What is not a number fails, too.
    if rate > 0.0 && rate <= MOST_RATE {
        return Ok(());
    }
    let expected = format!("a number above 0, up to {MOST_RATE}");
    Err(Error::Setting { name, expected, found: rate.to_string() })
}

/// Moments of one variable, and the steps it has taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
    pub(super) steps: u64,
}

/// The optimiser. A variable that has no gradient in a step is passed over altogether: it does not decay, its moments
/// keep still, and the step does not count for it.
#[derive(Debug, Clone)]
pub struct AdamW {
    settings: AdamWSettings,
    pub(super) moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// Starts with empty moments.
    pub fn new(settings: AdamWSettings) -> Self {
        Self { settings, moments: BTreeMap::new() }
    }

    /// Moves the variables that have a gradient, at that learning rate. Returns the norm of all gradients before it was
    /// clipped.
    ///
    /// # Errors
    /// When a gradient is not finite, and nothing has moved then, or a weight would not be.
    pub fn step(&mut self, variables: &Variables, grads: &GradStore, rate: f64) -> Result<f64> {
        let mut all = Vec::new();
        let mut square = 0.0;
        for (name, var) in variables.iter() {
            let Some(grad) = grads.get(var.as_tensor()) else { continue };
            let grad: Vec<f32> = grad.flatten_all()?.to_vec1()?;
            let sum: f64 = grad.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            if !sum.is_finite() {
                let expected = format!("a finite gradient of {name}");
                return Err(Error::Values { what: "training", expected, found: sum.sqrt().to_string() });
            }
            square += sum;
            all.push((name, var, grad));
        }
        let norm = square.sqrt();
        let scale = if norm > self.settings.clip { self.settings.clip / (norm + 1e-6) } else { 1.0 };
        for (name, var, grad) in all {
            let moments = self.moments.entry(name.to_owned()).or_default();
            moments.first.resize(grad.len(), 0.0);
            moments.second.resize(grad.len(), 0.0);
            moments.steps += 1;
            let AdamWSettings { decay, decay_vectors, betas, eps, .. } = self.settings;
            let decay = if decay_vectors || var.rank() > 1 { decay } else { 0.0 };
            let step = Step { rate, decay, betas, eps, number: moments.steps, scale };
            let mut values: Vec<f32> = var.flatten_all()?.to_vec1()?;
            snarm_kernels::threads::install(|| {
                adamw(&mut values, &grad, &mut moments.first, &mut moments.second, &step)
            })??;
            if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
                let expected = format!("finite weights of {name}");
                return Err(Error::Values { what: "training", expected, found: wrong.to_string() });
            }
            variables.set(name, &values)?;
        }
        Ok(norm)
    }

    /// Steps that the variable of that name has taken.
    pub fn steps_of(&self, name: &str) -> u64 {
        self.moments.get(name).map_or(0, |moments| moments.steps)
    }
}
