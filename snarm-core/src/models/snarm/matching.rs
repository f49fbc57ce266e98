//! Hybrid matching: each token against the bank (inter) and against the trusted tokens of its own frame (intra).

use snarm_kernels::device::{Buffer, BufferView, Place};
use snarm_kernels::gather::gather;
use snarm_kernels::hybrid_score::mean_distances;
use snarm_kernels::magnify::magnify;
use snarm_kernels::matched_residual::matched_residual;
use snarm_kernels::nearest::{
    Codes, Filter, Labels, Rows, Search, Table, Workspace, nearest, nearest_by_codes, nearest_in,
    squared_norms,
};
use snarm_kernels::residual::residual;

use crate::error::Result;

/// Bank rows whose mean is the reference of a token.
const TOP_K: usize = 3;

/// Tokens and the rows they match: residual = mean of the nearest rows - token, and its transform G.
#[derive(Default)]
pub struct Matching {
    labels: Vec<u32>,
    rows: Vec<f32>,
    norms: Vec<f32>,
    /// Codes of the trusted tokens, along the directions of a bank's.
    codes: Option<Codes>,
    matches: Matches,
    /// What matching among trusted tokens needs on a device.
    there: Option<There>,
}

/// Trusted tokens in the memory of a device.
struct There {
    table: Table,
    /// The number of each token.
    numbers: Buffer<u32>,
}

/// What was found for each token, where its descriptors live.
#[derive(Default)]
struct Matches {
    width: usize,
    workspace: Workspace,
    search: Option<Search>,
    indices: Buffer<u32>,
    distances: Buffer,
    residual: Buffer,
    transformed: Buffer,
}

/// Rows to search among, their codes, and which of them may match which queries.
enum Among<'a> {
    Host(Rows<&'a [f32]>, Option<&'a Codes>, Filter<BufferView<'a, u32>>),
    Device(&'a Table, Filter<BufferView<'a, u32>>),
}

impl Matches {
    /// For descriptors of that width at a place.
    fn at(place: &Place, width: usize) -> Result<Self> {
        let search = match place {
            Place::Host => None,
            Place::Cuda(_) => Some(Search::new(place)?),
        };
        let floats = || Buffer::new(place, 0);
        let (distances, residual, transformed) = (floats()?, floats()?, floats()?);
        let indices = Buffer::new(place, 0)?;
        Ok(Self { width, search, indices, distances, residual, transformed, ..Self::default() })
    }

    fn find(&mut self, descriptors: BufferView<'_>, among: &Among<'_>, k: usize) -> Result<()> {
        let d = self.width;
        let n = descriptors.len() / d;
        self.indices.resize(n * k)?;
        self.distances.resize(n * k)?;
        let (indices, distances) = (self.indices.view_mut(), self.distances.view_mut());
        let rows = match (among, &mut self.search) {
            (Among::Device(table, filter), Some(search)) => {
                nearest_in(descriptors, table, *filter, k, search, indices, distances)?;
                table.data()
            }
            (Among::Host(rows, Some(codes), filter), _) => {
                let workspace = &mut self.workspace;
                nearest_by_codes(descriptors, codes, *rows, *filter, k, workspace, indices, distances)?;
                BufferView::Host(rows.data)
            }
            (Among::Host(rows, None, filter), _) => {
                nearest(descriptors, d, *rows, *filter, k, &mut self.workspace, indices, distances)?;
                BufferView::Host(rows.data)
            }
            (Among::Device(table, _), None) => BufferView::Host(table.data().host(WHAT)?),
        };
        self.residual.resize(n * d)?;
        matched_residual(descriptors, d, rows, &self.indices, k, &mut self.residual)?;
        self.transformed.resize(n * d)?;
        residual(&self.residual, d, &mut self.transformed)?;
        Ok(())
    }
}

/// What messages call it.
const WHAT: &str = "matching";

impl Matching {
    /// For descriptors of that width, on the host.
    pub fn new(width: usize) -> Self {
        Self { matches: Matches { width, ..Matches::default() }, ..Self::default() }
    }

    /// For descriptors of that width at a place.
    ///
    /// # Errors
    /// When the device lacks the memory.
    pub fn at(place: &Place, width: usize) -> Result<Self> {
        let there = || -> Result<There> {
            Ok(There { table: Table::new(place, width)?, numbers: Buffer::new(place, 0)? })
        };
        let there = if *place == Place::Host { None } else { Some(there()?) };
        Ok(Self { matches: Matches::at(place, width)?, there, ..Self::default() })
    }

    /// Inter-residuals: matches the descriptors of one frame against the three nearest rows of a bank, by their codes where
    /// there are some, which changes nothing but the time. The filter says which rows may match which tokens.
    ///
    /// # Errors
    /// When the width of the bank is another.
    pub fn with_bank(
        &mut self,
        descriptors: &[f32],
        bank: Rows<&[f32]>,
        codes: Option<&Codes>,
        filter: Filter<BufferView<'_, u32>>,
    ) -> Result<()> {
        self.matches.find(descriptors.into(), &Among::Host(bank, codes, filter), TOP_K)
    }

    /// Inter-residuals of descriptors in the memory of a device, against a bank that is there, too.
    ///
    /// # Errors
    /// When they live apart, the width of the bank is another, or the device fails.
    pub fn with_table(
        &mut self,
        descriptors: BufferView<'_>,
        bank: &Table,
        filter: Filter<BufferView<'_, u32>>,
    ) -> Result<()> {
        self.matches.find(descriptors, &Among::Device(bank, filter), TOP_K)
    }

