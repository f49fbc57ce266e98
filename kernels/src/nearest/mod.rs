//! The k nearest rows of a bank for each query, by Euclidean distance.
//!
//! The distance of a query and a row is measured by direct differences: the sum of (q - b)^2 in f32 over sixteen lanes, the same
//! to the bit at every level. The result is always that of measuring all rows (`measured` in reference.rs); searches differ in
//! how few rows they have to measure:
//!
//! - [`nearest`] scores all rows in the matrix form |b|^2 - 2 q.b (|q|^2 is the same for all rows), tile by tile, so that the
//!   matrix of all distances never exists, and measures the eight best of each query. The matrix form loses small distances to
//!   cancellation: where the rounding of a dot product could hide a nearer row behind the eighth, all rows are measured.
//! - [`nearest_by_codes`] reads codes of 64 bytes in place of rows, which bound each distance from below (the proof is at the head
//!   of basis.rs), and measures the rows that the bound does not rule out. Queries that it leaves too many rows are searched as in
//!   [`nearest`]; where it rules out next to nothing for half of the queries, all others are, too.
//!
//! A distance that is no finite number is no match.
//!
//! A [`Filter`] keeps rows from queries. Rows and queries may carry labels: a row never matches a query of the same label. A token
//! that searches among its own image's tokens is so kept from finding itself. And queries may have a place, rows a set of places: a
//! row then matches queries from its places alone.
//!
//! A device finds candidates among rows rounded to bf16, two lists of eight for each part of the rows, and measures sixteen of
//! them in f32: [`nearest_in`], among the rows of a [`Table`].
//!
//! # Shapes
//! queries (m, d), bank (t, d), both row-major; indices and squared distances (m, k), nearest first. Equal distances
//! are ordered by index. Where fewer than k rows may match, the index is [`NONE`] and the distance infinite.

mod basis;
mod codes;
mod cpu;
mod cuda;
mod found;
mod pairs;
#[cfg(test)]
mod reference;
mod search;
mod sieve;
#[cfg(test)]
mod tests;
mod vnni;

pub use codes::Codes;
pub use cuda::{Search, Table};

use crate::device::{BufferView, BufferViewMut, apart};
use crate::error::{Error, Result, check_len};

const OP: &str = "nearest";

/// Index of a match that does not exist.
pub const NONE: u32 = u32::MAX;

/// The largest k.
pub const MAX_K: usize = 4;

/// Rows to search among.
#[derive(Debug, Clone, Copy)]
pub struct Rows<T> {
    /// t rows of d elements.
    pub data: T,
    /// Squared length of each row, as [`squared_norms`] gives it.
    pub norms: T,
}

/// Labels of queries and rows.
#[derive(Debug, Clone, Copy)]
pub struct Labels<T> {
    /// One for each query.
    pub queries: T,
    /// One for each row of the bank.
    pub rows: T,
}

/// Places of queries, and those that rows are known from.
#[derive(Debug, Clone, Copy)]
pub struct Places<T> {
    /// The number of the place of each query, below 32 times `words`.
    pub queries: T,
    /// `words` words for each row of the bank: bit i of word w is place 32 w + i.
    pub rows: T,
    /// Words of a row.
    pub words: usize,
}

/// Which rows may match which queries; by default all may match all.
#[derive(Debug, Clone, Copy)]
pub struct Filter<T> {
    /// Rows that have the label of a query do not match it.
    pub labels: Option<Labels<T>>,
    /// Rows that are not known from the place of a query do not match it.
    pub places: Option<Places<T>>,
}

impl<T> Default for Filter<T> {
    fn default() -> Self {
        Self { labels: None, places: None }
    }
}

impl<T> From<Labels<T>> for Filter<T> {
    fn from(labels: Labels<T>) -> Self {
        Self { labels: Some(labels), places: None }
    }
}

impl<T> Filter<T> {
    /// Whether any row may match any query.
    fn is_open(&self) -> bool {
        self.labels.is_none() && self.places.is_none()
    }
}

