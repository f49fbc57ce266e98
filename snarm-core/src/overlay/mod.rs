//! Draws a detection on a frame: heat map, contours, boxes, label, bar, border. Used by the element and by the
//! command alike.
//!
//! [`Overlay::paint`] makes small tiles of RGBA pixels, each with its place; [`Overlay::draw`] blends them onto a
//! frame of any format. A caller that hands overlays on instead of blending takes the tiles. Nothing outside the
//! tiles is touched, so a good frame costs no more than its label. Tiles and tables are kept between frames.

mod colormap;
mod fields;
mod font;
mod heat;
mod label;
mod lines;
mod parts;
mod sheet;
mod style;
mod tile;

#[cfg(test)]
mod tests;

use snarm_kernels::blend::{self, blend, blend_there};
use snarm_kernels::device::Buffer;
use snarm_kernels::frame::{DeviceFrameMut, FrameMut, Orientation};
use snarm_kernels::{Error, Result};

pub use fields::{FIELDS, check_label};
pub use sheet::Sheet;
pub use style::{Colormap, Position, Style};
pub use tile::Tile;

use heat::{Field, Heat};
use label::Plate;
use parts::Parts;
use style::Look;
use tile::Tiles;

use crate::view::Rect;

/// A score map: grey samples whose largest value means 1.
#[derive(Debug, Clone, Copy)]
pub struct MapView<'a> {
    data: &'a [u8],
    wide: bool,
    width: usize,
    height: usize,
    stride: usize,
}

impl<'a> MapView<'a> {
    /// A map of bytes, 255 meaning 1; `stride` bytes from row to row.
    ///
    /// # Errors
    /// When a side is 0 or `data` is too short.
    pub fn gray8(data: &'a [u8], width: usize, height: usize, stride: usize) -> Result<Self> {
        Self { data, wide: false, width, height, stride }.checked()
    }

    /// A map of little-endian 16-bit samples, 65535 meaning 1; `stride` bytes from row to row.
    ///
    /// # Errors
    /// When a side is 0 or `data` is too short.
    pub fn gray16(data: &'a [u8], width: usize, height: usize, stride: usize) -> Result<Self> {
        Self { data, wide: true, width, height, stride }.checked()
    }

    fn checked(self) -> Result<Self> {
        let row = self.width * if self.wide { 2 } else { 1 };
        if row > 0
            && self.height > 0
            && self.stride >= row
            && self.data.len() >= self.stride * (self.height - 1) + row
        {
            return Ok(self);
        }
        Err(Error::Shape {
            op: "overlay",
            expected: format!("{}x{} samples, a stride of at least {row}", self.width, self.height),
            found: format!("stride {} and {} bytes", self.stride, self.data.len()),
        })
    }

    /// The sample that means 1.
    fn largest(&self) -> f32 {
        if self.wide { 65535.0 } else { 255.0 }
    }

    /// The lowest and the highest value.
    fn range(&self) -> [f32; 2] {
        let (mut low, mut high) = (u16::MAX, 0);
        for y in 0..self.height {
            let row = self.row(y);
            let mut see = |value: u16| (low, high) = (low.min(value), high.max(value));
            if self.wide {
                row.as_chunks().0.iter().for_each(|v| see(u16::from_le_bytes(*v)));
            } else {
                row.iter().for_each(|v| see(u16::from(*v)));
            }
        }
        [low, high].map(|value| f32::from(value) / self.largest())
    }

    /// The bytes of one row.
    fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width * if self.wide { 2 } else { 1 }]
    }
}

/// One region, its rectangle in fractions of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
    /// Largest map value in it.
    pub score: f64,
}

/// What was found on a frame.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The score map.
    pub map: Option<MapView<'a>>,
    /// The part of the frame that the map covers, in fractions of the frame. It may reach beyond the frame.
    pub rect: Rect,
    /// The part of the frame that was looked at, in fractions of the frame.
    pub seen: Rect,
    /// The regions above the pixel threshold.
    pub regions: &'a [RegionBox],
    /// Text at the box of each region; where it is missing, the region's score.
    pub labels: &'a [String],
    /// Score of the frame.
    pub score: f64,
    /// Highest map value.
    pub score_max: f64,
    /// Score from which a frame is anomalous.
    pub threshold: f64,
    /// Map value from which a pixel is anomalous.
    pub pixel_threshold: f64,
    /// Part of the frame above the pixel threshold.
    pub area: f64,
    /// `normal`, `uncertain`, `anomalous` or another word.
    pub verdict: &'a str,
    /// Number of the frame.
    pub frame: u64,
    /// Time that the analysis took, in milliseconds.
    pub latency: f64,
    /// Name of the source.
    pub source: &'a str,
}

