//! What one stream needs to run a decoder: allocated once and kept.

use snarm_kernels::Grid;
use snarm_kernels::conv3x3;
use snarm_kernels::gather::KEEP;
use snarm_kernels::upsample::{Corners, Upsample};

use super::mixer;
use super::shape::{ORDERS, Shape, WHAT};
use super::times::Times;
use crate::error::{Error, Result};
use crate::models::scan_order::snarm_orders;

/// Activations of one frame.
pub struct Workspace {
    pub(super) grid: Grid,
    pub(super) channels: usize,
    pub(super) views: usize,
    pub(super) times: Times,
    pub(super) places: Places,
    /// The embedding, (tokens, channels).
    pub(super) embedded: Vec<f32>,
    /// The residual stream u, (orders, tokens, channels).
    pub(super) stream: Vec<f32>,
    /// The stream normalised, (orders, tokens, channels).
    pub(super) normed: Vec<f32>,
    /// What a block makes, h, (orders, tokens, channels).
    pub(super) hidden: Vec<f32>,
    pub(super) mixer_in: Vec<f32>,
    pub(super) mixer_out: Vec<f32>,
    pub(super) mixer: mixer::Workspace,
    pub(super) conv: conv3x3::Workspace,
    /// What a view makes of its map, (tokens, channels).
    pub(super) view: Vec<f32>,
    pub(super) line: Vec<f32>,
    /// (tokens, views)
    pub(super) logits: Vec<f32>,
    pub(super) upsample: Upsample,
    /// (rows, columns, views) of the map
    pub(super) upsampled: Vec<f32>,
    /// (rows, columns)
    pub(super) map: Vec<f32>,
}

/// Checks that a grid has trusted and hard tokens.
pub(super) fn check(grid: Grid) -> Result<()> {
    if grid.rows.min(grid.columns) >= 2 {
        return Ok(());
    }
    let expected = "a grid of at least 2 x 2 tokens".to_owned();
    Err(Error::Sizes { what: WHAT, expected, found: grid.to_string() })
}

impl Workspace {
    /// For a decoder of these sizes, a grid of tokens and a map of `size` pixels.
    ///
    /// # Errors
    /// When the grid is too small to have trusted and hard tokens.
    pub fn new(sizes: &Shape, grid: Grid, size: Grid) -> Result<Self> {
        check(grid)?;
        let n = grid.cells();
        let (channels, views) = (sizes.channels, sizes.views());
        let rows = |n: usize| vec![0.0; n * channels];
        Ok(Self {
            grid,
            channels,
            views,
            times: Times::default(),
            places: Places::new(grid),
            embedded: rows(n),
            stream: rows(ORDERS * n),
            normed: rows(ORDERS * n),
            hidden: rows(ORDERS * n),
            mixer_in: Vec::new(),
            mixer_out: Vec::new(),
            mixer: mixer::Workspace::default(),
            conv: conv3x3::Workspace::default(),
            view: rows(n),
            line: vec![0.0; n],
            logits: vec![0.0; n * views],
            upsample: Upsample::new(grid.into(), size.into(), views, Corners::Centres),
            upsampled: vec![0.0; size.cells() * views],
            map: vec![0.0; size.cells()],
        })
    }

    /// Logits of the views in the last frame, (rows, columns, views), view branch * 4 + order.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Where the time of the last frame went.
    pub fn times(&self) -> Times {
        self.times
    }

    pub(super) fn tokens(&self) -> usize {
        self.grid.cells()
    }

    /// The map as it lies in an order: every second order goes through the transposed grid.
    pub(super) fn shape(&self, order: usize) -> Grid {
        if order.is_multiple_of(2) { self.grid } else { self.grid.transposed() }
    }
}

/// Which token lies where in the four orders, and which of them are hard.
pub(super) struct Places {
    /// Token at each position of each order, (orders, tokens).
    orders: Vec<u32>,
    is_hard: Vec<bool>,
    /// Rows of the hard tokens among those of `orders`, (orders, hard tokens).
    hard: Vec<u32>,
    /// For each row, its place in `hard`, or [`KEEP`].
    mixed: Vec<u32>,
}

impl Places {
    pub(super) fn new(grid: Grid) -> Self {
        let orders: Vec<u32> = snarm_orders(grid).into_iter().flatten().collect();
        let n = orders.len();
        Self { orders, is_hard: vec![false; grid.cells()], hard: Vec::with_capacity(n), mixed: vec![KEEP; n] }
    }

    /// Takes the hard tokens of a frame.
    pub(super) fn mark_hard(&mut self, tokens: &[u32]) {
        self.is_hard.fill(false);
        tokens.iter().for_each(|token| self.is_hard[*token as usize] = true);
        self.hard.clear();
        for (row, (token, mixed)) in self.orders.iter().zip(&mut self.mixed).enumerate() {
            *mixed = KEEP;
            if self.is_hard[*token as usize] {
                *mixed = self.hard.len() as u32;
                self.hard.push(row as u32);
            }
        }
    }

    pub(super) fn orders(&self) -> &[u32] {
        &self.orders
    }

    pub(super) fn hard(&self) -> &[u32] {
        &self.hard
    }

    pub(super) fn mixed(&self) -> &[u32] {
        &self.mixed
    }
}
