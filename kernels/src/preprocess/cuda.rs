//! A thread a pixel of the output; what depends on the geometry of frames is one table of words, made once.
//!
//! # The table
//! Family (0 RGB, 1 Y'CbCr, 2 grey), word (0 byte, 1 little, 2 big, 3 third), mask of a word; rows and columns of the upright
//! output; left, top, width and height of the picture as stored; transposed, mirrored in x, in y; the seven numbers of `ToRgb`; scale and offset of each
//! channel. Then for each channel: plane, both shifts, step, offset; starts, weights and taps in x; the same in y. Starts
//! and weights are places of lists that follow. Floats are their bits.

use super::filter::Filter;
use super::{Fit, Geometry, OP, Place, PreprocessSpec};
use crate::color::ToRgb;
use crate::device::cuda::{Kernel, Queue, SliceMut, check_queue, kernel};
use crate::device::{self, Buffer, BufferView};
use crate::error::Result;
use crate::frame::{DeviceFrame, Orientation};
use crate::layout::{self, Channel, Family, Word};
use crate::resize::Axis;

const TRIANGLE: Kernel = kernel!("preprocess.ptx", "preprocess_triangle");
const PAPER: Kernel = kernel!("preprocess.ptx", "preprocess_paper");

/// Words of the table before those of the channels, and of a channel.
const HEAD: usize = 25;
const OF_CHANNEL: usize = 11;

/// What is kept for frames of one geometry.
#[derive(Debug)]
pub(super) struct Plan {
    geometry: Geometry,
    is_paper: bool,
    table: Buffer<u32>,
    /// Address and stride of each plane, as two words each.
    planes: Buffer<u32>,
}

impl Plan {
    pub(super) fn new(spec: &PreprocessSpec, geometry: Geometry, queue: &Queue) -> Result<Self> {
        let place = device::Place::Cuda(queue.clone());
        let table = Buffer::of(&place, &table(spec, geometry))?;
        let is_paper = matches!(spec.fit, Fit::Paper { .. });
        Ok(Self { geometry, is_paper, table, planes: Buffer::new(&place, 12)? })
    }

    pub(super) fn fits(&self, geometry: Geometry) -> bool {
        self.geometry == geometry
    }

    pub(super) fn run(&mut self, frame: &DeviceFrame<'_>, cells: usize, out: &SliceMut<'_>) -> Result<()> {
        let mut words = [0_u32; 12];
        for ((data, stride), words) in frame.planes().zip(words.chunks_exact_mut(4)) {
            check_queue(OP, out, &[&data])?;
            let (address, stride) = (data.address(), stride as u64);
            words.copy_from_slice(&[address, stride].map(halves).concat());
        }
        self.planes.write(&words)?;
        let (BufferView::Cuda(table), BufferView::Cuda(planes)) = (self.table.view(), self.planes.view())
        else {
            return Err(device::apart(OP));
        };
        check_queue(OP, out, &[&table, &planes])?;
        let kernel = if self.is_paper { &PAPER } else { &TRIANGLE };
        out.queue().launch_each(kernel, cells, &[table.arg(), planes.arg(), out.arg()])
    }
}

/// The two words of a number, the lower first.
fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

fn table(spec: &PreprocessSpec, geometry: Geometry) -> Vec<u32> {
    let place = Place::new(spec, &geometry);
    let stored = layout::samples(geometry.format);
    let family = match layout::family(geometry.format) {
        Family::Rgb => 0,
        Family::Ycbcr => 1,
        Family::Grey => 2,
    };
    let word = match stored.word {
        Word::Byte => 0,
        Word::Little => 1,
        Word::Big => 2,
        Word::Third => 3,
    };
    let size = |n: usize| n as u32;
    let mut table = vec![family, word, u32::from(stored.max()) << stored.shift];
    table.extend([spec.size.rows, spec.size.columns].map(size));
    let inner = place.inner;
    table.extend([inner.x, inner.y, inner.width, inner.height].map(size));
    let Orientation { transposed, mirrored_x, mirrored_y } = geometry.orientation;
    table.extend([transposed, mirrored_x, mirrored_y].map(u32::from));
    let ToRgb { y_offset, y_scale, c_offset, r_cr, g_cb, g_cr, b_cb } =
        ToRgb::new(geometry.colorimetry, stored);
    table.extend([y_offset, y_scale, c_offset, r_cr, g_cb, g_cr, b_cb].map(f32::to_bits));
    table.extend(spec.std.map(|std| (1.0 / (255.0 * std)).to_bits()));
    table.extend(std::array::from_fn::<_, 3, _>(|c| (-spec.mean[c] / spec.std[c]).to_bits()));

    let (mut lists, first) = (Vec::new(), HEAD + 3 * OF_CHANNEL);
    for channel in layout::channels(geometry.format) {
        let filters = match spec.fit {
            Fit::Paper { resize } => paper_filters(&mut lists, first, place, resize),
            Fit::Full | Fit::Letterbox => triangle_filters(&mut lists, first, place, channel, geometry),
        };
        let Channel { plane, shift_x, shift_y, step, offset } = channel;
        table.extend([plane, shift_x, shift_y, step, offset].map(size));
        table.extend(filters.map(size));
    }
    table.extend(lists);
    table
}

/// Appends the filters of a channel to the lists, which begin at `first`: places of starts and weights, and taps, in x and y.
fn triangle_filters(
    lists: &mut Vec<u32>,
    first: usize,
    Place { source, inner, .. }: Place,
    channel: Channel,
    geometry: Geometry,
) -> [usize; 6] {
    let site = geometry.colorimetry.site;
    let x = super::triangle::axis(inner.width, source.x, source.width, channel.shift_x, site.x, 1);
    let y = super::triangle::axis(inner.height, source.y, source.height, channel.shift_y, site.y, 1);
    let mut append = |filter: &Filter| {
        let starts = first + lists.len();
        lists.extend(filter.starts.iter().map(|start| *start as u32));
        let weights = first + lists.len();
        lists.extend(filter.weights.iter().map(|weight| weight.to_bits()));
        [starts, weights, filter.taps]
    };
    let [x, y] = [append(&x), append(&y)];
    [x[0], x[1], x[2], y[0], y[1], y[2]]
}

/// Appends lists of two places and two weights in x and y. Only those of the first channel are read.
fn paper_filters(
    lists: &mut Vec<u32>,
    first: usize,
    Place { source, size, crop, .. }: Place,
    resize: usize,
) -> [usize; 6] {
    let mut append = |axis: &Axis, begin: usize, origin: usize| {
        let at = first + lists.len();
        for (samples, weights) in axis.samples[begin..][..size.columns].iter().zip(&axis.weights[begin..]) {
            lists.extend(samples.map(|sample| (sample + origin) as u32));
            lists.extend(weights.map(|weight| weight as u32));
        }
        at
    };
    let x = append(&Axis::horizontal(source.width, resize), crop[0], source.x);
    let y = append(&Axis::vertical(source.height, resize), crop[1], source.y);
    [x, 0, 0, y, 0, 0]
}