    /// Lets [`Self::with_trusted`] search by codes along the directions of those of a bank, which changes nothing but the time.
    pub fn search_like(&mut self, bank: &Codes) {
        if !self.codes.as_ref().is_some_and(|codes| codes.is_like(bank)) {
            self.codes = Some(bank.like());
        }
    }

    /// Intra-residuals: matches the descriptors of one frame against the nearest of its trusted tokens, never itself.
    ///
    /// # Errors
    /// When a trusted token is none of the frame's, or the descriptors live on a device.
    pub fn with_trusted<'a>(
        &mut self,
        descriptors: impl Into<BufferView<'a>>,
        trusted: &[u32],
    ) -> Result<()> {
        let (descriptors, d) = (descriptors.into(), self.matches.width);
        let tokens = descriptors.host(WHAT)?;
        self.rows.resize(trusted.len() * d, 0.0);
        gather(tokens, d, trusted, &mut self.rows)?;
        self.norms.resize(trusted.len(), 0.0);
        squared_norms(&self.rows, d, &mut self.norms)?;
        self.labels.clear();
        self.labels.extend(0..(tokens.len() / d) as u32);
        let rows = Rows { data: &self.rows[..], norms: &self.norms };
        let labels = Labels { queries: (&self.labels).into(), rows: trusted.into() };
        if let Some(codes) = &mut self.codes {
            codes.set(&self.rows)?;
        }
        self.matches.find(descriptors, &Among::Host(rows, self.codes.as_ref(), labels.into()), 1)?;
        for index in self.matches.indices.view_mut().host(WHAT)? {
            // A token that matched nothing keeps that mark.
            *index = trusted.get(*index as usize).copied().unwrap_or(*index);
        }
        Ok(())
    }

    /// As [`Self::with_trusted`] in the memory of a device, which alone knows the trusted tokens.
    ///
    /// # Errors
    /// When operands live apart, or the device fails.
    pub fn with_trusted_there(&mut self, descriptors: BufferView<'_>, trusted: &Buffer<u32>) -> Result<()> {
        let Some(There { table, numbers }) = &mut self.there else {
            return self.with_trusted(descriptors, trusted.view().host(WHAT)?);
        };
        let n = descriptors.len() / self.matches.width.max(1);
        if numbers.len() != n {
            *numbers = Buffer::of(&numbers.place(), &(0..n as u32).collect::<Vec<u32>>())?;
        }
        table.gather(descriptors, trusted)?;
        let labels = Labels { queries: numbers.view(), rows: trusted.view() };
        self.matches.find(descriptors, &Among::Device(table, labels.into()), 1)
    }

    /// What each token matched, nearest first: (n, 3) rows of the bank, or (n) trusted tokens; none where a device found them.
    pub fn indices(&self) -> &[u32] {
        self.matches.indices.view().host(WHAT).unwrap_or_default()
    }

    /// The squared distances to them; none where a device found them.
    pub fn distances(&self) -> &[f32] {
        self.matches.distances.view().host(WHAT).unwrap_or_default()
    }

    /// Signed residuals, (n, width); none where a device found them.
    pub fn residual(&self) -> &[f32] {
        self.matches.residual.view().host(WHAT).unwrap_or_default()
    }

    /// Transformed residuals G(r), (n, width); none where a device found them.
    pub fn transformed(&self) -> &[f32] {
        self.matches.transformed.view().host(WHAT).unwrap_or_default()
    }

    /// The squared distances where they were found.
    pub(super) fn distances_there(&self) -> BufferView<'_> {
        self.matches.distances.view()
    }

    /// Transformed residuals where they were found.
    pub(super) fn transformed_there(&self) -> BufferView<'_> {
        self.matches.transformed.view()
    }

    /// Brings the transformed residuals to the size that they would have of descriptors `gain` times as long.
    pub(super) fn magnify(&mut self, gain: f32) -> Result<()> {
        Ok(magnify(&mut self.matches.transformed, self.matches.width, gain)?)
    }

    /// Mean distance of each token to the rows of the bank that it matched.
    pub(crate) fn mean_distances(&self, distances: &mut Vec<f32>) -> Result<()> {
        distances.resize(self.distances().len() / TOP_K, 0.0);
        Ok(mean_distances(self.distances(), TOP_K, distances)?)
    }

    /// As [`Self::mean_distances`], where they were found.
    pub(super) fn mean_distances_there(&self, distances: &mut Buffer) -> Result<()> {
        distances.resize(self.matches.distances.len() / TOP_K)?;
        Ok(mean_distances(&self.matches.distances, TOP_K, distances)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::seeded::values;

    #[test]
    fn magnified_residuals_are_those_of_longer_descriptors() {
        let (width, gain) = (8, 2.5);
        let (bank, frame) = (values("bank", 20 * width, 0.0, 1.0), values("frame", 6 * width, 0.0, 1.0));
        let run = |bank: &[f32], frame: &[f32], gain: f32| {
            let mut norms = vec![0.0; 20];
            squared_norms(bank, width, &mut norms).unwrap();
            let mut inter = Matching::new(width);
            inter.with_bank(frame, Rows { data: bank, norms: &norms }, None, Filter::default()).unwrap();
            inter.magnify(gain).unwrap();
            inter.transformed().to_vec()
        };
        let longer = |all: &[f32]| all.iter().map(|v| v * gain).collect::<Vec<_>>();
        let (magnified, long) = (run(&bank, &frame, gain), run(&longer(&bank), &longer(&frame), 1.0));
        assert!(magnified.iter().zip(&long).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs().max(1.0)));
        assert!(magnified != run(&bank, &frame, 1.0));
    }
}
