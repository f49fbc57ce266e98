//! Rows as codes of small integers, in panels: what a search reads before it measures.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::basis::{About, Basis, Scratch};
use super::sieve::{Layout, unit};
use super::{MAX_K, OP};
use crate::aligned::Aligned;
use crate::device::BufferView;
use crate::error::{Result, check_len};

/// Panels that one thread encodes at a time.
const PANELS: usize = 4;

/// Rows prepared for [`super::nearest_by_codes`]: a code of at most 64 small integers for each row, which says of most rows that
/// they are too far away; the others are measured. Codes are made once for a bank, or anew for the rows of each frame
/// ([`Self::set`]), which allocates nothing once it has seen as many rows.
///
/// They take 72 bytes a row with AVX512-VNNI, 136 with AVX2 and 264 otherwise, and where floats are the faster; the directions of
/// codes take 256 bytes for each channel.
#[derive(Debug)]
pub struct Codes {
    width: usize,
    len: usize,
    /// Nothing where rows cannot be told apart by codes.
    coded: Option<Coded>,
}

/// Codes of rows.
#[derive(Debug)]
pub(super) struct Coded {
    pub(super) basis: Arc<Basis>,
    pub(super) layout: Layout,
    /// Panels of [`Layout::rows`] rows.
    pub(super) data: Aligned,
    /// One for each row: what is added to its product with a query. Whole numbers: f32 beside floats, else i32.
    pub(super) biases: Aligned,
    /// The largest radius of the rows whose codes are compared; others are always measured.
    pub(super) radius: f32,
    /// Whether copies of rows are left out.
    pub(super) without_copies: bool,
    abouts: Vec<About>,
    radii: Vec<f32>,
    scratch: Vec<Scratch>,
}

impl Codes {
    /// Codes of rows of that width.
    ///
    /// # Errors
    /// When there are no whole rows.
    pub fn of(rows: &[f32], width: usize) -> Result<Self> {
        Self::laid_out(Layout::best(), rows, width)
    }

    pub(super) fn laid_out(layout: Layout, rows: &[f32], width: usize) -> Result<Self> {
        let len = rows.len() / width.max(1);
        check_len(OP, "rows", len * width, rows.len())?;
        let basis = Basis::of(rows, width);
        let mut codes = Self { width, len, coded: basis.map(|basis| Coded::new(Arc::new(basis), layout)) };
        if let Some(coded) = &mut codes.coded {
            coded.fill(rows);
            coded.leave_copies_out(rows, width);
        }
        Ok(codes)
    }

    /// Codes of no rows, with the directions of others: those of the rows of a frame are found along the directions of its
    /// bank.
    pub fn like(&self) -> Self {
        let coded = self.coded.as_ref().map(|coded| Coded::new(Arc::clone(&coded.basis), coded.layout));
        Self { width: self.width, len: 0, coded }
    }

    /// Whether they have the same directions as others.
    pub fn is_like(&self, other: &Self) -> bool {
        match (&self.coded, &other.coded) {
            (Some(own), Some(theirs)) => Arc::ptr_eq(&own.basis, &theirs.basis),
            (own, theirs) => own.is_none() && theirs.is_none() && self.width == other.width,
        }
    }

    /// Replaces all rows.
    ///
    /// # Errors
    /// When there are no whole rows, or they live on a device.
    pub fn set<'a>(&mut self, rows: impl Into<BufferView<'a>>) -> Result<()> {
        let rows = rows.into().host(OP)?;
        let len = rows.len() / self.width.max(1);
        check_len(OP, "rows", len * self.width, rows.len())?;
        self.len = len;
        if let Some(coded) = &mut self.coded {
            coded.fill(rows);
        }
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The codes, where there are any.
    pub(super) fn coded(&self) -> Option<&Coded> {
        self.coded.as_ref()
    }
}

impl Coded {
    fn new(basis: Arc<Basis>, layout: Layout) -> Self {
        let (data, biases) = (Aligned::default(), Aligned::default());
        let (abouts, radii, scratch) = (Vec::new(), Vec::new(), Vec::new());
        Self { basis, layout, data, biases, radius: 0.0, without_copies: false, abouts, radii, scratch }
    }

