//! Two passes with a union of provisional labels.

use crate::error::{Result, check_len};

/// Labels of the last map, and what is kept between maps.
#[derive(Debug, Default)]
pub struct Components {
    labels: Vec<u32>,
    parents: Vec<u32>,
}

impl Components {
    /// Labels the pixels of `x` (rows of `w`) that are at least `threshold` and returns the number of components.
    ///
    /// # Errors
    /// When `x` is not whole rows.
    pub fn run(&mut self, x: &[f32], w: usize, threshold: f32) -> Result<usize> {
        check_len("components", "map", x.len() / w.max(1) * w, x.len())?;
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
