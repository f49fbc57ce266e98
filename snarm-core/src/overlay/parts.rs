//! Finds the parts of a frame where the map reaches a level, as few disjoint rectangles.

use snarm_kernels::preprocess::PixelRect;

use super::MapView;
use super::heat::Field;

/// Blocks along the longer side of the map; parts closer than a block are one.
const BLOCKS: usize = 24;

/// Samples from and to which something was found, the end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    x: [usize; 2],
    y: [usize; 2],
}

impl Bounds {
    fn with(self, other: Self) -> Self {
        let join = |a: [usize; 2], b: [usize; 2]| [a[0].min(b[0]), a[1].max(b[1])];
        Self { x: join(self.x, other.x), y: join(self.y, other.y) }
    }
}

/// Buffers of the search.
#[derive(Debug, Default)]
pub(super) struct Parts {
    blocks: Vec<Option<Bounds>>,
    stack: Vec<usize>,
    rects: Vec<PixelRect>,
}

impl Parts {
    /// Rectangles of the frame, disjoint, that hold every pixel where the field reaches `level`, and `margin`
    /// pixels around it.
    pub(super) fn find(&mut self, field: &Field, level: f32, margin: usize) -> &[PixelRect] {
        self.rects.clear();
        let size = field.map.width.max(field.map.height).div_ceil(BLOCKS).max(2);
        let columns = field.map.width.div_ceil(size);
        self.mark(&field.map, level, size, columns);
        for start in 0..self.blocks.len() {
            if let Some(bounds) = self.take_connected(start, columns) {
                self.rects.extend(field.around(bounds.x, bounds.y, margin));
            }
        }
        self.merge();
        &self.rects
    }

    /// Notes for each block where its samples reach the level.
    fn mark(&mut self, map: &MapView, level: f32, size: usize, columns: usize) {
        self.blocks.clear();
        self.blocks.resize(columns * map.height.div_ceil(size), None);
        let least = (level.max(0.0) * map.largest()).ceil() as u32;
        for y in 0..map.height {
            let blocks = &mut self.blocks[y / size * columns..][..columns];
            let row = map.row(y);
            if map.wide {
                let (row, _) = row.as_chunks::<2>();
                let value = |v: &[u8; 2]| u32::from(u16::from_le_bytes(*v));
                mark_row(row, blocks, size, y, |v| value(v) >= least);
            } else {
                let least = least.min(256) as u16;
                mark_row(row, blocks, size, y, |&v| u16::from(v) >= least);
            }
        }
    }

    /// Joins a block with all that touch it, corners included, and removes them.
    fn take_connected(&mut self, start: usize, columns: usize) -> Option<Bounds> {
        let mut all = self.blocks[start].take()?;
        self.stack.clear();
        self.stack.push(start);
        while let Some(at) = self.stack.pop() {
            let (x, y) = (at % columns, at / columns);
            let rows = y.saturating_sub(1)..(y + 2).min(self.blocks.len() / columns);
            for near_y in rows {
                for near_x in x.saturating_sub(1)..(x + 2).min(columns) {
                    let near = near_y * columns + near_x;
                    if let Some(bounds) = self.blocks[near].take() {
                        all = all.with(bounds);
                        self.stack.push(near);
                    }
                }
            }
        }
        Some(all)
    }

    /// Joins rectangles until none overlap, since a pixel in two tiles would be drawn twice.
    fn merge(&mut self) {
        let mut i = 0;
        while i < self.rects.len() {
            let rect = self.rects[i];
            match self.rects[i + 1..].iter().position(|&other| overlap(rect, other)) {
                Some(offset) => {
                    let other = self.rects.swap_remove(i + 1 + offset);
                    self.rects[i] = hull(rect, other);
                    // The larger rectangle may reach earlier ones.
                    i = 0;
                }
                None => i += 1,
            }
        }
    }
}

fn mark_row<T>(
    row: &[T],
    blocks: &mut [Option<Bounds>],
    size: usize,
    y: usize,
    reaches: impl Fn(&T) -> bool,
) {
    for (i, (samples, block)) in row.chunks(size).zip(blocks).enumerate() {
        // Counting has no early exit and so is vectorised; most blocks end here.
        if samples.iter().map(|v| u16::from(reaches(v))).sum::<u16>() == 0 {
            continue;
        }
        let first = samples.iter().position(&reaches).unwrap_or(0);
        let last = samples.iter().rposition(&reaches).unwrap_or(0);
        let found = Bounds { x: [i * size + first, i * size + last + 1], y: [y, y + 1] };
        *block = Some(block.map_or(found, |bounds| bounds.with(found)));
    }
}

fn overlap(a: PixelRect, b: PixelRect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

fn hull(a: PixelRect, b: PixelRect) -> PixelRect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (end_x, end_y) = ((a.x + a.width).max(b.x + b.width), (a.y + a.height).max(b.y + b.height));
    PixelRect { x, y, width: end_x - x, height: end_y - y }
}
