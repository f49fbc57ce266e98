//! Self-Navigated Residual Mamba: inter-residuals against the bank, a waypoint map that finds the frame's own trusted
//! tokens, intra-residuals against those.
//!
//! A trained decoder reads the residuals. Without one the distances of the matching are the score: what is far from the bank
//! is unusual for the product; what is also far from the frame's own trusted tokens is unusual for this frame. A defect is
//! both. A new shade of light is far from the bank everywhere, but near to its neighbours in the frame; a rare but good
//! detail is far from its neighbours, but near to the bank. So the two distances are multiplied, as a weighted geometric
//! mean. With a ViT-Tiny on two products the product localised better than the inter-distance alone (pixel AUROC 0.97
//! against 0.90 on ballscrews), and a share of three quarters for the bank kept the image score (docs/accuracy.md).

pub mod decoder;
mod family;
mod matching;
mod navigate;
mod weigh;

use std::sync::Arc;
use std::time::Instant;

use snarm_kernels::Grid;
use snarm_kernels::device::{Buffer, Place};
use snarm_kernels::hybrid_score::hybrid_score;
use snarm_kernels::nearest::{Filter, Labels, Places, Table};

use self::decoder::{Residuals, SnarmDecoder, Stacked, Workspace};
pub use self::matching::Matching;
use self::navigate::Parts;
pub use self::navigate::{Navigation, TRUSTED_FRACTION};
pub(crate) use self::weigh::Weigh;
use crate::bank::Memory;
use crate::detect::StageTimes;
use crate::encoder::Features;
use crate::error::{Error, Result};

/// Name of the calibration of the residual score.
pub const TRAINING_FREE: &str = "training-free";

/// SNARM for one stream.
pub struct Snarm {
    grid: Grid,
    width: usize,
    inter: Matching,
    navigation: Navigation,
    intra: Matching,
    /// Mean distance of each token to its nearest bank rows.
    distances: Vec<f32>,
    scoring: Scoring,
    /// The bank in the memory of a device, where that matches.
    table: Option<OnDevice>,
    /// The image of a frame whose own rows do not count, for each token.
    labels: Vec<u32>,
    /// The place of each token in the bank's frames.
    places: Vec<u32>,
}

/// A bank in the memory of a device.
struct OnDevice {
    rows: Table,
    /// Where rows count, and the places of tokens, tile after tile.
    places: Option<(Buffer<u32>, Vec<Buffer<u32>>)>,
}

/// What makes a map of the residuals.
enum Scoring {
    /// Nothing that was trained; the map, (rows, columns), and room for mean distances where a device matches.
    TrainingFree(Buffer, Buffer),
    /// A trained decoder.
    Decoder(Box<Running>),
}

/// A trained decoder with its scratch.
struct Running {
    decoder: Arc<SnarmDecoder>,
    workspace: Workspace,
    /// What the navigator says of each token.
    q: Vec<f32>,
    weigh: Weigh,
    map_size: Grid,
    /// Where it runs on a device.
    there: Option<There>,
}

/// A trained decoder in the memory of a device.
struct There {
    stacked: Stacked,
    weigh: Weigh,
    distances: Buffer,
}

impl Snarm {
    /// Without a trained decoder.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens.
    pub fn training_free(grid: Grid, width: usize) -> Result<Self> {
        Self::new(grid, width, Scoring::TrainingFree(Buffer::default(), Buffer::default()))
    }

    /// With a trained decoder, whose map has `map_size` pixels.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens, or the decoder reads another width.
    pub fn with_decoder(
        decoder: Arc<SnarmDecoder>,
        grid: Grid,
        width: usize,
        map_size: Grid,
    ) -> Result<Self> {
        if decoder.shape().width != width {
            let expected = format!("a decoder for descriptors {width} wide");
            let found = decoder.shape().width.to_string();
            return Err(Error::Mismatch { what: "SNARM", expected, found });
        }
        let workspace = Workspace::new(decoder.shape(), grid, map_size)?;
        let weigh = Weigh::new(&Place::Host, grid, map_size)?;
        let running = Running { decoder, workspace, q: Vec::new(), weigh, map_size, there: None };
        Self::new(grid, width, Scoring::Decoder(Box::new(running)))
    }