/// Nothing found on a frame that was looked at as a whole.
impl Default for Scene<'_> {
    fn default() -> Self {
        Self {
            map: None,
            rect: Rect::WHOLE,
            seen: Rect::WHOLE,
            regions: &[],
            labels: &[],
            score: 0.0,
            score_max: 0.0,
            threshold: 0.5,
            pixel_threshold: 0.5,
            area: 0.0,
            verdict: "",
            frame: 0,
            latency: 0.0,
            source: "",
        }
    }
}

/// Draws scenes, one frame after the other.
#[derive(Debug, Default)]
pub struct Overlay {
    tiles: Tiles,
    parts: Parts,
    heat: Heat,
    text: String,
    tag: String,
}

impl Overlay {
    /// An overlay without buffers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws a scene on a frame.
    ///
    /// # Errors
    /// None that a scene can cause; those of [`blend()`].
    pub fn draw(&mut self, frame: &mut FrameMut, scene: &Scene, style: &Style) -> Result<()> {
        self.paint(frame.width(), frame.height(), scene, style);
        self.blend(frame)
    }

    /// Draws the tiles of the last scene on a frame of the size they were made for.
    ///
    /// # Errors
    /// Those of [`blend()`].
    pub fn blend(&self, frame: &mut FrameMut) -> Result<()> {
        for tile in self.tiles.used() {
            blend(frame, blend::Tile::packed(&tile.pixels, tile.width, tile.height, tile.x, tile.y))?;
        }
        Ok(())
    }

    /// As [`Self::blend`], on a frame in the memory of a device, where `room` is, which tiles are copied to.
    ///
    /// # Errors
    /// Those of [`blend_there()`], and when the device lacks the memory.
    pub fn blend_there(&self, frame: &mut DeviceFrameMut<'_>, room: &mut Buffer<u8>) -> Result<()> {
        for tile in self.tiles.used() {
            room.resize(tile.pixels.len())?;
            room.write(&tile.pixels)?;
            blend_there(frame, blend::Tile::packed(&*room, tile.width, tile.height, tile.x, tile.y))?;
        }
        Ok(())
    }

    /// As [`Overlay::paint`] for a frame of this size that is stored in this orientation: labels can be read where the frame
    /// is shown upright. The scene is that of the upright picture, the tiles lie where the frame stores them.
    pub fn paint_stored(
        &mut self,
        width: usize,
        height: usize,
        orientation: Orientation,
        scene: &Scene,
        style: &Style,
    ) -> &[Tile] {
        let size = orientation.size(width, height);
        self.paint(size.0, size.1, scene, style);
        self.tiles.store(orientation, size);
        self.tiles.used()
    }

    /// Makes the tiles of a scene for a frame of this size, lowest first. They hold until the next call.
    pub fn paint(&mut self, width: usize, height: usize, scene: &Scene, style: &Style) -> &[Tile] {
        let look = Look::new(style, height, scene.verdict);
        self.tiles.clear();
        let plate = Plate::new(&mut self.text, width, height, scene, style, &look);
        if let Some(map) = scene.map {
            self.paint_map(&Field::new(map, scene.rect, width, height), scene, style, &look);
        }
        if style.roi && scene.seen != Rect::WHOLE {
            lines::part(&mut self.tiles, width, height, scene.seen, &look);
        }
        if style.boxes {
            for (i, region) in scene.regions.iter().enumerate() {
                let label = scene.labels.get(i).map(String::as_str);
                let (tiles, tag) = (&mut self.tiles, &mut self.tag);
                lines::region(tiles, tag, width, height, region, label, plate.as_ref(), &look);
            }
        }
        if style.border {
            lines::border(&mut self.tiles, width, height, &look);
        }
        if let Some(plate) = plate {
            plate.paint(&mut self.tiles, &self.text, scene, style, &look);
        }
        self.tiles.used()
    }

    /// Heat map and contours, which share their tiles.
    fn paint_map(&mut self, field: &Field, scene: &Scene, style: &Style, look: &Look) {
        let fixed = if style.heatmap_min < 0.0 { scene.pixel_threshold } else { style.heatmap_min };
        let [heat_min, heat_max] =
            if style.heatmap_auto { field.map.range() } else { [fixed as f32, style.heatmap_max as f32] };
        let heat = style.heatmap.then_some(heat_min);
        let contour = style.contours.then_some(scene.pixel_threshold as f32);
        let Some(lowest) = [heat, contour].into_iter().flatten().reduce(f32::min) else { return };
        let margin = if style.contours { look.line / 2 + 3 } else { 1 };
        if let Some(min) = heat {
            self.heat.set_colors(style, [min, heat_max]);
        }
        for part in self.parts.find(field, lowest, margin) {
            let tile = self.tiles.add(part.x as isize, part.y as isize, part.width, part.height);
            self.heat.paint(tile, field, heat.is_some(), contour, look);
        }
    }
}
