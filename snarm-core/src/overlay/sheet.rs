//! Figures with the typeface of labels, on a white sheet.

use super::font;
use super::label::write_line;
use super::tile::Tile;

/// A sheet that bars, lines and texts are drawn on.
#[derive(Debug, Clone)]
pub struct Sheet {
    tile: Tile,
    /// Pixels of a point of the typeface.
    point: usize,
}

impl Sheet {
    /// A white sheet of this size in pixels, whose letters have points of that size.
    pub fn new(width: usize, height: usize, point: usize) -> Self {
        let pixels = vec![255; 4 * width * height];
        Self { tile: Tile { x: 0, y: 0, width, height, pixels }, point }
    }

    /// Fills a rectangle, clipped to the sheet.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, [r, g, b]: [u8; 3]) {
        self.tile.fill(x.min(self.tile.width), y.min(self.tile.height), width, height, [r, g, b, 255]);
    }

    /// Writes a line of text whose letters stand on the row `base`, from a column on; what is off the sheet is left out.
    pub fn write(&mut self, text: &str, x: usize, base: usize, [r, g, b]: [u8; 3]) {
        let top = base.saturating_sub(font::CAPITAL * self.point);
        write_line(&mut self.tile, text, x, top, self.point, [r, g, b, 255]);
    }

    /// Pixels that a line of text takes.
    pub fn width_of(&self, text: &str) -> usize {
        font::line_width(text) * self.point
    }

    /// The pixels: R, G, B, row after row.
    pub fn into_rgb(self) -> Vec<u8> {
        self.tile.pixels.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_stays_on_the_sheet() {
        let mut sheet = Sheet::new(40, 20, 1);
        sheet.fill(30, 10, 100, 100, [1, 2, 3]);
        sheet.fill(100, 100, 5, 5, [9; 3]);
        sheet.write("I1", 2, 9, [200, 0, 0]);
        sheet.write("long enough to leave it", 30, 19, [0; 3]);
        let width = sheet.width_of("I1");
        let rgb = sheet.into_rgb();
        let at = |x: usize, y: usize| &rgb[3 * (40 * y + x)..][..3];
        assert_eq!((rgb.len(), at(39, 9), at(0, 0)), (3 * 40 * 20, &[255; 3][..], &[255; 3][..]));
        assert_eq!(at(35, 11), [1, 2, 3]);
        let ink: Vec<usize> = (0..20).filter(|x| (2..9).any(|y| at(*x, y) == [200, 0, 0])).collect();
        assert!(!ink.is_empty() && ink.iter().all(|x| (2..2 + width).contains(x)), "{ink:?}");
    }
}