    fn new(grid: Grid, width: usize, scoring: Scoring) -> Result<Self> {
        if grid.rows.min(grid.columns) < 2 {
            let expected = "a grid of at least 2 x 2 tokens".to_owned();
            return Err(Error::Sizes { what: "SNARM", expected, found: grid.to_string() });
        }
        let (inter, intra) = (Matching::new(width), Matching::new(width));
        Ok(Self {
            grid,
            width,
            inter,
            navigation: Navigation::default(),
            intra,
            distances: Vec::new(),
            scoring,
            table: None,
            labels: Vec::new(),
            places: Vec::new(),
        })
    }

    /// Matches in the memory of a device from now on, against a copy of that bank, and runs a copy of the trained decoder there.
    ///
    /// # Errors
    /// When the device lacks the memory, or the bank has none.
    pub fn move_to(&mut self, place: &Place, memory: Option<&Memory>) -> Result<()> {
        self.inter = Matching::at(place, self.width)?;
        self.intra = Matching::at(place, self.width)?;
        self.navigation = Navigation::at(place)?;
        self.table = match place {
            Place::Host => None,
            Place::Cuda(_) => {
                let bank = descriptors_of(memory)?;
                Some(OnDevice::new(place, bank, self.grid)?)
            }
        };
        match &mut self.scoring {
            Scoring::TrainingFree(map, distances) => {
                (*map, *distances) = (Buffer::new(place, 0)?, Buffer::new(place, 0)?);
            }
            Scoring::Decoder(running) => {
                running.there = match place {
                    Place::Host => None,
                    Place::Cuda(_) => Some(There::new(place, &running.decoder, self.grid, running.map_size)?),
                };
            }
        }
        Ok(())
    }

    /// What calibrations are filed under: `training-free`, or `head:` and the digest of the decoder.
    pub fn scorer(&self) -> &str {
        match &self.scoring {
            Scoring::TrainingFree(..) => TRAINING_FREE,
            Scoring::Decoder(running) => running.decoder.scorer(),
        }
    }

    /// The trained decoder, where there is one.
    pub fn decoder(&self) -> Option<&Arc<SnarmDecoder>> {
        match &self.scoring {
            Scoring::TrainingFree(..) => None,
            Scoring::Decoder(running) => Some(&running.decoder),
        }
    }

    /// Where the decoder's time of the last frame went, where there is a decoder and it ran on the host.
    pub fn decoder_times(&self) -> Option<decoder::Times> {
        match &self.scoring {
            Scoring::TrainingFree(..) => None,
            Scoring::Decoder(running) => running.there.is_none().then(|| running.workspace.times()),
        }
    }

    /// Rows and columns of the map of raw scores: the grid, or those of the decoder's map.
    pub fn map_size(&self) -> Grid {
        match &self.scoring {
            Scoring::TrainingFree(..) => self.grid,
            Scoring::Decoder(running) => running.map_size,
        }
    }

    /// Checks that descriptors are those of this grid and of the width of the bank.
    fn check(&self, len: usize, bank: &Memory) -> Result<()> {
        let tokens = self.grid.cells();
        if len == tokens * self.width && bank.width() == self.width {
            return Ok(());
        }
        let expected = format!("{tokens} descriptors of the bank's width, {}", bank.width());
        let found = format!("{len} values for a width of {}", self.width);
        Err(Error::Mismatch { what: "SNARM", expected, found })
    }

