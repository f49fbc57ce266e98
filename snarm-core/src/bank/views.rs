//! Views of the frames that are learned.
//!
//! Views belong to their frame: they are never what it is compared with when the thresholds are found. Where there is one frame
//! alone, its views are all that can be compared, each with the others, and take the place of frames: those that are asked for,
//! or all. Where the frames decide which views they ask for, some of their pictures are kept, evenly drawn.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::frame::AnyFrame;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor};

use super::reservoir::{self, Reservoir};
use super::variation::most_pictures;
use crate::dataset::Picture;
use crate::error::Result;
use crate::synthetic::augmentation::Views;

/// The first frame, whose views wait for a second one.
struct First {
    /// Its number.
    image: u32,
    picture: Arc<Picture>,
    /// Whether its views were learned as those of one frame among others.
    is_learned: bool,
}

/// The pictures of frames whose views are learned later.
pub(super) struct Viewer {
    asked: Views,
    first: Option<First>,
    /// Of frames that decide which views they ask for: their numbers and pictures.
    album: Vec<(u32, Arc<Picture>)>,
    reservoir: Reservoir,
}

impl Viewer {
    pub(super) fn new(asked: Views, rng: ChaCha8Rng) -> Self {
        Self { asked, first: None, album: Vec::new(), reservoir: Reservoir::new(1, rng) }
    }

    /// The set that each frame is learned in.
    pub(super) fn asked(&self) -> Views {
        self.asked
    }

    /// Keeps the picture of the first frame, of that number.
    pub(super) fn keep_first(&mut self, image: u32, picture: Picture) {
        self.first = Some(First { image, picture: Arc::new(picture), is_learned: false });
    }

    /// The picture of the first frame, as long as it is learned.
    pub(super) fn first(&self) -> Option<Arc<Picture>> {
        self.first.as_ref().map(|first| Arc::clone(&first.picture))
    }

    /// The number and the picture of the first frame, once.
    pub(super) fn waiting(&mut self) -> Option<(u32, Arc<Picture>)> {
        let first = self.first.as_mut().filter(|first| !first.is_learned)?;
        first.is_learned = true;
        Some((first.image, Arc::clone(&first.picture)))
    }

    /// Offers the picture of a frame to those that are asked for their views.
    pub(super) fn offer(&mut self, image: u32, frame: &AnyFrame<'_>, place: &Place) -> Result<()> {
        if self.album.is_empty() {
            let (width, height) = frame.upright_size();
            self.reservoir.limit(most_pictures(3 * width * height));
        }
        match self.reservoir.place() {
            reservoir::Place::Append => self.album.push((image, Arc::new(picture(frame, place)?))),
            reservoir::Place::Replace(at) => {
                let kept = (image, Arc::new(picture(frame, place)?));
                if let Some(place) = self.album.get_mut(at) {
                    *place = kept;
                }
            }
            reservoir::Place::Skip => {}
        }
        Ok(())
    }

    /// The frames that are asked for their views.
    pub(super) fn album(&self) -> Vec<(u32, Arc<Picture>)> {
        self.album.clone()
    }

    /// Takes back the frames from `first` on.
    pub(super) fn discard_from(&mut self, first: u32) {
        self.first.take_if(|kept| kept.image >= first);
        let before = self.album.len();
        self.album.retain(|(image, _)| *image < first);
        self.reservoir.forget(before - self.album.len());
    }
}

/// A frame, turned upright, as a picture of as many pixels. One in the memory of a device is in that of `place`.
pub(super) fn picture(frame: &AnyFrame<'_>, place: &Place) -> Result<Picture> {
    let (width, height) = frame.upright_size();
    let size = Grid { rows: height, columns: width };
    let spec = PreprocessSpec { mean: [0.0; 3], std: [1.0; 3], ..PreprocessSpec::imagenet(size, Fit::Full) };
    let mut planes = vec![0.0; spec.output_len()];
    let mut preprocessor = Preprocessor::new(spec)?;
    match frame {
        AnyFrame::Host(frame) => snarm_kernels::threads::install(|| preprocessor.run(frame, &mut planes))??,
        AnyFrame::Device(frame) => {
            let mut there = Buffer::new(place, planes.len())?;
            preprocessor.run_there(frame, &mut there)?;
            there.read(&mut planes)?;
        }
    }
    let colour = |at: usize, plane: usize| (255.0 * planes[plane * size.cells() + at]).round() as u8;
    let data = (0..size.cells()).flat_map(|at| [colour(at, 0), colour(at, 1), colour(at, 2)]).collect();
    Ok(Picture { data, width, height })
}

#[cfg(test)]
mod tests {
    use snarm_kernels::frame::Frame;

    use super::*;

    #[test]
    fn a_frame_is_a_picture_of_its_pixels() {
        let data: Vec<u8> = (0..60).map(|v| 4 * v).collect();
        let found = picture(&AnyFrame::from(&Frame::rgb(&data, 5, 4).unwrap()), &Place::Host).unwrap();
        assert_eq!((found.data, found.width, found.height), (data, 5, 4));
    }
}
