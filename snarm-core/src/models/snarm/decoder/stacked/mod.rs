//! The decoder in few large steps, for places where the number of steps is what takes the time: all branches go through a layer
//! together, in all orders, and neither residuals nor activations leave the place.
//!
//! Rows are those of sixteen maps, each map in the order of a scan: the maps of all branches in the first order, then those of
//! the others. Maps of one shape lie together, so orders come as [`IN_TURN`] has them. Map i belongs to branch i modulo their
//! number, which is how the layers of a stack take turns.

mod mixer;

use snarm_kernels::Grid;
use snarm_kernels::add_norm::{Norm, add_norm_in_turns};
use snarm_kernels::columns::{self, columns};
use snarm_kernels::conv3x3::{self, conv3x3_in_turns};
use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::gather::gather;
use snarm_kernels::linear::{self, Panels, Then, Weight, linear, linear_in_turns};
use snarm_kernels::mark::mark;
use snarm_kernels::mean_sigmoid::mean_sigmoid;
use snarm_kernels::row_dot::row_dot;
use snarm_kernels::upsample::{Corners, Upsample};

use self::mixer::{Mixers, joined};
use super::branch::{Branch, Layers};
use super::shape::{DEPTH, EPS, ORDERS, Shape, WHAT};
use super::workspace::Places;
use crate::error::{Error, Result};

/// The orders of a branch, those that go through the transposed grid last.
const IN_TURN: [usize; ORDERS] = [0, 2, 1, 3];

/// A decoder at a place, with the activations of one stream.
pub struct Stacked {
    sizes: Shape,
    grid: Grid,
    navigator: (Buffer, f32),
    embed: Weight,
    embed_bias: Buffer,
    blocks: Vec<Block>,
    norm: [Buffer; 2],
    views: conv3x3::Stack,
    heads: linear::Stack,
    heads_bias: Buffer,
    places: Rows,
    scratch: Scratch,
    upsample: Upsample,
}

/// The blocks of one depth, of all branches.
struct Block {
    norm: Buffer,
    conv: conv3x3::Stack,
    mixers: Mixers,
}

/// Which row lies where.
struct Rows {
    /// Token at each position of each order, (orders, tokens).
    tokens: Buffer<u32>,
    /// Row of the embedding at each row of the maps.
    orders: Buffer<u32>,
    /// Row of the maps for each logit of each token.
    unscan: Buffer<u32>,
    /// The rows of hard tokens, (maps, hard tokens).
    hard: Buffer<u32>,
    /// For each row of the maps, its place in `hard`, or [`snarm_kernels::mark::KEEP`].
    mixed: Buffer<u32>,
}

/// Activations of one frame; of products where only they read them.
struct Scratch {
    /// Of each token what the navigator says, before and after the sigmoid.
    q: [Buffer; 2],
    /// (tokens, 2 width)
    residuals: Buffer,
    /// (tokens, branches, channels)
    embedded: Buffer,
    stream: Buffer,
    normed: Buffer,
    hidden: Buffer,
    mixer_in: Buffer,
    mixer_out: Buffer,
    seen: Buffer,
    line: Buffer,
    /// (tokens, views)
    logits: Buffer,
    upsampled: Buffer,
    map: Buffer,
    /// Only the host's convolutions need it.
    conv: conv3x3::Workspace,
}

