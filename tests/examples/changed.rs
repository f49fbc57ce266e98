//! Copies of pictures as they would look in another light, or a little beside their place, by which it is measured what a bank
//! makes of them.
//!
//! `cargo run --release -p snarm-tests --example changed -- FROM TO CHANGE...` writes each picture below the folder FROM, changed,
//! to the same place below TO, as PNG. Changes follow each other:
//!
//! - `gain=0.8`, or `gain=1.08,1,0.92` for red, green and blue: colours are multiplied;
//! - `gradient=0.2,0`: brighter to the right by a fifth, darker to the left, and the same towards the lower edge;
//! - `gamma=1.25`: colours, from 0 to 1, to that power;
//! - `shift=16,0`: moved by so many pixels to the right and down;
//! - `turn=3`: turned by so many degrees counter-clockwise.
//!
//! What a shift or a turn uncovers is filled by mirroring. Masks are moved by the same command, and light leaves them as they are.
//! A picture that is there already is not replaced.

#![expect(clippy::print_stdout, reason = "a program for whoever measures")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snarm_core::dataset::{Picture, images_of};
use snarm_core::synthetic::augmentation::Augmentation;

/// A change that is asked for.
#[derive(Debug, Clone, Copy)]
enum Change {
    View(Augmentation),
    /// By pixels.
    Shift([f32; 2]),
}

impl Change {
    fn of(text: &str) -> Result<Self> {
        let expected = "expected gain=, gradient=, gamma=, shift= or turn= with numbers";
        let Some((name, values)) = text.split_once('=') else { bail!("{expected}, found {text}") };
        let numbers = values.split(',').map(str::parse).collect::<Result<Vec<f32>, _>>();
        let numbers = numbers.with_context(|| format!("{expected}, found {text}"))?;
        if numbers.iter().any(|number| !number.is_finite()) {
            bail!("{expected}, found {text}");
        }
        Ok(match (name, &numbers[..]) {
            ("gain", [all]) => Self::View(Augmentation::Gain([*all; 3])),
            ("gain", [red, green, blue]) => Self::View(Augmentation::Gain([*red, *green, *blue])),
            ("gradient", [right, down]) => Self::View(Augmentation::Gradient([*right, *down])),
            ("gamma", [exponent]) => Self::View(Augmentation::Gamma(*exponent)),
            ("shift", [x, y]) => Self::Shift([*x, *y]),
            ("turn", [degrees]) => Self::View(Augmentation::Turn(*degrees)),
            _ => bail!("{expected}, found {text}"),
        })
    }

    fn apply(self, picture: &Picture) -> Picture {
        match self {
            Self::View(view) => view.of(picture),
            Self::Shift([x, y]) => {
                let parts = [x / picture.width as f32, y / picture.height as f32];
                Augmentation::Shift(parts).of(picture)
            }
        }
    }
}

/// The file of a changed picture.
fn target(from: &Path, to: &Path, picture: &Path) -> Result<PathBuf> {
    let inside = picture.strip_prefix(from).with_context(|| format!("{} is elsewhere", picture.display()))?;
    let path = to.join(inside).with_extension("png");
    if path.exists() {
        bail!("expected a new file, found {}", path.display());
    }
    Ok(path)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to, changes @ ..] = &arguments[..] else {
        bail!("expected FROM TO CHANGE..., found {arguments:?}")
    };
    if changes.is_empty() {
        bail!("expected at least one change, found none");
    }
    let changes = changes.iter().map(|text| Change::of(text)).collect::<Result<Vec<_>>>()?;
    let (from, to) = (PathBuf::from(from), PathBuf::from(to));
    let pictures = images_of(std::slice::from_ref(&from))?;
    if pictures.is_empty() {
        bail!("expected pictures below {}, found none", from.display());
    }
    for path in &pictures {
        let target = target(&from, &to, path)?;
        let picture = changes.iter().fold(Picture::open(path)?, |picture, change| change.apply(&picture));
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        picture.save_png(&target)?;
    }
    println!("{} pictures of {} changed, below {}", pictures.len(), from.display(), to.display());
    Ok(())
}
