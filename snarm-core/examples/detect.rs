//! Detects one picture: `cargo run --release -p snarm-core --example detect part.bank picture.png`. `snarm bank` makes banks.

#![expect(clippy::print_stdout, reason = "a program that prints what it finds")]

use std::path::PathBuf;

use snarm_core::dataset::{Picture, Reading};
use snarm_core::detect::Detector;
use snarm_core::registry;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [bank, picture] = &arguments[..] else { return Err("expected a bank and a picture".into()) };

    let bank = registry::bank(bank)?;
    let encoder = registry::encoder_of(&bank, None)?;
    let decoder = registry::decoder(None, &encoder)?;
    let mut detector = Detector::with_decoder(encoder, bank, decoder)?;
    let limits = detector.bank_limits();

    let picture = Picture::read(picture, &Reading::default())?;
    let found = detector.detect(&picture.frame()?, &limits)?;
    println!("{}: score {:.3}, threshold {:.3}", found.verdict, found.score, limits.threshold);
    for region in &found.regions {
        println!("region of score {:.3} at {}", region.score, region.rect);
    }
    Ok(())
}
