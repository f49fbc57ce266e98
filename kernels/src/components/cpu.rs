//! Two passes with a union of provisional labels.

use crate::device::BufferView;
use crate::error::{Result, check_len};

const OP: &str = "components";

/// Labels of the last map, and what is kept between maps.
#[derive(Debug, Default)]
pub struct Components {
    labels: Vec<u32>,
    parents: Vec<u32>,
    parts: Vec<Part>,
}

/// What is known of a component: running sums over its pixels, whose centres lie at halves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Column after the last.
    pub right: usize,
    /// Row after the last.
    pub bottom: usize,
    /// Number of pixels.
    pub pixels: usize,
    /// Sum of the columns of the centres.
    pub x: f64,
    /// Sum of the rows of the centres.
    pub y: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Highest value, at least 0.
    pub peak: f32,
}

impl Components {
    /// Labels the pixels of `x` (rows of `w`) that are at least `threshold` and returns the number of components.
    ///
    /// # Errors
    /// When `x` is not whole rows, or an operand lives on a device.
    pub fn run<'a>(&mut self, x: impl Into<BufferView<'a>>, w: usize, threshold: f32) -> Result<usize> {
        let x = x.into().host(OP)?;
        check_len(OP, "map", x.len() / w.max(1) * w, x.len())?;
        self.labels.clear();
        self.labels.resize(x.len(), 0);
        self.parents.clear();
        self.parents.push(0);
        for (i, score) in x.iter().enumerate() {
            if *score >= threshold {
                self.labels[i] = self.join_neighbours(i, w);
            }
        }
        Ok(self.renumber())
    }

    /// As [`Self::run`], and measures each component.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn measure<'a>(&mut self, x: impl Into<BufferView<'a>>, w: usize, threshold: f32) -> Result<&[Part]> {
        let x = x.into().host(OP)?;
        let n = self.run(x, w, threshold)?;
        let none = Part {
            left: w,
            top: usize::MAX,
            right: 0,
            bottom: 0,
            pixels: 0,
            x: 0.0,
            y: 0.0,
            sum: 0.0,
            peak: 0.0,
        };
        self.parts.clear();
        self.parts.resize(n, none);
        for (i, (label, value)) in self.labels.iter().zip(x).enumerate() {
            if let Some(part) = (*label as usize).checked_sub(1).and_then(|at| self.parts.get_mut(at)) {
                part.add(i % w, i / w, *value);
            }
        }
        Ok(&self.parts)
    }

    /// Label of each pixel of the last map.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Label of pixel `i` from the four neighbours seen before it, which it joins; a new one where there is none.
    fn join_neighbours(&mut self, i: usize, w: usize) -> u32 {
        let (left, right, above) = (!i.is_multiple_of(w), i % w + 1 < w, i >= w);
        let seen = [(left, 1), (above && left, w + 1), (above, w), (above && right, w.wrapping_sub(1))];
        let mut label = 0;
        for (exists, back) in seen {
            let other = if exists { self.labels[i - back] } else { 0 };
            if other != 0 {
                let root = self.root(other);
                label = if label == 0 { root } else { self.union(label, root) };
            }
        }
        if label == 0 {
            label = self.parents.len() as u32;
            self.parents.push(label);
        }
        label
    }

    fn root(&mut self, mut label: u32) -> u32 {
        while self.parents[label as usize] != label {
            let grandparent = self.parents[self.parents[label as usize] as usize];
            self.parents[label as usize] = grandparent;
            label = grandparent;
        }
        label
    }

    /// The smaller root stays, so a root is always the label of the component's first pixel.
    fn union(&mut self, a: u32, b: u32) -> u32 {
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high as usize] = low;
        low
    }

    /// Replaces provisional labels by consecutive numbers.
    fn renumber(&mut self) -> usize {
        let mut n = 0;
        for label in 1..self.parents.len() {
            // Parents are smaller than their children, so they are final already.
            let parent = self.parents[label] as usize;
            self.parents[label] = if parent == label {
                n += 1;
                n
            } else {
                self.parents[parent]
            };
        }
        for label in &mut self.labels {
            *label = self.parents[*label as usize];
        }
        n as usize
    }
}

impl Part {
    fn add(&mut self, x: usize, y: usize, value: f32) {
        self.left = self.left.min(x);
        self.top = self.top.min(y);
        self.right = self.right.max(x + 1);
        self.bottom = self.bottom.max(y + 1);
        self.pixels += 1;
        self.x += x as f64 + 0.5;
        self.y += y as f64 + 0.5;
        self.sum += f64::from(value);
        self.peak = self.peak.max(value);
    }
}
