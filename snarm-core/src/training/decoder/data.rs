//! What a decoder learns from: categories of good images, and the banks that remember them.

use std::path::PathBuf;
use std::sync::Arc;

use super::Settings;
use crate::bank::{Bank, BankBuilder};
use crate::dataset::{Picture, Reading};
use crate::encoder::Encoder;
use crate::error::Result;
use crate::paths::text;
use crate::synthetic::augmentation::Augmentation;
use crate::synthetic::product::Product;

/// An image, in a file or drawn.
#[derive(Debug, Clone)]
pub enum Image {
    /// A file.
    File(PathBuf),
    /// A file seen in another way.
    Augmented(PathBuf, Augmentation),
    /// A good piece of a class that is drawn, of that number and side.
    Drawn(Arc<Product>, u32, usize),
}

impl Image {
    /// Reads or draws it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(&self, reading: &Reading) -> Result<Picture> {
        match self {
            Self::File(path) => Picture::read(path, reading),
            Self::Augmented(path, view) => Ok(view.of(&Picture::read(path, reading)?)),
            Self::Drawn(product, number, side) => Ok(product.image(*number, *side)),
        }
    }

    /// What it is, for the digest of a run.
    fn name(&self) -> String {
        match self {
            Self::File(path) => text(path),
            Self::Augmented(path, view) => format!("{} {view:?}", text(path)),
            Self::Drawn(product, number, side) => {
                format!("{:?} {} {number} {side}", product.kind(), product.seed())
            }
        }
    }
}

/// One product.
#[derive(Debug, Clone, Default)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// Good images.
    pub good: Vec<Image>,
    /// Which of the good images show the same piece: views of one image share a number. Rows of a bank from the same piece
    /// do not count for it.
    pub pieces: Vec<u32>,
    /// Images of real defects, with their masks.
    pub defective: Vec<(PathBuf, PathBuf)>,
    /// How its files are read.
    pub reading: Reading,
}

impl Category {
    /// Of good images that each show a piece of its own.
    pub fn new(name: String, good: Vec<Image>) -> Self {
        let pieces = (0..good.len() as u32).collect();
        Self { name, good, pieces, ..Self::default() }
    }

    /// What it holds, for the digest of a run.
    pub fn describe(&self) -> String {
        let good: Vec<String> = self.good.iter().map(Image::name).collect();
        let bits = self.reading.bits.map_or_else(String::new, |bits| format!(" {bits} bits"));
        format!("{} {good:?} {:?} {:?}{bits}", self.name, self.pieces, self.defective)
    }

    /// Whether image number `image` is held out: by its piece, so that no view of it is learned from.
    pub(super) fn is_held_out(&self, image: usize, settings: &Settings) -> bool {
        let piece = self.pieces[image] as usize;
        let every = settings.hold_out;
        piece % every == every - 1 && piece / every < settings.hold_out_most
    }
}

/// The banks of the categories.
pub(super) struct Banks {
    banks: Vec<Arc<Bank>>,
    /// Bank of each category.
    of: Vec<usize>,
    /// For each bank, the piece that each row was taken from.
    pieces: Vec<Vec<u32>>,
    /// Number of the first piece of each category in its bank.
    first: Vec<u32>,
}

impl Banks {
    /// One bank for each category, as in use, or one for all of them. `each` hears of images learned.
    pub(super) fn new(
        categories: &[Category],
        one_for_all: bool,
        encoder: &Arc<Encoder>,
        settings: &Settings,
        each: &mut dyn FnMut(),
    ) -> Result<Self> {
        let mut all = Self { banks: Vec::new(), of: Vec::new(), pieces: Vec::new(), first: Vec::new() };
        let parts: Vec<&[Category]> =
            if one_for_all { vec![categories] } else { categories.chunks(1).collect() };
        for part in parts {
            let mut builder = BankBuilder::new(Arc::clone(encoder), settings.bank.clone())?;
            let (mut pieces, mut next) = (Vec::new(), 0);
            for category in part {
                all.of.push(all.banks.len());
                all.first.push(next);
                for (image, piece) in category.good.iter().zip(&category.pieces) {
                    builder.add(&image.open(&category.reading)?.frame()?)?;
                    pieces.push(next + piece);
                    each();
                }
                next += category.pieces.iter().max().map_or(0, |most| most + 1);
            }
            let bank = builder.finish(&mut |_, _, _| {})?;
            all.pieces.push(bank.images().iter().map(|image| pieces[*image as usize]).collect());
            all.banks.push(Arc::new(bank));
        }
        Ok(all)
    }

    /// The bank of a category, its rows' pieces, and the piece of one of its images.
    pub(super) fn of(&self, category: usize, piece: Option<u32>) -> (&Arc<Bank>, &[u32], Option<u32>) {
        let bank = self.of[category];
        let only = self.pieces[bank].iter().all(|other| *other == self.pieces[bank][0]);
        // Without any other piece there is nothing to compare with but the piece itself.
        let piece = piece.filter(|_| !only).map(|piece| self.first[category] + piece);
        (&self.banks[bank], &self.pieces[bank], piece)
    }
}
