//! Which part of the frames is looked at: what the bank was made of, unless the properties say otherwise.

use std::path::Path;
use std::sync::Arc;

use snarm_core::Error;
use snarm_core::bank::Bank;
use snarm_core::frame::Orientation;
use snarm_core::view::{Crop, IgnoreMask, Rect, TilesAsked, View};

use super::settings::Settings;
use crate::view;

/// Name of no mask, not even the bank's.
const NO_MASK: &str = "none";

/// The part of the frame that a property names: `None` is the bank's, `Some(None)` the whole frame.
type Roi = Option<Option<Rect>>;

/// What the properties say of the view.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// `None` is the bank's.
    crop: Option<Crop>,
    /// The text that `roi` was read from.
    text: Option<String>,
    roi: Roi,
    /// `None` is the bank's, `Some(None)` none.
    ignore: Option<Option<Arc<IgnoreMask>>>,
    tiles: TilesAsked,
    turned: Turned,
}

/// The mask of the properties as the last frame was turned: turning it takes longer than looking at a frame may.
#[derive(Debug, Default)]
struct Turned(Option<(Orientation, Arc<IgnoreMask>)>);

impl Turned {
    /// `mask` for the upright pictures of frames of this orientation.
    fn get(&mut self, mask: &Arc<IgnoreMask>, orientation: Orientation) -> Arc<IgnoreMask> {
        if orientation == Orientation::UPRIGHT {
            return mask.clone();
        }
        match &self.0 {
            Some((known, turned)) if *known == orientation => turned.clone(),
            _ => self.0.insert((orientation, Arc::new(mask.upright(orientation)))).1.clone(),
        }
    }
}

impl Look {
    /// From the properties at start.
    ///
    /// # Errors
    /// When one of them names nothing that can be looked at.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let ignore = match settings.ignore_mask.as_deref() {
            Some(name) if name == Path::new(NO_MASK) => Some(None),
            Some(name) => Some(view::ignore_mask(Some(name))?),
            None => None,
        };
        let tiles = view::tiles(settings.tiles.as_deref(), settings.tile_overlap, settings.min_defect)?;
        let mut look = Self { crop: settings.crop.asked(), ignore, tiles, ..Self::default() };
        look.set_roi(settings.roi.as_deref())?;
        Ok(look)
    }

    /// Takes the property as it is now; the region before, if it has changed. An error is told once and leaves the region
    /// as it was.
    ///
    /// # Errors
    /// When the text is no part of the frame.
    pub(super) fn set_roi(&mut self, text: Option<&str>) -> Result<Option<Roi>, Error> {
        if self.text.as_deref() == text {
            return Ok(None);
        }
        self.text = text.map(Into::into);
        let roi = match text {
            Some(_) => Some(view::roi(text)?),
            None => None,
        };
        Ok(Some(std::mem::replace(&mut self.roi, roi)))
    }

    /// Takes the region before again, until the property changes.
    pub(super) fn put_back(&mut self, roi: Roi) {
        self.roi = roi;
    }

    /// The view of the upright pictures of frames of this orientation that are compared with `bank`. The bank's own is that
    /// of upright pictures, the properties are given for the frames as they are stored.
    pub(super) fn view(&mut self, bank: &Bank, orientation: Orientation) -> View {
        let View { crop, roi, ignore, tiles } = bank.view();
        View {
            crop: self.crop.unwrap_or(crop),
            roi: self.roi.map_or(roi, |roi| Some(roi?.upright(orientation))),
            ignore: match &self.ignore {
                None => ignore,
                Some(None) => None,
                Some(Some(mask)) => Some(self.turned.get(mask, orientation)),
            },
            tiles: self.tiles.upright(orientation).over(tiles),
        }
    }
}
