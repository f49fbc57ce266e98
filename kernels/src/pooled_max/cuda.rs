//! A thread a window.

use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, kernel};
use crate::error::Result;

const BEGIN: Kernel = kernel!("pooled_max.ptx", "pooled_max_begin");
const KERNEL: Kernel = kernel!("pooled_max.ptx", "pooled_max");
const FINISH: Kernel = kernel!("pooled_max.ptx", "pooled_max_finish");

pub(super) fn scores(
    x: Slice<'_>,
    w: usize,
    window: usize,
    stride: usize,
    scratch: &SliceMut<'_>,
    found: &SliceMut<'_>,
) -> Result<()> {
    let h = x.len() / w;
    let queue = found.queue();
    queue.launch_each(&BEGIN, 2, &[scratch.arg()])?;
    let [height, width, window_h, window_w, stride] =
        [h, w, window.min(h), window.min(w), stride].map(Arg::size);
    let arguments = [x.arg(), scratch.arg(), height, width, window_h, window_w, stride];
    queue.launch_each(&KERNEL, x.len(), &arguments)?;
    queue.launch_each(&FINISH, 2, &[scratch.arg(), found.arg()])
}
