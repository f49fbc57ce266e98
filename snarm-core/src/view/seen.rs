//! What is seen of the frames of one size.

use super::ignored::Ignored;
use super::mosaic::Mosaic;

/// What is seen of the frames of one size.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Where the maps of tiles lie.
    pub(crate) mosaic: Mosaic,
    /// What the view ignores.
    pub(crate) ignored: Option<Ignored>,
}

impl Seen {
    /// Whether each token is ignored, tile after tile; empty where none is.
    pub(crate) fn ignored_tokens(&self) -> &[bool] {
        self.ignored.as_ref().map_or(&[], Ignored::tokens)
    }
}