impl Stacked {
    /// A copy of a decoder's weights at a place, for a grid of tokens and a map of `size` pixels.
    ///
    /// # Errors
    /// When the place lacks the memory.
    pub(super) fn new(
        place: &Place,
        sizes: &Shape,
        (weight, bias): &(Vec<f32>, f32),
        branches: &[Branch],
        grid: Grid,
        size: Grid,
    ) -> Result<Self> {
        let Shape { width, channels, .. } = *sizes;
        let all: Vec<Layers<'_>> = branches.iter().map(Branch::layers).collect();
        // A row of the embedding reads [inter | intra].
        let rows: Vec<f32> = all
            .iter()
            .flat_map(|layers| {
                let [inter, intra] = layers.embed.each_ref().map(Panels::to_transposed);
                let row = |i: usize| [&inter[i * width..][..width], &intra[i * width..][..width]].concat();
                (0..channels).flat_map(row).collect::<Vec<f32>>()
            })
            .collect();
        let views = IN_TURN.into_iter().flat_map(|order| all.iter().map(move |layers| &layers.views[order]));
        let heads: Vec<Panels> =
            views.clone().map(|view| Panels::from_transposed(&view.weight, 1, channels)).collect();
        let heads_bias: Vec<f32> = views.clone().map(|view| view.bias).collect();
        let block = |depth: usize| -> Result<Block> {
            let blocks: Vec<_> = all.iter().map(|layers| &layers.blocks[depth]).collect();
            let conv = blocks.iter().map(|block| (block.conv.clone(), 1)).collect();
            let mixers: Vec<_> = blocks.iter().map(|block| &block.mixer).collect();
            Ok(Block {
                norm: joined(place, blocks.iter().map(|block| &block.norm[..]))?,
                conv: conv3x3::Stack::new(place, conv)?,
                mixers: Mixers::new(place, sizes, &mixers)?,
            })
        };
        Ok(Self {
            sizes: *sizes,
            grid,
            navigator: (Buffer::of(place, weight)?, *bias),
            embed: Weight::new(place, &rows, all.len() * channels, 2 * width)?,
            embed_bias: joined(place, all.iter().map(|layers| layers.embed_bias))?,
            blocks: (0..DEPTH).map(block).collect::<Result<_>>()?,
            norm: [
                joined(place, all.iter().map(|layers| layers.norm[0]))?,
                joined(place, all.iter().map(|layers| layers.norm[1]))?,
            ],
            views: conv3x3::Stack::new(
                place,
                views.map(|view| (view.conv.clone(), view.dilation)).collect(),
            )?,
            heads: linear::Stack::new(place, &heads.iter().collect::<Vec<_>>())?,
            heads_bias: Buffer::of(place, &heads_bias)?,
            places: Rows::new(place, grid, all.len())?,
            scratch: Scratch::new(place, sizes, grid, size)?,
            upsample: Upsample::new(grid.into(), size.into(), sizes.views(), Corners::Centres),
        })
    }

    /// What the navigator says of each token, as [`super::SnarmDecoder::navigate`].
    ///
    /// # Errors
    /// When the residuals have another width or live elsewhere, or the device fails.
    pub fn navigate(&mut self, inter: BufferView<'_>) -> Result<&Buffer> {
        let [raw, q] = &mut self.scratch.q;
        raw.resize(inter.len() / self.sizes.width)?;
        q.resize(raw.len())?;
        row_dot(inter, &self.navigator.0, self.navigator.1, &mut *raw)?;
        // The mean of one probability.
        mean_sigmoid(&*raw, &mut *q)?;
        Ok(q)
    }

    /// Probabilities (rows, columns) of one frame, as [`super::SnarmDecoder::run`]: of transformed residuals (tokens, width)
    /// and the part of each token, of which `hard` are [`snarm_kernels::split::HIGH`].
    ///
    /// # Errors
    /// When residuals or parts do not fit or live elsewhere, or the device fails.
    pub fn run(
        &mut self,
        inter: BufferView<'_>,
        intra: BufferView<'_>,
        parts: BufferView<'_, u32>,
        hard: usize,
    ) -> Result<&Buffer> {
        let Self { sizes, grid, places, scratch: s, .. } = self;
        let Shape { width, channels, branches } = *sizes;
        let (n, maps) = (grid.cells(), branches * ORDERS);
        if parts.len() != n {
            let expected = format!("the part of each of {n} tokens");
            return Err(Error::Values { what: WHAT, expected, found: parts.len().to_string() });
        }
        places.hard.resize(maps * hard)?;
        mark(parts, &places.tokens, branches, &mut places.hard, &mut places.mixed)?;
        let columns_from = |first: usize| columns::Place { width: 2 * width, first };
        columns(inter, width, 1.0, columns_from(0), &mut s.residuals)?;
        columns(intra, width, 1.0, columns_from(width), &mut s.residuals)?;
        linear(&s.residuals, &self.embed, &self.embed_bias, Then::Store, &mut s.embedded)?;
        gather(&s.embedded, channels, &places.orders, &mut s.stream)?;
        for mixed in [&mut s.mixer_in, &mut s.mixer_out] {
            mixed.resize(maps * hard * channels)?;
        }
        for (depth, block) in self.blocks.iter_mut().enumerate() {
            let h = (depth > 0).then_some(s.hidden.view());
            let norm = Norm::Rms { weight: &block.norm };
            add_norm_in_turns(h, &mut s.stream, [n, channels], norm, EPS, &mut s.normed)?;
            let then = conv3x3::Then::Store;
            convolve(&s.normed, *grid, [maps, channels], &block.conv, then, &mut s.conv, &mut s.hidden)?;
            gather(&s.hidden, channels, &places.hard, &mut s.mixer_in)?;
            block.mixers.run(&s.mixer_in, hard, &mut s.mixer_out)?;
            gather(&s.mixer_out, channels, &places.mixed, &mut s.hidden)?;
        }
        let norm = Norm::Layer { weight: &self.norm[0], bias: &self.norm[1] };
        add_norm_in_turns(Some(s.hidden.view()), &mut s.stream, [n, channels], norm, EPS, &mut s.normed)?;
        let then = conv3x3::Then::Relu;
        convolve(&s.normed, *grid, [maps, channels], &self.views, then, &mut s.conv, &mut s.seen)?;
        linear_in_turns(&s.seen, n, &self.heads, &self.heads_bias, Then::Store, &mut s.line)?;
        gather(&s.line, 1, &places.unscan, &mut s.logits)?;
        self.upsample.run(&s.logits, &mut s.upsampled)?;
        mean_sigmoid(&s.upsampled, &mut s.map)?;
        Ok(&s.map)
    }
}

