//! Tiles of the matrix of distances on tensor cores, the few best of which are measured again; see nearest.cu.

use super::{Filter, Labels, OP, Places};
use crate::device::cuda::{Arg, Kernel, Slice, SliceMut, check_floats, check_queue, kernel};
use crate::device::{Buffer, BufferView, BufferViewMut, Element, Place, apart};
use crate::error::{Error, Result, check_len};
use crate::linear::cuda::{WIDE_SHARED, WIDE_THREADS, WIDE_TILE};

const PREPARE: Kernel = kernel!("nearest.ptx", "nearest_prepare");
const SEARCH: Kernel = kernel!("nearest.ptx", "nearest_search");
const SETTLE: Kernel = kernel!("nearest.ptx", "nearest_settle");

/// Candidates of a list, and lists of a query for each part of the rows, as in the kernel.
const KEEP: usize = 8;
const SIDES: usize = 2;

/// Rows to search among, in the memory of a device: as they are, rounded to bf16, and the squared lengths of those.
#[derive(Debug)]
pub struct Table {
    width: usize,
    data: Buffer,
    halves: Buffer,
    norms: Buffer,
}

/// What a search on a device keeps from call to call.
#[derive(Debug)]
pub struct Search {
    halves: Buffer,
    /// Keys of 8 bytes, as two words each.
    candidates: Buffer<u32>,
}

impl Search {
    /// For a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn new(place: &Place) -> Result<Self> {
        Ok(Self { halves: Buffer::of_products(place, 0)?, candidates: Buffer::new(place, 0)? })
    }
}

impl Table {
    /// An empty one for rows of that width.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn new(place: &Place, width: usize) -> Result<Self> {
        let (data, norms) = (Buffer::new(place, 0)?, Buffer::new(place, 0)?);
        Ok(Self { width, data, halves: Buffer::of_products(place, 0)?, norms })
    }

    /// A copy of the host's rows.
    ///
    /// # Errors
    /// When there are no whole rows, or the device lacks the memory.
    pub fn of(place: &Place, rows: &[f32], width: usize) -> Result<Self> {
        let mut table = Self::new(place, width)?;
        let n = rows.len() / width.max(1);
        check_len(OP, "rows", n * width, rows.len())?;
        table.data = Buffer::of(place, rows)?;
        table.halves.resize(rows.len())?;
        table.norms.resize(n)?;
        let data = table.data.view().there(OP)?;
        prepare(
            data,
            None,
            None,
            device(table.halves.view_mut())?,
            Some(device(table.norms.view_mut())?),
            width,
        )?;
        Ok(table)
    }

    /// Replaces all rows by those of x (n, width) that `from` names. A place outside x gives a row of zeros.
    ///
    /// # Errors
    /// When the device lacks the memory, or operands live apart.
    pub fn gather<'a>(&mut self, x: impl Into<BufferView<'a>>, from: &Buffer<u32>) -> Result<()> {
        let (BufferView::Cuda(x), BufferView::Cuda(from)) = (x.into(), from.view()) else {
            return Err(apart(OP));
        };
        check_len(OP, "x", x.len() / self.width.max(1) * self.width, x.len())?;
        self.data.resize(from.len() * self.width)?;
        self.halves.resize(from.len() * self.width)?;
        self.norms.resize(from.len())?;
        let copies = device(self.data.view_mut())?;
        let norms = device(self.norms.view_mut())?;
        prepare(x, Some(from), Some(copies), device(self.halves.view_mut())?, Some(norms), self.width)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.norms.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows as they are, (n, width).
    pub fn data(&self) -> BufferView<'_> {
        self.data.view()
    }
}

