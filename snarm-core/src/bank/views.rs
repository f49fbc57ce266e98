//! Views of the frames that are learned.
//!
//! Views belong to their frame: they are never what it is compared with when the thresholds are found. Where there is one frame
//! alone, its views are all that can be compared, each with the others, and take the place of frames.

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::frame::AnyFrame;
use snarm_kernels::preprocess::{Fit, PreprocessSpec, Preprocessor};

use crate::dataset::Picture;
use crate::error::Result;
use crate::synthetic::augmentation::{Augmentation, Views};

/// The views of frames, and the first frame while it is the only one.
pub(super) struct Viewer {
    views: Vec<Augmentation>,
    first: Option<Picture>,
}

impl Viewer {
    pub(super) fn new(views: Views) -> Self {
        Self { views: views.list(), first: None }
    }

    /// Whether frames have views.
    pub(super) fn is_asked(&self) -> bool {
        !self.views.is_empty()
    }

    /// Keeps the picture of the only frame. One in the memory of a device is in that of `place`.
    pub(super) fn keep(&mut self, frame: &AnyFrame<'_>, place: &Place) -> Result<()> {
        self.first = Some(picture(frame, place)?);
        Ok(())
    }

    /// Forgets the only frame.
    pub(super) fn forget(&mut self) {
        self.first = None;
    }

    /// The views of the frame that was the only one, once.
    pub(super) fn of_first(&mut self) -> Vec<Picture> {
        self.first.take().map_or_else(Vec::new, |picture| self.of_picture(&picture))
    }

    /// The views of a frame.
    pub(super) fn of(&self, frame: &AnyFrame<'_>, place: &Place) -> Result<Vec<Picture>> {
        Ok(self.of_picture(&picture(frame, place)?))
    }

    fn of_picture(&self, picture: &Picture) -> Vec<Picture> {
        self.views.iter().map(|view| view.of(picture)).collect()
    }
}

/// A frame, turned upright, as a picture of as many pixels.
fn picture(frame: &AnyFrame<'_>, place: &Place) -> Result<Picture> {
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
