//! The properties `roi`, `ignore-mask` and those of tiles in the words of the core.

use std::path::Path;
use std::sync::Arc;

use snarm_core::Error;
use snarm_core::view::{Crop, IgnoreMask, Rect, Tiles, TilesAsked, View};

/// The region of interest that a text names; unset and the whole frame are both `None`.
pub(crate) fn roi(text: Option<&str>) -> Result<Option<Rect>, Error> {
    match text {
        Some(text) => Ok(text.parse::<Rect>()?.into_roi()),
        None => Ok(None),
    }
}

/// The mask in a file, where it hides something.
pub(crate) fn ignore_mask(location: Option<&Path>) -> Result<Option<Arc<IgnoreMask>>, Error> {
    location.map_or(Ok(None), IgnoreMask::find)
}

/// Value of `tile-overlap` that asks for none.
pub(crate) const NO_OVERLAP: f64 = -1.0;

/// What properties ask of tiles: `tile_overlap` of less than 0 and `min_defect` of 0 ask nothing.
pub(crate) fn tiles(tiles: Option<&str>, tile_overlap: f64, min_defect: f64) -> Result<TilesAsked, Error> {
    let overlap = (tile_overlap >= 0.0).then_some(tile_overlap);
    TilesAsked::new(tiles, overlap, (min_defect > 0.0).then_some(min_defect))
}

/// The view that properties ask for.
pub(crate) fn view(
    crop: Crop,
    roi: Option<&str>,
    mask: Option<&Path>,
    tiles: TilesAsked,
) -> Result<View, Error> {
    Ok(View { crop, roi: self::roi(roi)?, ignore: ignore_mask(mask)?, tiles: tiles.over(Tiles::None) })
}