    fn fill(&mut self, rows: &[f32]) {
        let Self { basis, layout, data, biases, abouts, radii, scratch, .. } = self;
        let (layout, d, r) = (*layout, basis.width(), basis.len());
        let (n, per) = (rows.len() / d, layout.rows());
        let panels = n.div_ceil(per);
        data.resize(panels * layout.panel(r));
        biases.resize(panels * per);
        abouts.resize(n, About::default());
        let (tasks, block) = (panels.div_ceil(PANELS), PANELS * per);
        scratch.resize_with(tasks.max(scratch.len()), Scratch::default);
        scratch
            .par_iter_mut()
            .zip(data.par_chunks_mut(PANELS * layout.panel(r)))
            .zip(rows.par_chunks(block * d).zip(abouts.par_chunks_mut(block)))
            .for_each(|((scratch, data), (rows, abouts))| {
                data.fill(0.0);
                basis.encode(rows, scratch, |row, code, about| {
                    put(layout, data, r, row, code);
                    abouts[row] = about;
                });
            });
        radii.clear();
        radii.extend(abouts.iter().map(|about| about.radius));
        // A few rows that codes do not fit are measured each time, lest all others need a wider bound.
        let half = radii.len() / 2;
        let middle =
            if radii.is_empty() { 0.0 } else { *radii.select_nth_unstable_by(half, f32::total_cmp).1 };
        let fitting = radii.iter().filter(|radius| **radius <= 2.0 * middle && radius.is_finite());
        self.radius = fitting.fold(0.0, |most, radius| most.max(*radius));
        let (radius, unit) = (self.radius, unit(r));
        let bias = |about: Option<&About>| match about {
            Some(about) if about.radius <= radius => -(about.norm / 2),
            Some(_) => 2 * unit,
            None => -4 * unit,
        };
        for row in 0..panels * per {
            set_bias(layout, biases, row, bias(abouts.get(row)));
        }
        self.without_copies = false;
    }

    /// Leaves out rows of which [`MAX_K`] copies come before them: as far away as those, they would come after them.
    fn leave_copies_out(&mut self, rows: &[f32], d: usize) {
        let mut copies: HashMap<&[u8], usize> = HashMap::new();
        for (i, row) in rows.chunks_exact(d).enumerate() {
            let before = copies.entry(bytemuck::cast_slice(row)).or_default();
            *before += 1;
            if *before > MAX_K {
                set_bias(self.layout, &mut self.biases, i, -4 * unit(self.basis.len()));
                self.without_copies = true;
            }
        }
    }
}

pub(super) fn set_bias(layout: Layout, biases: &mut [f32], row: usize, bias: i32) {
    biases[row] = match layout {
        // The bits of an integer, which is added to.
        Layout::Bytes | Layout::Pairs => f32::from_bits(bias as u32),
        Layout::Floats(_) => bias as f32,
    };
}

/// Puts the code of a row into its place.
pub(super) fn put(layout: Layout, data: &mut [f32], r: usize, row: usize, code: &[f32]) {
    let per = layout.rows();
    let panel = &mut data[row / per * layout.panel(r)..][..layout.panel(r)];
    let place = row % per;
    match layout {
        Layout::Bytes => {
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(panel);
            for (four, code) in code.as_chunks::<4>().0.iter().enumerate() {
                // Rows are shifted to 1..=255, since VNNI multiplies unsigned bytes by signed ones.
                let shifted = code.map(|v| (v + 128.0) as u8);
                bytes[(four * per + place) * 4..][..4].copy_from_slice(&shifted);
            }
        }
        Layout::Pairs => {
            let numbers: &mut [i16] = bytemuck::cast_slice_mut(panel);
            for (pair, code) in code.as_chunks::<2>().0.iter().enumerate() {
                numbers[(pair * per + place) * 2..][..2].copy_from_slice(&code.map(|v| v as i16));
            }
        }
        Layout::Floats(_) => {
            for (i, v) in code.iter().enumerate() {
                panel[i * per + place] = *v;
            }
        }
    }
}