fn device<T: Element>(view: BufferViewMut<'_, T>) -> Result<SliceMut<'_>> {
    match view {
        BufferViewMut::Cuda(slice) => Ok(slice),
        BufferViewMut::Host(_) => Err(apart(OP)),
    }
}

fn prepare(
    x: Slice<'_>,
    from: Option<Slice<'_>>,
    copies: Option<SliceMut<'_>>,
    halves: SliceMut<'_>,
    norms: Option<SliceMut<'_>>,
    d: usize,
) -> Result<()> {
    let n = halves.len() / d.max(1);
    check_floats(OP, &halves, &[&x])?;
    check_queue(OP, &halves, from.as_ref().as_slice())?;
    let (from, nothing) = (from.map_or(Arg::Address(0), |from| from.arg()), Arg::Address(0));
    let copies = copies.map_or(nothing, |copies| copies.arg());
    let norms = norms.map_or(nothing, |norms| norms.arg());
    let [n_rows, width, of] = [n, d, x.len() / d.max(1)].map(Arg::size);
    let arguments = [x.arg(), from, copies, halves.arg(), norms, n_rows, width, of];
    halves.queue().launch_each(&PREPARE, 32 * n, &arguments)
}

pub(super) fn nearest(
    queries: Slice<'_>,
    table: &Table,
    filter: Filter<BufferView<'_, u32>>,
    k: usize,
    search: &mut Search,
    indices: &SliceMut<'_>,
    distances: &SliceMut<'_>,
) -> Result<()> {
    let d = table.width;
    let (m, t) = (indices.len() / k, table.len());
    let (BufferView::Cuda(rows), BufferView::Cuda(halves)) = (table.data.view(), table.halves.view()) else {
        return Err(apart(OP));
    };
    let norms = table.norms.view().there(OP)?;
    check_floats(OP, distances, &[&queries, &rows, &norms, indices.as_slice()])?;
    check_queue(OP, distances, &[&halves])?;
    let pair = |pair: Option<[BufferView<'_, u32>; 2]>| match pair {
        None => Ok([Arg::Address(0); 2]),
        Some([BufferView::Cuda(queries), BufferView::Cuda(rows)]) => {
            check_queue(OP, distances, &[&queries, &rows])?;
            Ok([queries.arg(), rows.arg()])
        }
        Some(_) => Err(apart(OP)),
    };
    let Filter { labels, places } = filter;
    let [query_labels, row_labels] = pair(labels.map(|Labels { queries, rows }| [queries, rows]))?;
    let [query_places, row_places] = pair(places.map(|Places { queries, rows, .. }| [queries, rows]))?;
    let words = Arg::size(places.map_or(0, |places| places.words));
    if m == 0 {
        return Ok(());
    }
    let queue = distances.queue();
    // As many blocks as the device runs at once, about: four a processor. A part has at least two tiles of rows.
    let (tiles, row_tiles) = (m.div_ceil(WIDE_TILE), t.div_ceil(WIDE_TILE));
    let parts = (4 * queue.device().processors).div_ceil(tiles).clamp(1, row_tiles.div_ceil(2).max(1));
    search.halves.resize(queries.len())?;
    search.candidates.resize(m * parts * SIDES * KEEP * 2)?;
    prepare(queries, None, None, device(search.halves.view_mut())?, None, d)?;
    let (BufferView::Cuda(query_halves), BufferView::Cuda(candidates)) =
        (search.halves.view(), search.candidates.view())
    else {
        return Err(apart(OP));
    };
    let [m_size, t_size, d_size, k_size] = [m, t, d, k].map(Arg::size);
    let arguments = [
        query_halves.arg(),
        halves.arg(),
        norms.arg(),
        query_labels,
        row_labels,
        query_places,
        row_places,
        candidates.arg(),
        m_size,
        t_size,
        d_size,
        words,
    ];
    queue.launch(&SEARCH, [tiles, parts, 1], WIDE_THREADS, WIDE_SHARED, &arguments)?;
    let lists = Arg::size(parts * SIDES);
    let (indices, distances) = (indices.arg(), distances.arg());
    let arguments =
        [queries.arg(), rows.arg(), candidates.arg(), indices, distances, m_size, d_size, lists, k_size];
    queue.launch_each(&SETTLE, 32 * m, &arguments)
}

/// Checks what [`super::nearest_in`] was given.
pub(super) fn check_width(table: &Table, queries: usize) -> Result<usize> {
    if table.width > 0 && queries.is_multiple_of(table.width) {
        return Ok(queries / table.width);
    }
    let expected = format!("queries of {} elements", table.width);
    Err(Error::Shape { op: OP, expected, found: format!("{queries} elements") })
}