impl<'a> Filter<BufferView<'a, u32>> {
    /// That of the host.
    fn host(self) -> Result<Filter<&'a [u32]>> {
        let labels = |l: Labels<BufferView<'a, u32>>| -> Result<Labels<&'a [u32]>> {
            Ok(Labels { queries: l.queries.host(OP)?, rows: l.rows.host(OP)? })
        };
        let places = |p: Places<BufferView<'a, u32>>| -> Result<Places<&'a [u32]>> {
            Ok(Places { queries: p.queries.host(OP)?, rows: p.rows.host(OP)?, words: p.words })
        };
        Ok(Filter {
            labels: self.labels.map(labels).transpose()?,
            places: self.places.map(places).transpose()?,
        })
    }

    /// Checks that it is one for m queries and t rows.
    fn check(&self, m: usize, t: usize) -> Result<()> {
        if let Some(labels) = self.labels {
            check_len(OP, "query labels", m, labels.queries.len())?;
            check_len(OP, "row labels", t, labels.rows.len())?;
        }
        if let Some(places) = self.places {
            check_len(OP, "places of queries", m, places.queries.len())?;
            check_len(OP, "places of rows", t * places.words, places.rows.len())?;
        }
        Ok(())
    }
}

impl Filter<&[u32]> {
    /// Whether a row may not match a query.
    #[inline(always)]
    fn excludes(&self, query: usize, row: usize) -> bool {
        self.labels.is_some_and(|l| l.queries[query] == l.rows[row])
            || self.places.is_some_and(|p| {
                let place = p.queries[query] as usize;
                p.rows[row * p.words + place / 32] >> (place % 32) & 1 == 0
            })
    }

    /// That of the queries from a number on.
    fn of_queries_from(self, first: usize) -> Self {
        Self {
            labels: self.labels.map(|l| Labels { queries: &l.queries[first..], ..l }),
            places: self.places.map(|p| Places { queries: &p.queries[first..], ..p }),
        }
    }

    /// Checks that the places of queries are those that rows have bits for.
    fn check_places(&self) -> Result<()> {
        let Some(Places { queries, words, .. }) = self.places else { return Ok(()) };
        match queries.iter().max() {
            Some(most) if *most as usize >= 32 * words => {
                let expected = format!("places of queries below {}", 32 * words);
                Err(Error::Shape { op: OP, expected, found: most.to_string() })
            }
            _ => Ok(()),
        }
    }
}

/// Finds the `k` nearest rows of each query of width `d`.
///
/// # Errors
/// When a length or a place does not fit, k is 0 or above [`MAX_K`], or an operand lives on a device, where [`nearest_in`]
/// searches.
pub fn nearest<'a>(
    queries: impl Into<BufferView<'a>>,
    d: usize,
    rows: Rows<impl Into<BufferView<'a>>>,
    filter: Filter<BufferView<'a, u32>>,
    k: usize,
    workspace: &mut Workspace,
    indices: impl Into<BufferViewMut<'a, u32>>,
    distances: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    Job::new(queries, d, rows, filter, k, indices, distances)?.plain(workspace);
    Ok(())
}

/// Operands of a search on the host, checked.
struct Job<'a> {
    queries: &'a [f32],
    d: usize,
    rows: Rows<&'a [f32]>,
    filter: Filter<&'a [u32]>,
    k: usize,
    indices: &'a mut [u32],
    distances: &'a mut [f32],
}

impl<'a> Job<'a> {
    fn new(
        queries: impl Into<BufferView<'a>>,
        d: usize,
        rows: Rows<impl Into<BufferView<'a>>>,
        filter: Filter<BufferView<'a, u32>>,
        k: usize,
        indices: impl Into<BufferViewMut<'a, u32>>,
        distances: impl Into<BufferViewMut<'a>>,
    ) -> Result<Self> {
        let (queries, indices, distances) =
            (queries.into().host(OP)?, indices.into().host(OP)?, distances.into().host(OP)?);
        let rows = Rows { data: rows.data.into().host(OP)?, norms: rows.norms.into().host(OP)? };
        let m = queries.len() / d.max(1);
        let on_host = filter.host()?;
        check_k(k)?;
        check_len(OP, "queries", m * d, queries.len())?;
        check_len(OP, "rows", rows.norms.len() * d, rows.data.len())?;
        check_len(OP, "indices", m * k, indices.len())?;
        check_len(OP, "distances", m * k, distances.len())?;
        filter.check(m, rows.norms.len())?;
        on_host.check_places()?;
        Ok(Self { queries, d, rows, filter: on_host, k, indices, distances })
    }

