//! From grids of raw scores, one a tile, to an image score, a map, and regions.

use snarm_kernels::Grid;
use snarm_kernels::blur::Blur;
use snarm_kernels::components::{Components, Part};
use snarm_kernels::hide::hide;
use snarm_kernels::pooled_max::{peak, pooled_max};
use snarm_kernels::preprocess::PixelRect;
use snarm_kernels::stitch::stitch;
use snarm_kernels::upsample::{Corners, Upsample};
use snarm_kernels::window;

use super::result::{Limits, Region};
use crate::error::{Error, Result};
use crate::view::{Mosaic, Rect, Seen};

/// Standard deviation of the smoothing, in pixels of the map (reference code).
pub(super) const SIGMA: f64 = 4.0;

/// Window and stride of the pooling whose maximum is the image score (reference code).
pub(super) const WINDOW: usize = 16;
pub(super) const STRIDE: usize = 2;

/// How a smoothed map becomes a score of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageScore {
    /// The highest mean of a window of 16 x 16 pixels.
    Windows,
    /// The highest pixel.
    Peak,
}

/// Raw pixel scores of one frame: those of tiles upsampled and stitched, cut to the visible part, smoothed.
pub(crate) struct RawMap {
    /// Size of a tile's map.
    tile: Grid,
    image_score: ImageScore,
    /// Where the scores come on a grid; a trained decoder brings them to the size itself.
    upsample: Option<Upsample>,
    blur: Blur,
    /// Scores of the grid, those of ignored tokens replaced.
    filled: Vec<f32>,
    /// Scores of a tile that a device found.
    home: Vec<f32>,
    /// The map of one tile.
    own: Vec<f32>,
    /// What the map is stitched by.
    mosaic: Mosaic,
    map: Vec<f32>,
    sums: Vec<f64>,
}

impl RawMap {
    /// For maps of tiles of `tile` pixels from `scores`.
    pub(crate) fn new(tile: Grid, scores: Grid, image_score: ImageScore) -> Self {
        let upsample = || Upsample::new(scores.into(), tile.into(), 1, Corners::Edges);
        let visible = PixelRect { x: 0, y: 0, width: tile.columns, height: tile.rows };
        Self {
            tile,
            image_score,
            upsample: (scores != tile).then(upsample),
            blur: Blur::new(tile.rows, tile.columns, SIGMA),
            filled: Vec::new(),
            home: Vec::new(),
            own: vec![0.0; tile.cells()],
            mosaic: Mosaic::whole(tile, visible, Rect::WHOLE),
            map: vec![0.0; tile.cells()],
            sums: Vec::new(),
        }
    }

    /// Scores of one frame of one tile, which shows it in `visible`: the raw image score and the highest raw pixel score.
    pub(crate) fn of_whole(&mut self, scores: &[f32], visible: PixelRect) -> Result<(f64, f64)> {
        let seen = Seen { mosaic: Mosaic::whole(self.tile, visible, Rect::WHOLE), ignored: None };
        self.begin(&seen.mosaic);
        self.add(0, scores, &seen)?;
        self.end(&seen)
    }

    /// Begins with the map of another frame.
    pub(crate) fn begin(&mut self, mosaic: &Mosaic) {
        if self.mosaic != *mosaic {
            let size = mosaic.size();
            if size != self.mosaic.size() {
                self.blur = Blur::new(size.rows, size.columns, SIGMA);
                self.map.resize(size.cells(), 0.0);
            }
            self.mosaic = mosaic.clone();
        }
        self.map.fill(0.0);
    }

