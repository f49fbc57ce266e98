//! Zeros around a map as TensorFlow's padding "SAME" has them: as many as the last window needs, half of them before the
//! map and half behind it, the odd one behind.

/// One direction of a map that windows move over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Same {
    /// Windows.
    pub(crate) outputs: usize,
    /// Zeros before the first cell.
    pub(crate) before: usize,
    /// Cells that windows meet, with the zeros before and behind; the last cells of a map may be met by none.
    pub(crate) padded: usize,
}

impl Same {
    /// For `n` cells and windows of `side` cells that are `step` apart.
    pub(crate) fn new(n: usize, side: usize, step: usize) -> Self {
        let outputs = n.div_ceil(step);
        let padded = outputs.saturating_sub(1) * step + side;
        Self { outputs, before: padded.saturating_sub(n) / 2, padded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_lie_where_tensorflow_has_them() {
        let zeros = |n, side, step| {
            let Same { outputs, before, padded } = Same::new(n, side, step);
            (outputs, before, (padded - before).saturating_sub(n))
        };
        assert_eq!(zeros(8, 5, 1), (8, 2, 2));
        assert_eq!([zeros(8, 3, 2), zeros(9, 3, 2)], [(4, 0, 1), (5, 1, 1)]);
        assert_eq!([zeros(8, 5, 2), zeros(9, 5, 2)], [(4, 1, 2), (5, 2, 2)]);
        assert_eq!(zeros(7, 1, 3), (3, 0, 0));
    }
}