    /// Raw scores (rows, columns) of the map. Rows of the bank from image `unlike` do not count: a frame that is in the bank is
    /// so scored as if it were not. Where the features are those of a tile of the bank, rows count in their places alone. Tokens that `ignored` names (empty: none) are neither trusted nor hard.
    ///
    /// # Errors
    /// When the descriptors do not fit the bank, there is none, or they live on a device.
    pub fn score(
        &mut self,
        features: &Features<'_>,
        memory: Option<&Memory>,
        unlike: Option<u32>,
        ignored: &[bool],
        times: &mut StageTimes,
    ) -> Result<&[f32]> {
        let bank = descriptors_of(memory)?;
        let descriptors = features.descriptors().host(WHAT)?;
        self.check(descriptors.len(), bank)?;
        let start = Instant::now();
        let labels = unlike.map(|image| {
            self.labels.clear();
            self.labels.resize(self.grid.cells(), image);
            Labels { queries: (&self.labels).into(), rows: bank.images().into() }
        });
        let places = bank.places().zip(features.tile()).map(|(places, tile)| {
            self.places.clear();
            self.places.extend(places.placed().of_tokens(self.grid, tile));
            Places { queries: (&self.places).into(), rows: places.counts().into(), words: places.words() }
        });
        let filter = Filter { labels, places };
        self.inter.with_bank(descriptors, bank.rows(), Some(bank.codes()), filter)?;
        self.intra.search_like(bank.codes());
        let gain = self.decoder().map_or(1.0, |decoder| decoder.gain(bank.level()));
        self.inter.magnify(gain)?;
        times.add("inter-match", start.elapsed());

        let start = Instant::now();
        let q = match &mut self.scoring {
            Scoring::TrainingFree(..) => None,
            Scoring::Decoder(running) => {
                running.decoder.navigate(self.inter.transformed(), &mut running.q)?;
                Some(&running.q[..])
            }
        };
        self.navigation.run(self.inter.transformed(), self.width, q, ignored)?;
        times.add("navigate", start.elapsed());

        let start = Instant::now();
        self.intra.with_trusted(descriptors, self.navigation.trusted())?;
        self.intra.magnify(gain)?;
        times.add("intra-match", start.elapsed());

        let start = Instant::now();
        let map = match &mut self.scoring {
            Scoring::TrainingFree(map, _) => {
                self.inter.mean_distances(&mut self.distances)?;
                map.resize(self.distances.len())?;
                hybrid_score(&self.distances, self.intra.distances(), &mut *map)?;
                map.view().host(WHAT)?
            }
            Scoring::Decoder(running) => {
                let Running { decoder, workspace, weigh, .. } = &mut **running;
                let (inter, intra) = (self.inter.transformed(), self.intra.transformed());
                let map =
                    decoder.run(&Residuals { inter, intra, hard: self.navigation.hard() }, workspace)?;
                match bank.level().filter(|_| decoder.is_relative()) {
                    None => map,
                    Some(level) => {
                        self.inter.mean_distances(&mut self.distances)?;
                        let distances = (&self.distances).into();
                        weigh.run(map.into(), distances, &self.intra, level)?.view().host(WHAT)?
                    }
                }
            }
        };
        times.add("decode", start.elapsed());
        Ok(map)
    }