    /// Takes the scores (rows, columns) of a tile.
    pub(crate) fn add(&mut self, tile: usize, scores: &[f32], seen: &Seen) -> Result<()> {
        let scores = match &seen.ignored {
            Some(ignored) => ignored.stand_in(tile, scores, &mut self.filled)?,
            None => scores,
        };
        let scores = match &mut self.upsample {
            Some(upsample) => {
                upsample.run(scores, &mut self.own)?;
                &self.own
            }
            None if scores.len() == self.own.len() => scores,
            None => {
                let (expected, found) = (format!("{} scores", self.own.len()), scores.len().to_string());
                return Err(Error::Values { what: "score map", expected, found });
            }
        };
        let piece = self.mosaic.piece(tile);
        Ok(stitch(scores, self.tile.columns, piece, &mut self.map, self.mosaic.size().columns)?)
    }

    /// As [`Self::add`], of `len` scores that `read` brings.
    pub(super) fn add_from(
        &mut self,
        tile: usize,
        seen: &Seen,
        len: usize,
        read: impl FnOnce(&mut [f32]) -> Result<()>,
    ) -> Result<()> {
        let mut home = std::mem::take(&mut self.home);
        home.resize(len, 0.0);
        let added = read(&mut home).and_then(|()| self.add(tile, &home, seen));
        self.home = home;
        added
    }

    /// Smoothes the map of all tiles and returns the raw image score and the highest raw pixel score.
    pub(crate) fn end(&mut self, seen: &Seen) -> Result<(f64, f64)> {
        let (columns, visible) = (self.mosaic.size().columns, self.mosaic.visible());
        if let Some(ignored) = &seen.ignored {
            ignored.fill_gaps(&mut self.map, &mut self.filled)?;
        }
        // The scores at the edges of the picture go on in the bars of a letterbox, as the blur has them go on at those of
        // the map: the smoothing shall not dim a defect at an edge. What no camera saw is not anomalous.
        window::extend(&mut self.map, columns, visible)?;
        self.blur.run(&mut self.map)?;
        window::clear(&mut self.map, columns, visible)?;
        if let Some(ignored) = &seen.ignored {
            hide(&mut self.map, ignored.pixels())?;
        }
        let peak = peak(&self.map)?;
        let score = match self.image_score {
            ImageScore::Windows => pooled_max(&self.map, columns, WINDOW, STRIDE, &mut self.sums)?,
            ImageScore::Peak => peak,
        };
        Ok((f64::from(score), f64::from(peak)))
    }

    /// Size of a tile's map.
    pub(super) fn tile(&self) -> Grid {
        self.tile
    }

    /// How the map becomes a score of the image.
    pub(super) fn image_score(&self) -> ImageScore {
        self.image_score
    }

    /// Smoothed raw scores, which another thing makes.
    pub(super) fn map_mut(&mut self) -> &mut [f32] {
        &mut self.map
    }

    /// Smoothed raw scores, (rows, columns).
    pub(crate) fn map(&self) -> &[f32] {
        &self.map
    }
}

/// Finds regions in maps of 0..1 scores.
#[derive(Default)]
pub(crate) struct Regions {
    components: Components,
}

impl Regions {
    /// Fills `regions` with the parts of `map` (of `size`) that reach the pixel threshold; `rect` is what the map
    /// covers of the frame.
    pub(crate) fn run(
        &mut self,
        map: &[f32],
        size: Grid,
        rect: Rect,
        limits: &Limits,
        regions: &mut Vec<Region>,
    ) -> Result<()> {
        let parts = self.components.measure(map, size.columns, limits.pixel_threshold as f32)?;
        regions.clear();
        let area = |part: &Part| part.pixels as f64 / size.cells() as f64 * rect.w * rect.h;
        let kept = parts.iter().filter(|part| area(part) >= limits.min_area);
        regions.extend(kept.zip(0..).map(|(part, id)| Region { id, ..region(part, size, rect, area(part)) }));
        // A stable sort allocates; regions of the same score stay in order by their first numbers.
        regions.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        regions.truncate(limits.max_regions);
        for (id, region) in regions.iter_mut().enumerate() {
            region.id = id as u32;
        }
        Ok(())
    }
}

