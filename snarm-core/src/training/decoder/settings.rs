//! How a decoder is trained.

use serde::Serialize;

use crate::bank::BankSettings;
use crate::error::{Error, Result};
use crate::models::snarm::decoder::DILATIONS;
use crate::synthetic;
use crate::training::optim::check_rate;
use crate::view::View;

/// Settings of a run. A checkpoint knows its run by them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Channels of the decoder; the published one has 128.
    pub channels: usize,
    /// Branches of the decoder; the published one has 4.
    pub branches: usize,
    /// Optimiser steps.
    pub steps: u64,
    /// Images of a step.
    pub batch: usize,
    /// Steps that a branch trains before the next one takes its turn (published: 100); with 0 all train in every step.
    pub cycle: u64,
    /// Highest learning rate.
    pub rate: f64,
    /// Learning rate at the end.
    pub last_rate: f64,
    /// Steps until the highest rate.
    pub warm_up: u64,
    /// Weight decay.
    pub decay: f64,
    /// Largest norm of all gradients together.
    pub clip: f64,
    /// Part of what the blocks make that is dropped.
    pub dropout: f32,
    /// Size of the jitter (published: 30): noise of so many times the length of a row, divided by its width.
    pub jitter: f32,
    /// Whether residuals are read in units of what is usual for good frames of their category.
    pub relative: bool,
    /// Part of the images of a step that show no defect.
    pub normal_share: f64,
    /// Part of the images of a step that show a real defect, where there are any.
    pub real_share: f64,
    /// Synthetic defects made from each good image.
    pub variants: u32,
    /// Most by which the brightness of an image is changed, in half of the images.
    pub brightness: f32,
    /// Synthetic defects.
    pub defects: synthetic::Settings,
    /// Of the good images of a category, every so many-th is held out, to choose the best step and the threshold.
    pub hold_out: usize,
    /// The most images of a category that are held out.
    pub hold_out_most: usize,
    /// Steps between two looks at the held-out images.
    pub look: u64,
    /// Looks without a better score after which the run ends.
    pub patience: u64,
    /// Steps between two checkpoints.
    pub save: u64,
    /// How banks are made.
    pub bank: BankSettings,
    /// Most memory for computed descriptors, in bytes.
    pub memory: usize,
    /// What is left out.
    pub without: Without,
    /// Seed of every random choice.
    pub seed: u64,
}

/// Parts of the method that can be left out, to see what they are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Without {
    /// Intra-residuals are zeros.
    pub intra: bool,
    /// Trusted tokens are drawn at random.
    pub navigator: bool,
    /// Mixers do not run.
    pub mamba: bool,
    /// Bank rows whose mean is the reference of a token, 1 to 3.
    pub top_k: usize,
}

impl Without {
    /// The whole method.
    pub const NOTHING: Self = Self { intra: false, navigator: false, mamba: false, top_k: 3 };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            channels: 128,
            branches: DILATIONS.len(),
            steps: 4_000,
            batch: 8,
            cycle: 100,
            rate: 1e-3,
            last_rate: 1e-4,
            warm_up: 100,
            decay: 0.05,
            clip: 1.0,
            dropout: super::DROPOUT,
            jitter: 1.0,
            relative: true,
            normal_share: 0.3,
            real_share: 0.25,
            variants: 4,
            brightness: 0.06,
            defects: synthetic::Settings::general(),
            hold_out: 5,
            hold_out_most: 8,
            look: 200,
            patience: 8,
            save: 100,
            bank: BankSettings { view: View::squeezed(), ..BankSettings::default() },
            memory: 2 << 30,
            without: Without::NOTHING,
            seed: 1,
        }
    }
}

impl Settings {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// With the first setting that lies outside what it may be.
    pub fn check(&self) -> Result<()> {
        let wrong = |name, expected: &str, found: String| {
            Err(Error::Setting { name, expected: expected.to_owned(), found })
        };
        for (name, count) in [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("steps between looks", self.look),
            ("steps between checkpoints", self.save),
            ("variants", u64::from(self.variants)),
            ("patience", self.patience),
        ] {
            if count == 0 {
                return wrong(name, "at least 1", "0".to_owned());
            }
        }
        for (name, part) in [
            ("share of normal images", self.normal_share),
            ("share of real defects", self.real_share),
            ("dropout", f64::from(self.dropout)),
        ] {
            if !(0.0..1.0).contains(&part) {
                return wrong(name, "a number from 0 to below 1", part.to_string());
            }
        }
        check_rate("learning rate", self.rate)?;
        for (name, number) in [
            ("last learning rate", self.last_rate),
            ("weight decay", self.decay),
            ("jitter", f64::from(self.jitter)),
        ] {
            if !(number.is_finite() && number >= 0.0) {
                return wrong(name, "a number from 0", number.to_string());
            }
        }
        if self.clip.is_nan() || self.clip <= 0.0 {
            return wrong("clip", "a positive number", self.clip.to_string());
        }
        if self.hold_out < 2 {
            return wrong("held-out images", "every second one at most", self.hold_out.to_string());
        }
        if !self.bank.view.tiles.is_none() {
            return wrong("tiles", "none while a decoder is trained", self.bank.view.tiles.to_string());
        }
        if !(1..=3).contains(&self.without.top_k) {
            return wrong("top-k", "1 to 3", self.without.top_k.to_string());
        }
        Ok(())
    }

    /// The branches that train in a step.
    pub fn branches_of(&self, step: u64) -> std::ops::Range<usize> {
        match step.checked_div(self.cycle) {
            None => 0..self.branches,
            Some(turn) => {
                let branch = (turn % self.branches as u64) as usize;
                branch..branch + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_take_turns() {
        let settings = Settings { cycle: 10, branches: 3, ..Settings::default() };
        let turns: Vec<usize> = [0, 9, 10, 25, 30].map(|step| settings.branches_of(step).start).to_vec();
        assert_eq!(turns, [0, 0, 1, 2, 0]);
        assert!((0..60).all(|step| settings.branches_of(step).len() == 1));
        assert_eq!(Settings { cycle: 0, ..settings }.branches_of(7), 0..3);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let refused = |settings: Settings| settings.check().unwrap_err().to_string();
        assert!(Settings::default().check().is_ok());
        assert_eq!(
            refused(Settings { steps: 0, ..Settings::default() }),
            "steps: expected at least 1, found 0"
        );
        assert!(
            refused(Settings { jitter: f32::NAN, ..Settings::default() }).starts_with("jitter: expected")
        );
        for rate in [0.0, -1e-3, f64::NAN, f64::INFINITY, 1e300] {
            let said = refused(Settings { rate, ..Settings::default() });
            assert_eq!(said, format!("learning rate: expected a number above 0, up to 1, found {rate}"));
        }
        assert!(refused(Settings { normal_share: 1.0, ..Settings::default() }).contains("normal images"));
        let without = Without { top_k: 4, ..Without::NOTHING };
        assert_eq!(refused(Settings { without, ..Settings::default() }), "top-k: expected 1 to 3, found 4");
    }
}
