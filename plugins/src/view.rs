//! The properties `roi` and `ignore-mask` in the words of the core.

use std::path::Path;
use std::sync::Arc;

use snarm_core::Error;
use snarm_core::view::{Crop, IgnoreMask, Rect, View};

/// The region of interest that a text names; unset and the whole frame are both `None`.
pub(crate) fn roi(text: Option<&str>) -> Result<Option<Rect>, Error> {
    match text {
        Some(text) => Ok(text.parse::<Rect>()?.into_roi()),
        None => Ok(None),
    }
}

/// The mask in a file.
pub(crate) fn ignore_mask(location: Option<&Path>) -> Result<Option<Arc<IgnoreMask>>, Error> {
    location.map(|location| IgnoreMask::open(location).map(Arc::new)).transpose()
}

/// The view that properties ask for.
pub(crate) fn view(crop: Crop, roi: Option<&str>, mask: Option<&Path>) -> Result<View, Error> {
    Ok(View { crop, roi: self::roi(roi)?, ignore: ignore_mask(mask)? })
}