/// The part of a map of `size` in fractions of the frame, of which the map covers `rect`.
fn region(part: &Part, size: Grid, rect: Rect, area: f64) -> Region {
    let (sx, sy, n) = (rect.w / size.columns as f64, rect.h / size.rows as f64, part.pixels as f64);
    Region {
        id: 0,
        rect: Rect {
            x: rect.x + part.left as f64 * sx,
            y: rect.y + part.top as f64 * sy,
            w: (part.right - part.left) as f64 * sx,
            h: (part.bottom - part.top) as f64 * sy,
        },
        area,
        score: f64::from(part.peak),
        score_mean: part.sum / n,
        cx: rect.x + part.x / n * sx,
        cy: rect.y + part.y / n * sy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(pixel_threshold: f64) -> Limits {
        Limits { threshold: 0.5, threshold_low: None, pixel_threshold, min_area: 0.0, max_regions: 32 }
    }

    fn regions_of(map: &[f32], side: usize, rect: Rect, limits: &Limits) -> Vec<Region> {
        let mut regions = Vec::new();
        Regions::default().run(map, Grid::square(side), rect, limits, &mut regions).unwrap();
        regions
    }

    #[test]
    fn a_region_has_its_box_area_and_centroid() {
        let mut map = vec![0.0; 100];
        for i in [22, 23, 32, 33] {
            map[i] = 0.8;
        }
        map[33] = 0.9;
        let regions = regions_of(&map, 10, Rect::WHOLE, &limits(0.5));
        assert_eq!(regions.len(), 1);
        let region = regions[0];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(
            close(region.rect.x, 0.2) && close(region.rect.w, 0.2) && close(region.rect.h, 0.2),
            "{region:?}"
        );
        assert!(close(region.area, 0.04) && close(region.cx, 0.3) && close(region.cy, 0.3), "{region:?}");
        assert!(close(region.score, 0.9) && close(region.score_mean, 0.825), "{region:?}");
    }

    #[test]
    fn regions_are_sorted_numbered_and_limited() {
        let map = [0.6, 0.0, 0.9, 0.0, 0.0, 0.0, 0.7, 0.0, 0.8];
        let regions = regions_of(&map, 3, Rect::WHOLE, &Limits { max_regions: 3, ..limits(0.5) });
        let found: Vec<(u32, i32)> =
            regions.iter().map(|r| (r.id, (r.score * 10.0).round() as i32)).collect();
        assert_eq!(found, [(0, 9), (1, 8), (2, 7)]);
        assert!(regions_of(&map, 3, Rect::WHOLE, &Limits { min_area: 0.2, ..limits(0.5) }).is_empty());
    }

    #[test]
    fn a_map_of_a_part_of_the_frame_gives_coordinates_of_the_frame() {
        let part = Rect { x: 0.25, y: 0.5, w: 0.5, h: 0.25 };
        let region = regions_of(&[0.0, 0.0, 0.0, 1.0], 2, part, &limits(0.5))[0];
        assert_eq!(region.rect, Rect { x: 0.5, y: 0.625, w: 0.25, h: 0.125 });
        assert_eq!(region.area, 0.25 * 0.5 * 0.25);
    }

    #[test]
    fn what_no_camera_saw_scores_nothing() {
        for map_side in [49, 392] {
            let mut raw = RawMap::new(Grid::square(392), Grid::square(map_side), ImageScore::Windows);
            let visible = PixelRect { x: 0, y: 98, width: 392, height: 196 };
            raw.of_whole(&vec![1.0; map_side * map_side], visible).unwrap();
            for (i, score) in raw.map().iter().enumerate() {
                let seen = f32::from(u8::from((98..294).contains(&(i / 392))));
                assert!((score - seen).abs() < 1e-6, "{score} in row {}", i / 392);
            }
            assert!(raw.of_whole(&[1.0; 9], visible).is_err(), "scores of another side");
        }
    }
}
