use std::sync::Arc;

use super::*;
use crate::encoder::PositionInterpolation;
use crate::synthetic::Settings as Defects;
use crate::synthetic::product::Product;
use crate::training::decoder::{DiskCache, Image};

/// The log of a short run, and how many samples were made, found in memory, and read from the disk.
fn course(memory: usize, disk: Option<DiskCache>) -> (String, [u64; 3]) {
    let encoder = Arc::new(Encoder::load("seeded:tiny@8", PositionInterpolation::Legacy).unwrap());
    let product = Arc::new(Product::new(5));
    let images = (0..5).map(|i| Image::Drawn(Arc::clone(&product), i, 96)).collect();
    let settings = Settings {
        channels: 8,
        branches: 2,
        steps: 12,
        batch: 2,
        cycle: 2,
        warm_up: 3,
        look: 4,
        variants: 2,
        memory,
        ..Settings::default()
    };
    let synthesizer = Synthesizer::new(Defects::general()).unwrap();
    let categories = vec![Category::new("drawn".to_owned(), images)];
    let mut trainer = Trainer::new(settings, encoder, categories, false, synthesizer, &mut |_| {}).unwrap();
    if let Some(disk) = disk {
        trainer.keep_on(disk);
    }
    let folder = tempfile::tempdir().unwrap();
    let files = Files::of(&folder.path().join("decoder.safetensors"), false).unwrap();
    trainer.run(&files, &mut |_| {}).unwrap();
    let counts = trainer.samples.counts();
    (std::fs::read_to_string(files.log()).unwrap(), [counts.made, counts.from_memory, counts.from_disk])
}

#[test]
fn losses_are_the_same_wherever_samples_are_kept() {
    let disk = |most: u64| Some(DiskCache::create(&std::env::temp_dir(), most).unwrap());
    let (expected, [all, found, read]) = course(usize::MAX, None);
    assert_eq!(expected.lines().count(), 13, "{expected}");
    assert!(all > 4 && found > 4 && read == 0, "{all} made, {found} found");
    let (log, [made, _, read]) = course(0, disk(u64::MAX));
    assert_eq!(log, expected);
    assert!(made == all && read > 0, "{made} of {all} made, {read} read");
    // A sample has 128 KiB of descriptors and residuals.
    let (log, [made, _, read]) = course(1 << 19, disk(600 << 10));
    assert_eq!(log, expected);
    assert!(made >= all && read > 0, "{made} of {all} made, {read} read");
    let (log, [made, _, read]) = course(0, disk(1 << 10));
    assert_eq!(log, expected);
    assert!(made > all && read == 0, "{made} of {all} made, {read} read");
}

#[test]
fn a_run_may_go_on_with_another_bound_of_memory() {
    let config = |memory: usize| {
        let settings = Settings { memory, ..Settings::default() };
        let encoder = Arc::new(Encoder::load("seeded:tiny@8", PositionInterpolation::Legacy).unwrap());
        let images = (0..2).map(|i| Image::Drawn(Arc::new(Product::new(5)), i, 96)).collect();
        let categories = vec![Category::new("drawn".to_owned(), images)];
        let synthesizer = Synthesizer::new(Defects::general()).unwrap();
        Trainer::new(settings, encoder, categories, false, synthesizer, &mut |_| {}).unwrap().config
    };
    assert_eq!(config(0), config(1 << 30));
}

/// A run with two branches of 8 channels on drawn pictures, at this rate, for so many steps.
fn short(rate: f64, steps: u64, channels: usize) -> Trainer {
    let encoder = Arc::new(Encoder::load("seeded:tiny@8", PositionInterpolation::Legacy).unwrap());
    let product = Arc::new(Product::new(5));
    let images = (0..5).map(|i| Image::Drawn(Arc::clone(&product), i, 96)).collect();
    let settings =
        Settings { channels, branches: 2, steps, batch: 2, look: steps, rate, ..Settings::default() };
    let synthesizer = Synthesizer::new(Defects::general()).unwrap();
    let categories = vec![Category::new("drawn".to_owned(), images)];
    Trainer::new(settings, encoder, categories, false, synthesizer, &mut |_| {}).unwrap()
}

/// All weights and statistics.
fn weights(trainer: &Trainer) -> Vec<Vec<f32>> {
    let all = trainer.variables.iter().chain(trainer.buffers.iter());
    all.map(|(_, var)| var.flatten_all().unwrap().to_vec1().unwrap()).collect()
}

#[test]
fn a_run_begins_with_the_weights_of_a_decoder_and_ends_no_worse() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.safetensors"), folder.path().join("second.safetensors"));
    let files = |out| Files::of(out, false).unwrap();
    let mut trainer = short(3e-3, 40, 8);
    trainer.run(&files(&first), &mut |_| {}).unwrap();
    trainer.write(&first, &Claims::default()).unwrap();
    let (expected, score) = (weights(&trainer), trainer.best_score().unwrap());

    let decoder = Weights::open(&first).unwrap();
    // So high a rate makes all that follows worse; a setting may not be that high.
    let mut next = short(1.0, 2, 8);
    next.settings.rate = 10.0;
    assert_ne!(weights(&next), expected);
    let fresh = next.config.clone();
    next.start(&decoder).unwrap();
    assert_eq!(weights(&next), expected);
    assert_ne!(next.config, fresh);
    let mut looks = Vec::new();
    next.run(&files(&second), &mut |event| {
        if let Event::Look(step, score, better) = event {
            looks.push((step, score, better));
        }
    })
    .unwrap();
    assert!(looks.len() == 2 && looks[0] == (0, score, true), "{looks:?}, {score}");
    assert!(!looks[1].2, "{looks:?}");
    assert_eq!(weights(&next), expected);

    let refused = short(1e-3, 1, 16).start(&decoder).unwrap_err().to_string();
    assert!(refused.contains("channels: 16") && refused.contains("channels: 8"), "{refused}");
}
