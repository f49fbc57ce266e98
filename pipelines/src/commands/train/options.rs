//! The options of a training, and what the core calls them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use snarm_core::bank::{BankSettings, Placing};
use snarm_core::paths::text;
use snarm_core::synthetic;
use snarm_core::training::decoder::{DiskCache, Settings, Without};
use snarm_core::training::reconstruction;
use snarm_core::view::View;

use super::data::Shots;

/// Highest learning rate and weight decay of SNARM, where no others are asked for.
const RATE: f64 = 1e-3;
const DECAY: f64 = 0.05;

/// Good images of each category in the setting `few`, where no other number is asked for.
const SHOTS: u32 = 4;

/// What is trained on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Setting {
    /// One decoder for each category
    Single,
    /// One decoder and one bank for all categories
    Multi,
    /// One decoder for each category, trained on all others
    Cross,
    /// One decoder for each category, from a few good images
    Few,
    /// One decoder for all categories and those to come, each with a bank of its own
    Universal,
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multi => "multi",
            Self::Cross => "cross",
            Self::Few => "few",
            Self::Universal => "universal",
        }
    }
}

/// Which synthetic defects are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Defects {
    /// Perlin masks on the object, with scratches, stains, misplaced patches, blur and colour shifts mixed in
    General,
    /// Perlin masks as published, on components of any size
    Published,
}

/// How a decoder is trained.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Options {
    /// Optimiser steps
    #[arg(long, default_value_t = 4000)]
    steps: u64,
    /// Images of a step
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Channels of the decoder
    #[arg(long, default_value_t = 128)]
    channels: usize,
    /// Branches of the decoder
    #[arg(long, default_value_t = 4)]
    branches: usize,
    /// Steps that a branch trains before the next one takes its turn; with 0 all train in every step
    #[arg(long, default_value_t = 100)]
    cycle: u64,
    /// Highest learning rate [default: 1e-3; of families that reconstruct 5e-3]
    #[arg(long)]
    rate: Option<f64>,
    /// Learning rate at the end
    #[arg(long, default_value_t = 1e-4)]
    last_rate: f64,
    /// Steps until the highest rate
    #[arg(long, default_value_t = 100)]
    warm_up: u64,
    /// Weight decay [default: 0.05; of families that reconstruct 1e-4]
    #[arg(long)]
    decay: Option<f64>,
    /// Noise on descriptors and residuals, times the length of a row over its width (published: 30)
    #[arg(long, default_value_t = Settings::default().jitter)]
    jitter: f32,
    /// Read residuals as they are, as published, not in units of what is usual for good frames of the product
    #[arg(long)]
    absolute: bool,
    /// Synthetic defects made from each good image
    #[arg(long, default_value_t = 4)]
    variants: u32,
    /// Kind of the synthetic defects
    #[arg(long, value_enum, default_value_t = Defects::General)]
    defects: Defects,
    /// Folder of textures for synthetic defects [default: drawn ones]
    #[arg(long)]
    pub(super) textures: Option<PathBuf>,
    /// Learn from the real defects with masks among the test images, too
    #[arg(long)]
    real_defects: bool,
    /// Classes of drawn products that are learned from, too
    #[arg(long, default_value_t = 0)]
    pub(super) products: u32,
    /// Folders of pictures of any kind, for classes whose product is a picture
    #[arg(long, num_args = 1..)]
    pub(super) pictures: Vec<PathBuf>,
    /// Classes of pictures that are learned from, too
    #[arg(long, default_value_t = 64, requires = "pictures")]
    pub(super) picture_classes: u32,
    /// Good images of each drawn class, and of each class of a picture
    #[arg(long, default_value_t = 24)]
    pub(super) product_images: u32,
    /// Good images of each category in the setting `few` [default: 4]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    shots: Option<u32>,
    /// The most good images that are used of each category; 0 is no limit
    #[arg(long, default_value_t = 0)]
    images: usize,
    /// Descriptors kept in each bank
    #[arg(long, default_value_t = 10_000, value_parser = super::super::capacity)]
    capacity: usize,
    /// Steps between two looks at held-out images
    #[arg(long, default_value_t = 200)]
    look: u64,
    /// Looks without a better score after which the training ends
    #[arg(long, default_value_t = 8)]
    patience: u64,
    /// Steps between two checkpoints
    #[arg(long, default_value_t = 100)]
    save: u64,
    /// Most memory for computed descriptors, in MiB; with 0 all of them lie in a file
    #[arg(long, default_value_t = 2048)]
    memory: u64,
    /// Folder of the file for computed descriptors that do not fit into the memory; the file has no name and is gone with the
    /// command [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Most room for that file, in MiB; 0 is none: what does not fit into the memory is computed anew
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    cache_size: u64,
    /// Seed of every random choice
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    #[command(flatten)]
    without: WithoutOptions,
}

