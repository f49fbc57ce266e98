//! A launch a channel, whose threads are the samples under the tile.

use super::{Clip, OP, Tile};
use crate::color::FromRgb;
use crate::device::cuda::{Arg, Kernel, Slice, kernel};
use crate::error::{Error, Result};
use crate::frame::DeviceFrameMut;
use crate::layout::{self, Family, Word};

const KERNEL: Kernel = kernel!("blend.ptx", "blend");

pub(super) fn blend(frame: &DeviceFrameMut<'_>, tile: &Tile<Slice<'_>>, clip: &Clip) -> Result<()> {
    let (format, family) = (frame.format(), layout::family(frame.format()));
    let samples = layout::samples(format);
    let word = match samples.word {
        Word::Byte => 0,
        Word::Little => 1,
        Word::Big => 2,
        Word::Third => {
            let expected = "samples of whole bytes, on a device".to_owned();
            return Err(Error::Shape { op: OP, expected, found: format!("{format:?}") });
        }
    };
    let weights = match family {
        Family::Rgb => [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
        Family::Ycbcr | Family::Grey => {
            let FromRgb { y, cb, cr } = FromRgb::new(frame.colorimetry(), samples);
            [y, cb, cr]
        }
    };
    let channels = if family == Family::Grey { 1 } else { 3 };
    for (channel, weights) in layout::channels(format).into_iter().zip(weights).take(channels) {
        let (plane, stride) = frame.plane(channel.plane);
        let span = |start: usize, length: usize, shift: usize| {
            ((start + length - 1) >> shift) - (start >> shift) + 1
        };
        let threads = span(clip.x, clip.width, channel.shift_x) * span(clip.y, clip.height, channel.shift_y);
        let mut arguments = vec![plane.arg()];
        arguments
            .extend([stride, channel.step, channel.offset, channel.shift_x, channel.shift_y].map(Arg::size));
        arguments.extend([word, usize::from(samples.max()), samples.shift as usize].map(Arg::size));
        arguments
            .extend([clip.x, clip.y, clip.width, clip.height, frame.width(), frame.height()].map(Arg::size));
        arguments.push(tile.pixels.arg());
        arguments.extend([tile.stride, clip.tile_x, clip.tile_y].map(Arg::size));
        arguments.extend(weights.map(Arg::Float));
        plane.queue().launch_each(&KERNEL, threads, &arguments)?;
    }
    Ok(())
}