    fn plain(self, workspace: &mut Workspace) {
        let Self { queries, d, rows, filter, k, indices, distances } = self;
        cpu::nearest(queries, d, rows, filter, k, &mut workspace.plain, indices, distances);
    }

    fn by_codes(self, coded: &codes::Coded, workspace: &mut Workspace) {
        let Self { queries, rows, filter, k, indices, distances, .. } = self;
        search::nearest(queries, rows, filter, coded, k, &mut workspace.by_codes, indices, distances);
    }
}

/// What a search keeps from call to call.
#[derive(Debug, Default)]
pub struct Workspace {
    plain: cpu::Workspace,
    by_codes: search::Workspace,
}

/// As [`nearest`], with the same result, several times as fast: `codes` are those of the rows.
///
/// # Errors
/// As [`nearest`], or when there are not as many codes as rows. What codes of other rows give is unspecified.
pub fn nearest_by_codes<'a>(
    queries: impl Into<BufferView<'a>>,
    codes: &Codes,
    rows: Rows<impl Into<BufferView<'a>>>,
    filter: Filter<BufferView<'a, u32>>,
    k: usize,
    workspace: &mut Workspace,
    indices: impl Into<BufferViewMut<'a, u32>>,
    distances: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let job = Job::new(queries, codes.width(), rows, filter, k, indices, distances)?;
    check_len(OP, "codes", job.rows.norms.len(), codes.len())?;
    match codes.coded() {
        // Of copies that are left out some may match where those before them may not.
        Some(coded) if job.filter.is_open() || !coded.without_copies => job.by_codes(coded, workspace),
        _ => job.plain(workspace),
    }
    Ok(())
}

/// As [`nearest`], on a device.
///
/// # Errors
/// As [`nearest`], or when operands live apart, or the device lacks the memory. Places are not looked at: a query from one that
/// rows have no bits for matches no row.
pub fn nearest_in<'a>(
    queries: impl Into<BufferView<'a>>,
    table: &'a Table,
    filter: Filter<BufferView<'a, u32>>,
    k: usize,
    search: &mut Search,
    indices: impl Into<BufferViewMut<'a, u32>>,
    distances: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    let (queries, indices, distances) = (queries.into(), indices.into(), distances.into());
    check_k(k)?;
    let m = cuda::check_width(table, queries.len())?;
    check_len(OP, "indices", m * k, indices.len())?;
    check_len(OP, "distances", m * k, distances.len())?;
    filter.check(m, table.len())?;
    match (queries, indices, distances) {
        (BufferView::Cuda(queries), BufferViewMut::Cuda(indices), BufferViewMut::Cuda(distances)) => {
            cuda::nearest(queries, table, filter, k, search, &indices, &distances)
        }
        _ => Err(apart(OP)),
    }
}

fn check_k(k: usize) -> Result<()> {
    if (1..=MAX_K).contains(&k) {
        return Ok(());
    }
    Err(Error::Shape { op: OP, expected: format!("k in 1..={MAX_K}"), found: k.to_string() })
}

/// Squared length of each row of width `d`.
///
/// # Errors
/// When a length does not fit, or an operand lives on a device.
pub fn squared_norms<'a>(
    data: impl Into<BufferView<'a>>,
    d: usize,
    norms: impl Into<BufferViewMut<'a>>,
) -> Result<()> {
    const OP: &str = "squared_norms";
    let (data, norms) = (data.into().host(OP)?, norms.into().host(OP)?);
    check_len(OP, "data", norms.len() * d, data.len())?;
    cpu::squared_norms(data, d, norms);
    Ok(())
}