    /// As [`Self::score`] where [`Self::move_to`] has brought this. Nobody waits for the device, and what is launched depends on
    /// sizes and on `ignored` alone.
    ///
    /// # Errors
    /// When the descriptors do not fit the bank, there is none, or they live elsewhere.
    pub fn score_there(
        &mut self,
        features: &Features<'_>,
        memory: Option<&Memory>,
        ignored: &[bool],
    ) -> Result<&Buffer> {
        let bank = descriptors_of(memory)?;
        let descriptors = features.descriptors();
        self.check(descriptors.len(), bank)?;
        let Some(table) = &self.table else {
            let (expected, found) = ("a bank on a device".to_owned(), "one of the host".to_owned());
            return Err(Error::Mismatch { what: "SNARM", expected, found });
        };
        let places = table.places.as_ref().zip(features.tile()).and_then(|((rows, queries), tile)| {
            let words = bank.places()?.words();
            Some(Places { queries: queries.get(tile)?.view(), rows: rows.view(), words })
        });
        self.inter.with_table(descriptors, &table.rows, Filter { places, ..Filter::default() })?;
        let gain = self.decoder().map_or(1.0, |decoder| decoder.gain(bank.level()));
        self.inter.magnify(gain)?;
        let transformed = self.inter.transformed_there();
        let q = match &mut self.scoring {
            Scoring::Decoder(running) => match &mut running.there {
                Some(there) => Some(there.stacked.navigate(transformed)?),
                None => None,
            },
            Scoring::TrainingFree(..) => None,
        };
        let parts = self.navigation.run_there(transformed, self.width, q, ignored)?;
        self.intra.with_trusted_there(descriptors, parts.trusted)?;
        self.intra.magnify(gain)?;
        match &mut self.scoring {
            Scoring::TrainingFree(map, distances) => {
                self.inter.mean_distances_there(distances)?;
                map.resize(distances.len())?;
                hybrid_score(&*distances, self.intra.distances_there(), &mut *map)?;
                Ok(map)
            }
            Scoring::Decoder(running) => {
                let Running { decoder, there, .. } = &mut **running;
                let level = bank.level().filter(|_| decoder.is_relative());
                let there = there.as_mut().ok_or_else(|| {
                    let (expected, found) =
                        ("a decoder on a device".to_owned(), "one of the host".to_owned());
                    Error::Mismatch { what: "SNARM", expected, found }
                })?;
                there.run(&self.inter, &self.intra, parts, level)
            }
        }
    }
}

/// What messages call it.
const WHAT: &str = "SNARM";

impl OnDevice {
    /// For frames of tiles with a grid of tokens.
    fn new(place: &Place, bank: &Memory, grid: Grid) -> Result<Self> {
        let places = match bank.places() {
            None => None,
            Some(places) => {
                let tiles = places.words() / places.placed().rows;
                let of_tile = |tile: usize| -> Result<Buffer<u32>> {
                    let tokens: Vec<u32> = places.placed().of_tokens(grid, tile).collect();
                    Ok(Buffer::of(place, &tokens)?)
                };
                let tokens = (0..tiles).map(of_tile).collect::<Result<_>>()?;
                Some((Buffer::of(place, places.counts())?, tokens))
            }
        };
        Ok(Self { rows: Table::of(place, bank.rows().data, bank.width())?, places })
    }
}

impl There {
    fn new(place: &Place, decoder: &SnarmDecoder, grid: Grid, map_size: Grid) -> Result<Self> {
        Ok(Self {
            stacked: decoder.stacked(place, grid, map_size)?,
            weigh: Weigh::new(place, grid, map_size)?,
            distances: Buffer::new(place, grid.cells())?,
        })
    }

    /// The map of a frame, weighted where a level is given.
    fn run(
        &mut self,
        inter: &Matching,
        intra: &Matching,
        parts: Parts<'_>,
        level: Option<f32>,
    ) -> Result<&Buffer> {
        let (of_inter, of_intra) = (inter.transformed_there(), intra.transformed_there());
        let map = self.stacked.run(of_inter, of_intra, parts.parts.view(), parts.hard)?;
        let Some(level) = level else { return Ok(map) };
        inter.mean_distances_there(&mut self.distances)?;
        self.weigh.run(map.view(), self.distances.view(), intra, level)
    }
}

/// The descriptors of a bank, without which nothing is matched.
fn descriptors_of(memory: Option<&Memory>) -> Result<&Memory> {
    memory.ok_or_else(|| {
        let expected = "a bank with descriptors to compare frames with".to_owned();
        Error::Mismatch { what: "SNARM", expected, found: "one without".to_owned() }
    })
}
