//! Bilinear resampling of maps whose channels lie together, with both conventions for the corners.
//!
//! Source coordinate of output o: (o + 0.5) * n / m - 0.5, clamped at 0 (align_corners = false), or
//! o * (n - 1) / (m - 1) (align_corners = true). Coordinates as PyTorch computes them, in f32.
//!
//! # Shapes
//! x (h, w, c) row-major, y (H, W, c).

mod cpu;
mod cuda;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use cpu::Upsample;

/// Where the corners of the two grids lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corners {
    /// The outer edges of the corner cells coincide: align_corners = false.
    Edges,
    /// The centres of the corner cells coincide: align_corners = true.
    Centres,
}

/// Two source cells and the weight of the second.
#[derive(Debug, Clone, Copy)]
pub struct Tap {
    /// The nearer to the first cell.
    pub low: usize,
    /// The next.
    pub high: usize,
    /// Weight of `high`, 0 to 1; that of `low` is the rest.
    pub t: f32,
}

/// For each of `m` outputs the source cells among `n`.
pub fn taps(n: usize, m: usize, corners: Corners) -> Vec<Tap> {
    let last = n.saturating_sub(1);
    (0..m)
        .map(|o| {
            let x = match corners {
                Corners::Edges => ((o as f32 + 0.5) * (n as f32 / m as f32) - 0.5).max(0.0),
                Corners::Centres if m > 1 => o as f32 * (last as f32 / (m - 1) as f32),
                Corners::Centres => 0.0,
            };
            let low = (x as usize).min(last);
            Tap { low, high: (low + 1).min(last), t: x - low as f32 }
        })
        .collect()
}