/// Convolves all maps: at once where the grid is a square, else those of the transposed grid by themselves.
fn convolve(
    x: &Buffer,
    grid: Grid,
    [maps, channels]: [usize; 2],
    stack: &conv3x3::Stack,
    then: conv3x3::Then,
    workspace: &mut conv3x3::Workspace,
    y: &mut Buffer,
) -> Result<()> {
    if grid == grid.transposed() {
        return Ok(conv3x3_in_turns(x, grid, stack, 0, then, workspace, y)?);
    }
    let half = maps / 2;
    for (first, grid) in [(0, grid), (half, grid.transposed())] {
        let part = first * grid.cells() * channels..(first + half) * grid.cells() * channels;
        let (Some(x), Some(y)) = (x.view().part(part.clone()), y.view_mut().part(part.clone())) else {
            let expected = format!("activations of {maps} maps");
            return Err(Error::Values { what: WHAT, expected, found: format!("{} values", x.len()) });
        };
        conv3x3_in_turns(x, grid, stack, first, then, workspace, y)?;
    }
    Ok(())
}

impl Rows {
    fn new(place: &Place, grid: Grid, branches: usize) -> Result<Self> {
        let (places, n, views) = (Places::new(grid), grid.cells(), branches * ORDERS);
        let mut orders = Vec::with_capacity(views * n);
        let tokens = IN_TURN.map(|order| &places.orders()[order * n..][..n]).concat();
        let mut unscan = vec![0; views * n];
        for (turn, order) in IN_TURN.into_iter().enumerate() {
            for branch in 0..branches {
                for (position, token) in places.orders()[order * n..][..n].iter().enumerate() {
                    let row = ((turn * branches + branch) * n + position) as u32;
                    orders.push(token * branches as u32 + branch as u32);
                    unscan[*token as usize * views + branch * ORDERS + order] = row;
                }
            }
        }
        Ok(Self {
            tokens: Buffer::of(place, &tokens)?,
            orders: Buffer::of(place, &orders)?,
            unscan: Buffer::of(place, &unscan)?,
            hard: Buffer::new(place, 0)?,
            mixed: Buffer::new(place, views * n)?,
        })
    }
}

impl Scratch {
    fn new(place: &Place, sizes: &Shape, grid: Grid, size: Grid) -> Result<Self> {
        let (n, views) = (grid.cells(), sizes.views());
        let rows = views * n * sizes.channels;
        let floats = |len: usize| Buffer::new(place, len);
        let products = |len: usize| Buffer::of_products(place, len);
        Ok(Self {
            q: [floats(n)?, floats(n)?],
            residuals: products(n * 2 * sizes.width)?,
            embedded: floats(n * sizes.branches * sizes.channels)?,
            stream: floats(rows)?,
            normed: products(rows)?,
            hidden: floats(rows)?,
            mixer_in: products(0)?,
            mixer_out: floats(0)?,
            seen: products(rows)?,
            line: floats(views * n)?,
            logits: floats(views * n)?,
            upsampled: floats(size.cells() * views)?,
            map: floats(size.cells())?,
            conv: conv3x3::Workspace::default(),
        })
    }
}