/// Parts that may be left out, to see what they are good for. But for the intra-residuals no decoder is written then.
#[derive(Debug, Clone, clap::Args)]
struct WithoutOptions {
    /// Leave out the intra-residuals
    #[arg(long)]
    no_intra: bool,
    /// Draw the trusted tokens at random instead of by the navigator
    #[arg(long)]
    no_navigator: bool,
    /// Leave out the Mamba mixers
    #[arg(long)]
    no_mamba: bool,
    /// Bank rows whose mean is the reference of a token
    #[arg(long, default_value_t = 3)]
    top_k: usize,
}

impl Options {
    /// What the core calls them.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            channels: self.channels,
            branches: self.branches,
            steps: self.steps,
            batch: self.batch,
            cycle: self.cycle,
            rate: self.rate.unwrap_or(RATE),
            last_rate: self.last_rate,
            warm_up: self.warm_up,
            decay: self.decay.unwrap_or(DECAY),
            jitter: self.jitter,
            relative: !self.absolute,
            variants: self.variants,
            defects: match self.defects {
                Defects::General => synthetic::Settings::general(),
                Defects::Published => synthetic::Settings::snarm_any_size(),
            },
            bank: BankSettings {
                capacity: self.capacity,
                seed: self.seed,
                view: View::squeezed(),
                // Samples are turned, and lie anywhere.
                placing: Placing::None,
                ..BankSettings::default()
            },
            look: self.look,
            patience: self.patience,
            save: self.save,
            memory: self.memory(),
            without: Without {
                intra: self.without.no_intra,
                navigator: self.without.no_navigator,
                mamba: self.without.no_mamba,
                top_k: self.without.top_k,
            },
            seed: self.seed,
            ..Settings::default()
        }
    }

    /// What the core calls them for a family that reconstructs.
    pub(super) fn reconstruction(&self) -> reconstruction::Settings {
        let usual = reconstruction::Settings::default();
        reconstruction::Settings {
            steps: self.steps,
            batch: self.batch,
            rate: self.rate.unwrap_or(usual.rate),
            decay: self.decay.unwrap_or(usual.decay),
            save: self.save,
            seed: self.seed,
            memory: self.memory(),
            ..usual
        }
    }

    /// Most memory for descriptors, in bytes.
    fn memory(&self) -> usize {
        usize::try_from(self.memory.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
    }

    /// Room on a disk for descriptors that do not fit into the memory. Without a folder for temporary files a training goes
    /// on with the memory alone; a folder that was asked for must be there.
    pub(super) fn disk_cache(&self) -> Result<Option<DiskCache>> {
        let most = self.cache_size.saturating_mul(1 << 20);
        match &self.cache {
            _ if most == 0 => Ok(None),
            Some(folder) => DiskCache::create(folder, most).map(Some).context("--cache"),
            None => match DiskCache::create(&std::env::temp_dir(), most) {
                Ok(cache) => Ok(Some(cache)),
                Err(reason) => {
                    tracing::warn!("descriptors are kept in memory alone: {reason}");
                    Ok(None)
                }
            },
        }
    }

    /// Refuses options that contradict each other.
    pub(super) fn check(&self, setting: Setting) -> Result<()> {
        if self.shots.is_some() && setting != Setting::Few {
            bail!("--shots: expected --setting few, found {}", setting.name());
        }
        if self.images > 0 && setting == Setting::Few {
            bail!("--images: expected --shots in the setting few, found {} images", self.images);
        }
        if let Some(folder) = self.cache.as_ref().filter(|_| self.cache_size == 0) {
            bail!("--cache: expected a --cache-size above 0, found 0 for {}", text(folder));
        }
        Ok(())
    }

    /// Whether a decoder file can say what is trained.
    pub(super) fn is_whole(&self) -> bool {
        let without = &self.without;
        !without.no_navigator && !without.no_mamba && without.top_k == Without::NOTHING.top_k
    }

    pub(super) fn real_defects(&self) -> bool {
        self.real_defects
    }

    /// Whether there is something to learn from beside data sets.
    pub(super) fn draws(&self) -> bool {
        self.products > 0 || !self.pictures.is_empty()
    }

    /// Which good images are learned from.
    pub(super) fn shots(&self, setting: Setting) -> Shots {
        match setting {
            Setting::Few => Shots::Few(self.shots.unwrap_or(SHOTS) as usize),
            _ if self.images > 0 => Shots::Most(self.images),
            _ => Shots::All,
        }
    }
}
