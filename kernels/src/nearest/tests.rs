use std::sync::OnceLock;

use proptest::prelude::*;

use super::basis::{About, Basis, MOST, Scratch};
use super::sieve::{Layout, MAX_QUERIES, Masks, Panels, unit};
use super::*;
use crate::device::{Buffer, Place, Queue};
use crate::simd::{Isa, isa};
use crate::testing::{device, noise, read};

/// The same filter, as operations take it.
fn of_host(filter: Filter<&[u32]>) -> Filter<BufferView<'_, u32>> {
    Filter {
        labels: filter.labels.map(|l| Labels { queries: l.queries.into(), rows: l.rows.into() }),
        places: filter.places.map(|p| Places {
            queries: p.queries.into(),
            rows: p.rows.into(),
            words: p.words,
        }),
    }
}

fn search(queries: &[f32], d: usize, rows: &[f32], filter: Filter<&[u32]>, k: usize) -> Vec<(u32, f32)> {
    let m = queries.len() / d;
    let mut norms = vec![0.0; rows.len() / d];
    squared_norms(rows, d, &mut norms).unwrap();
    let rows = Rows { data: rows, norms: &norms[..] };
    let (mut indices, mut distances) = (vec![0; m * k], vec![0.0; m * k]);
    let filter = of_host(filter);
    nearest(queries, d, rows, filter, k, &mut Workspace::default(), &mut indices, &mut distances).unwrap();
    indices.into_iter().zip(distances).collect()
}

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..80, t in 1_usize..90, d in 1_usize..40, k in 1..=MAX_K) {
        let (queries, rows) = (noise(m * d, 1), noise(t * d, 2));
        let expected = reference::nearest(&queries, d, &rows, Filter::default(), k);
        for (e, f) in expected.iter().zip(search(&queries, d, &rows, Filter::default(), k)) {
            prop_assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "expected {e:?}, found {f:?}");
            prop_assert!(e.1 == f.1 || (e.1 - f.1).abs() < 1e-4);
        }
    }

    #[test]
    fn no_row_matches_a_query_of_its_own_label(m in 1_usize..50, d in 1_usize..20, groups in 1_u32..6) {
        let tokens = noise(m * d, 3);
        let labels: Vec<u32> = (0..m as u32).map(|i| i % groups).collect();
        let labels = Labels { queries: &labels[..], rows: &labels[..] };
        let expected = reference::nearest(&tokens, d, &tokens, labels.into(), 1);
        for (i, (e, f)) in expected.iter().zip(search(&tokens, d, &tokens, labels.into(), 1)).enumerate() {
            prop_assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5);
            prop_assert!(f.0 == NONE || labels.rows[f.0 as usize] != labels.queries[i]);
        }
    }
}

/// Far from the origin the matrix form cancels: neighbours a hundredth apart at length 1000 drown in its rounding.
#[test]
fn close_neighbours_far_from_the_origin_are_told_apart() {
    let d = 64;
    let base: Vec<f32> = noise(d, 1).iter().map(|v| v + 125.0).collect();
    // More rows than candidates: what lies farther off is told apart by the matrix form, the rest by differences.
    let steps = [17.0, 3.0, 20.0, 1.0, 12.0, 2.0].into_iter().chain((30..60).map(|step| step as f32));
    let rows: Vec<f32> = steps.flat_map(|s| base.iter().map(move |v| v + s * 0.01)).collect();
    let found = search(&base, d, &rows, Filter::default(), 3);
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [3, 5, 1]);
}

#[test]
fn fewer_rows_than_asked_leave_empty_places() {
    let found = search(&[0.0, 0.0], 2, &[3.0, 4.0], Filter::default(), 3);
    assert_eq!(found, [(0, 25.0), (NONE, f32::INFINITY), (NONE, f32::INFINITY)]);
}

#[test]
fn equal_distances_are_ordered_by_index() {
    let found = search(&[0.0, 0.0], 2, &[1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0], Filter::default(), 4);
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

/// Queues of all levels up to that of the tests, each with the layouts of codes that are tested there.
fn queues() -> &'static [(Queue, Vec<Layout>)] {
    static QUEUES: OnceLock<Vec<(Queue, Vec<Layout>)>> = OnceLock::new();
    QUEUES.get_or_init(|| {
        let levels = Isa::available().into_iter().filter(|level| *level <= isa());
        levels.map(|level| (Queue::new(level, 2).unwrap(), Layout::of(level))).collect()
    })
}

/// Searches at every level, by codes in every layout and without, and compares all with the reference, to the bit. `frames` are
/// searched for one after the other in one workspace.
#[track_caller]
fn check(frames: &[&[f32]], d: usize, rows: &[f32], filter: Filter<&[u32]>, k: usize) {
    let t = rows.len() / d;
    for (queue, layouts) in queues() {
        queue.run(|| {
            let mut norms = vec![0.0; t];
            squared_norms(rows, d, &mut norms).unwrap();
            let rows = Rows { data: rows, norms: &norms[..] };
            let coded = layouts.iter().map(|layout| Some(Codes::laid_out(*layout, rows.data, d).unwrap()));
            for codes in coded.chain([None]) {
                let mut workspace = Workspace::default();
                for queries in frames {
                    let m = queries.len() / d;
                    let own = Filter {
                        labels: filter.labels.map(|l| Labels { queries: &l.queries[..m], ..l }),
                        places: filter.places.map(|p| Places { queries: &p.queries[..m], ..p }),
                    };
                    let expected = reference::measured(queries, d, rows.data, own, k);
                    let own = of_host(own);
                    let n = m * k;
                    let (mut indices, mut distances) = (vec![7; n], vec![7.0; n]);
                    let (i, s) = (&mut indices, &mut distances);
                    match &codes {
                        Some(codes) => nearest_by_codes(*queries, codes, rows, own, k, &mut workspace, i, s),
                        None => nearest(*queries, d, rows, own, k, &mut workspace, i, s),
                    }
                    .unwrap();
                    let found: Vec<(u32, f32)> = indices.into_iter().zip(distances).collect();
                    let layout = codes.as_ref().and_then(|codes| codes.coded().map(|coded| coded.layout));
                    assert_eq!(expected, found, "{:?}, {layout:?}, {t} rows of {d}, k {k}", queue.device());
                }
            }
        });
    }
}

/// Rows, and queries for them, that are hard to tell apart or to put in numbers.
#[derive(Debug, Clone, Copy)]
enum Rough {
    /// Without any structure.
    Noise,
    /// A few groups.
    Groups,
    /// Within a millionth of each other, far from the origin.
    Alike,
    /// Few rows, again and again.
    Copies,
    /// Lengths from a millionth to a million.
    Lengths,
    /// Lengths whose squares are no numbers of 32 bits, or nearly so.
    Huge(f32),
    /// One channel ten thousand times as large as the rest.
    Channel,
    /// Zeros, but for one row.
    Zeros,
    /// As far from the queries as each other.
    Equidistant,
    /// One row that lies far out.
    Outlier,
    /// Some rows hold what is no number.
    Broken,
}

impl Rough {
    fn any() -> impl Strategy<Value = Self> {
        use Rough::*;
        let huge = [1e-30, 1e-22, 1e-12, 1e10, 1e16, 1e19, 1e30, 3e38].map(Huge);
        let all = [Noise, Groups, Alike, Copies, Lengths, Channel, Zeros, Equidistant, Outlier, Broken];
        prop_oneof![3 => proptest::sample::select(all.to_vec()), 1 => proptest::sample::select(huge.to_vec())]
    }

    /// t rows and m queries of width d.
    fn make(self, m: usize, t: usize, d: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut rows = noise(t * d, seed);
        let each = |rows: &mut Vec<f32>, change: &dyn Fn(usize, usize, f32) -> f32| {
            for (i, v) in rows.iter_mut().enumerate() {
                *v = change(i / d, i % d, *v);
            }
        };
        let centres = noise(5 * d, seed + 1);
        match self {
            Self::Noise => {}
            Self::Groups => each(&mut rows, &|row, i, v| centres[row % 5 * d + i] + 0.05 * v),
            Self::Alike => each(&mut rows, &|_, i, v| 100.0 + centres[i] + 1e-4 * v),
            Self::Copies => each(&mut rows, &|row, i, _| centres[row * row % 5 * d + i]),
            Self::Lengths => each(&mut rows, &|row, _, v| v * 10.0_f32.powi((row % 13) as i32 - 6)),
            Self::Huge(size) => each(&mut rows, &|_, _, v| v * size),
            Self::Channel => each(&mut rows, &|_, i, v| if i == d / 2 { 1e4 * v } else { v }),
            Self::Zeros => each(&mut rows, &|row, _, v| if row == t / 2 { v } else { 0.0 }),
            Self::Equidistant => {
                each(&mut rows, &|row, i, _| if row % d == i { 1.0 - 2.0 * (row % 2) as f32 } else { 0.0 })
            }
            Self::Outlier => each(&mut rows, &|row, _, v| if row == t / 3 { 1e7 * v } else { v }),
            Self::Broken => each(&mut rows, &|row, i, v| match (row % 7, i) {
                (2, 0) => f32::NAN,
                (4, 0) => f32::INFINITY,
                _ => v,
            }),
        }
        // Some queries are rows, some lie beside rows, some are of another kind.
        let step = rows.iter().filter(|v| v.is_finite()).fold(0.0_f32, |most, v| most.max(v.abs())) * 1e-3;
        let more = noise(m * d, seed + 2);
        let row = |query: usize| &rows[query * 31 % t * d..][..d];
        let at = |query: usize, i: usize| match (self, query % 4) {
            (Self::Equidistant, 0) => 0.0,
            (_, 0) => row(query)[i],
            (_, 1 | 2) => row(query)[i] + step * more[query * d + i],
            _ => more[query * d + i],
        };
        let queries = (0..m * d).map(|i| at(i / d, i % d)).collect();
        (rows, queries)
    }
}

/// Words of a row for so many places, a place for each of m queries, and for each of t rows a third of all places.
fn drawn_places(m: usize, t: usize, places: usize, seed: u64) -> (usize, Vec<u32>, Vec<u32>) {
    let words = places.div_ceil(32).max(1);
    let number = |v: &f32| ((v + 1.0) * 1e6) as usize;
    let of_queries = noise(m, seed + 11).iter().map(|v| (number(v) % places.max(1)) as u32).collect();
    let drawn = noise(t * places, seed + 12);
    let mut of_rows = vec![0; t * words];
    for (i, v) in drawn.iter().enumerate().filter(|(_, v)| number(v).is_multiple_of(3)) {
        let (row, place) = (i / places, i % places);
        of_rows[row * words + place / 32] |= u32::from(v.is_finite()) << (place % 32);
    }
    (words, of_queries, of_rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_searches_give_what_measuring_everything_gives(
        kind in Rough::any(), m in 1_usize..45, t in 1_usize..330, d in 1_usize..150, k in 1..=MAX_K,
        groups in 0_u32..6, places in 0_usize..100, seed in 0_u64..1000,
    ) {
        let (rows, queries) = kind.make(m, t, d, seed);
        let (_, other) = kind.make(m, t, d, seed + 7);
        let label = |i: u32| if groups > 0 { i % groups } else { 0 };
        let row_labels: Vec<u32> = (0..t as u32).map(label).collect();
        let query_labels: Vec<u32> = (0..m as u32).map(|i| label(i / 2)).collect();
        let labels = (groups > 0).then_some(Labels { queries: &query_labels[..], rows: &row_labels[..] });
        let (words, of_queries, of_rows) = drawn_places(m, t, places, seed);
        // In two of three searches places do not count.
        let places = (places > 66).then_some(Places { queries: &of_queries[..], rows: &of_rows[..], words });
        check(&[&queries, &other, &queries], d, &rows, Filter { labels, places }, k);
    }

    #[test]
    fn codes_lie_no_farther_apart_than_is_promised(
        kind in Rough::any(), t in 2_usize..60, d in 1_usize..150, seed in 0_u64..1000,
    ) {
        let (rows, _) = kind.make(1, t, d, seed);
        let (_, queries) = kind.make(t, t, d, seed + 3);
        for (queue, _) in queues() {
            queue.run(|| {
                let Some(basis) = Basis::of(&rows, d) else { return };
                let encode = |rows: &[f32]| {
                    let mut all: Vec<(Vec<f32>, About)> = Vec::new();
                    basis.encode(rows, &mut Scratch::default(), |_, code, about| all.push((code.to_vec(), about)));
                    all
                };
                for (query, (a, of_a)) in queries.chunks_exact(d).zip(encode(&queries)) {
                    for (row, (b, of_b)) in rows.chunks_exact(d).zip(encode(&rows)) {
                        let square = crate::math::squared_distance(query, row);
                        let apart: f32 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
                        let reach = basis.reach(square, f64::from(of_a.radius) + f64::from(of_b.radius));
                        assert!(!square.is_finite() || f64::from(apart) <= reach, "{apart} > {reach}, {square}");
                        assert!(a.iter().chain(&b).all(|v| v.abs() <= 127.0 && v.fract() == 0.0));
                    }
                }
            });
        }
    }

    #[test]
    fn sieves_are_those_of_whole_numbers(fours in 1_usize..=16, panels in 1_usize..4, seed in 0_u64..1000) {
        let r = 4 * fours;
        let whole = |n: usize, seed: u64| noise(n, seed).iter().map(|v| (v * 127.9).trunc()).collect::<Vec<f32>>();
        for layout in queues().iter().flat_map(|(_, layouts)| layouts) {
            let n = panels * layout.rows();
            let (rows, queries) = (whole(n * r, seed), whole(MAX_QUERIES * r, seed + 1));
            let biases: Vec<i32> = whole(n, seed + 2).iter().map(|v| *v as i32 * unit(r) / 127).collect();
            let (mut data, mut lines) = (vec![0.0; panels * layout.panel(r)], vec![0.0; n]);
            for (i, (row, bias)) in rows.chunks_exact(r).zip(&biases).enumerate() {
                codes::put(*layout, &mut data, r, i, row);
                codes::set_bias(*layout, &mut lines, i, *bias);
            }
            let sum = |query: usize| queries[query * r..][..r].iter().sum::<f32>() as i32;
            let thresholds: [i32; MAX_QUERIES] = std::array::from_fn(|i| unit(r) / 8 * (i as i32 - 4));
            // Rows of bytes are shifted.
            let shift = |query: usize| if *layout == Layout::Bytes { 128 * sum(query) } else { 0 };
            let shifted = std::array::from_fn(|i| thresholds[i] + shift(i));
            let own = |query: usize| &queries[query * r..][..r];
            let coded: Vec<Vec<f32>> = (0..MAX_QUERIES).map(|i| match layout {
                Layout::Bytes => own(i).as_chunks::<4>().0.iter().map(|four| {
                    f32::from_bits(u32::from_le_bytes(four.map(|v| v as i8 as u8)))
                }).collect(),
                Layout::Pairs => own(i).as_chunks::<2>().0.iter().map(|two| {
                    let [low, high] = two.map(|v| u32::from(v as i16 as u16));
                    f32::from_bits(low | high << 16)
                }).collect(),
                Layout::Floats(_) => own(i).to_vec(),
            }).collect();
            let mut masks = vec![Masks::default(); panels];
            let all = Panels { layout: *layout, r, data: &data, biases: &lines };
            let any = all.sieve(MAX_QUERIES, std::array::from_fn(|i| &coded[i][..]), &shifted, &mut masks);
            let mut expected = vec![Masks::default(); panels];
            for i in 0..n {
                for query in 0..MAX_QUERIES {
                    let row = &rows[i * r..][..r];
                    let product = row.iter().zip(own(query)).map(|(a, b)| *a as i32 * *b as i32).sum::<i32>();
                    let bit = u32::from(product + biases[i] >= thresholds[query]) << (i % layout.rows());
                    expected[i / layout.rows()][query] |= bit;
                }
            }
            prop_assert_eq!(any, masks.iter().flatten().any(|mask| *mask != 0));
            prop_assert_eq!(masks, expected, "{:?}, codes of {}", layout, r);
        }
    }
}

/// Codes say nothing of noise in so many channels: all rows are left over, and the search is that in f32.
#[test]
fn rows_that_no_bound_tells_apart_are_all_measured() {
    let (m, t, d) = (400, 700, 120);
    let (rows, queries) = (noise(t * d, 1), noise(m * d, 2));
    check(&[&queries], d, &rows, Filter::default(), 3);
    // And in f32, too, where they differ by less than it can tell.
    let (m, t, d) = (30, 700, 70);
    let far = |n: usize, seed| noise(n, seed).iter().map(|v| 1000.0 + 1e-3 * v).collect::<Vec<f32>>();
    check(&[&far(m * d, 3)], d, &far(t * d, 4), Filter::default(), 4);
}

#[test]
fn queries_that_are_no_numbers_find_nothing() {
    let mut queries = noise(20 * 70, 1);
    (queries[5 * 70 + 3], queries[6 * 70], queries[7 * 70]) = (f32::NAN, f32::INFINITY, 1e30);
    check(&[&queries], 70, &noise(300 * 70, 2), Filter::default(), 2);
}

#[test]
fn codes_of_other_rows_along_the_same_directions_find_the_same() {
    let (d, k) = (90, 2);
    let bank = Rough::Groups.make(1, 200, d, 1).0;
    for (queue, layouts) in queues() {
        for layout in layouts {
            queue.run(|| {
                let bank = Codes::laid_out(*layout, &bank, d).unwrap();
                let (mut codes, mut workspace) = (bank.like(), Workspace::default());
                assert!(codes.is_like(&bank) && codes.is_empty() && codes.width() == d);
                for (kind, t) in
                    [(Rough::Groups, 150), (Rough::Lengths, 40), (Rough::Copies, 90), (Rough::Noise, 0)]
                {
                    let (rows, queries) = kind.make(33, t.max(1), d, 9);
                    let rows = &rows[..t * d];
                    codes.set(rows).unwrap();
                    let mut norms = vec![0.0; t];
                    squared_norms(rows, d, &mut norms).unwrap();
                    let (mut indices, mut distances) = (vec![0; 33 * k], vec![0.0; 33 * k]);
                    let all = Rows { data: rows, norms: &norms[..] };
                    let (i, s) = (&mut indices, &mut distances);
                    let filter = Filter::default();
                    nearest_by_codes(&queries, &codes, all, filter, k, &mut workspace, i, s).unwrap();
                    let found: Vec<(u32, f32)> = indices.into_iter().zip(distances).collect();
                    assert_eq!(
                        found,
                        reference::measured(&queries, d, rows, Filter::default(), k),
                        "{kind:?}, {layout:?}"
                    );
                }
            });
        }
    }
}

#[test]
fn codes_are_as_many_as_rows() {
    let codes = Codes::of(&noise(4 * 3, 1), 3).unwrap();
    let rows = Rows { data: &[0.0; 6][..], norms: &[0.0; 2][..] };
    let (mut workspace, mut i, mut s) = (Workspace::default(), [0], [0.0]);
    let all = Filter::default();
    let refused = nearest_by_codes(&[0.0; 3], &codes, rows, all, 1, &mut workspace, &mut i, &mut s);
    assert_eq!(refused.unwrap_err().to_string(), "nearest: expected codes of 2 elements, found 4");
    assert!(Codes::of(&[0.0; 4], 3).is_err() && MOST.is_multiple_of(4));
}

#[test]
fn places_that_rows_have_no_bits_for_are_refused() {
    let (rows, mut workspace) = (Rows { data: &[0.0; 2][..], norms: &[0.0; 2][..] }, Workspace::default());
    let mut with = |queries: &[u32], of_rows: &[u32]| {
        let places = Some(Places { queries: queries.into(), rows: of_rows.into(), words: 1 });
        let filter = Filter { places, ..Filter::default() };
        nearest(&[0.0], 1, rows, filter, 1, &mut workspace, &mut [0], &mut [0.0]).map_err(|e| e.to_string())
    };
    assert!(with(&[31], &[0, 1 << 31]).is_ok());
    assert_eq!(with(&[32], &[0, 0]).unwrap_err(), "nearest: expected places of queries below 32, found 32");
    assert!(with(&[0], &[0]).unwrap_err().contains("places of rows of 2 elements"));
    assert!(with(&[], &[0, 0]).unwrap_err().contains("places of queries of 1 elements"));
}

#[test]
fn too_many_neighbours_are_refused() {
    let rows = Rows { data: &[0.0], norms: &[0.0] };
    let (all, mut workspace) = (Filter::default(), Workspace::default());
    let refused = nearest(&[0.0], 1, rows, all, 5, &mut workspace, &mut [0; 5], &mut [0.0; 5]);
    assert_eq!(refused.unwrap_err().to_string(), "nearest: expected k in 1..=4, found 5");
}

/// As [`search`], on a device.
fn search_there(
    place: &Place,
    queries: &[f32],
    d: usize,
    rows: &[f32],
    filter: Filter<&[u32]>,
    k: usize,
) -> Vec<(u32, f32)> {
    let n = queries.len() / d * k;
    let table = Table::of(place, rows, d).unwrap();
    let (mut indices, mut distances) = (Buffer::new(place, n).unwrap(), Buffer::new(place, n).unwrap());
    let pair = |queries, rows| [queries, rows].map(|words| Buffer::of(place, words).unwrap());
    let labels = filter.labels.map(|l| pair(l.queries, l.rows));
    let places = filter.places.map(|p| (pair(p.queries, p.rows), p.words));
    let filter = Filter {
        labels: labels.as_ref().map(|[queries, rows]| Labels { queries: queries.view(), rows: rows.view() }),
        places: places.as_ref().map(|([queries, rows], words)| Places {
            queries: queries.view(),
            rows: rows.view(),
            words: *words,
        }),
    };
    let mut search = Search::new(place).unwrap();
    let queries = Buffer::of(place, queries).unwrap();
    nearest_in(&queries, &table, filter, k, &mut search, &mut indices, &mut distances).unwrap();
    read(&indices).into_iter().zip(read(&distances)).collect()
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, t, d, k) in [(1, 1, 1, 1), (70, 200, 33, 3), (65, 130, 64, 4), (3, 700, 40, 2), (5, 2, 8, 3)] {
        let (queries, rows) = (noise(m * d, 1), noise(t * d, 2));
        let expected = reference::nearest(&queries, d, &rows, Filter::default(), k);
        for (e, f) in expected.iter().zip(search_there(&place, &queries, d, &rows, Filter::default(), k)) {
            assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "{m} {t} {d}: expected {e:?}, found {f:?}");
            assert!(e.1 == f.1 || (e.1 - f.1).abs() < 1e-4);
        }
    }
}

#[test]
fn cuda_keeps_tokens_from_finding_their_like() {
    let Some(place) = device() else { return };
    let (m, d) = (75, 24);
    let tokens = noise(m * d, 3);
    for groups in [1, 2, m as u32] {
        let labels: Vec<u32> = (0..m as u32).map(|i| i % groups).collect();
        let labels = Labels { queries: &labels[..], rows: &labels[..] };
        let expected = reference::nearest(&tokens, d, &tokens, labels.into(), 1);
        for (i, (e, f)) in
            expected.iter().zip(search_there(&place, &tokens, d, &tokens, labels.into(), 1)).enumerate()
        {
            assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "{groups}: expected {e:?}, found {f:?}");
            assert!(f.0 == NONE || labels.rows[f.0 as usize] != labels.queries[i]);
        }
    }
}

#[test]
fn cuda_rows_match_from_their_places_alone() {
    let Some(place) = device() else { return };
    for (m, t, d, places) in [(70, 200, 24, 90), (3, 90, 8, 5), (5, 130, 16, 1)] {
        let (queries, rows) = (noise(m * d, 1), noise(t * d, 2));
        let (words, of_queries, of_rows) = drawn_places(m, t, places, 5);
        let filter = Filter {
            places: Some(Places { queries: &of_queries[..], rows: &of_rows[..], words }),
            ..Filter::default()
        };
        let expected = reference::nearest(&queries, d, &rows, filter, 3);
        for (i, (e, f)) in
            expected.iter().zip(search_there(&place, &queries, d, &rows, filter, 3)).enumerate()
        {
            assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "{m} {t} {d}: expected {e:?}, found {f:?}");
            assert!(f.0 == NONE || !filter.excludes(i / 3, f.0 as usize));
        }
        // From a place that rows have no bits for nothing is seen.
        let far = vec![32 * words as u32; m];
        let filter = Filter {
            places: Some(Places { queries: &far[..], rows: &of_rows[..], words }),
            ..Filter::default()
        };
        assert!(search_there(&place, &queries, d, &rows, filter, 1).iter().all(|found| found.0 == NONE));
    }
}

#[test]
fn cuda_tables_hold_the_rows_that_they_are_given() {
    let Some(place) = device() else { return };
    let (x, from) = (noise(9 * 5, 4), [3_u32, 8, 0, 3]);
    let mut table = Table::new(&place, 5).unwrap();
    assert!(table.is_empty());
    table.gather(&Buffer::of(&place, &x).unwrap(), &Buffer::of(&place, &from).unwrap()).unwrap();
    let expected: Vec<f32> = from.iter().flat_map(|row| &x[*row as usize * 5..][..5]).copied().collect();
    let mut found = Buffer::new(&place, 20).unwrap();
    // A matched residual against zero tokens is the row itself.
    let (zeros, places) = (Buffer::new(&place, 20).unwrap(), Buffer::of(&place, &[0_u32, 1, 2, 3]).unwrap());
    crate::matched_residual::matched_residual(&zeros, 5, table.data(), &places, 1, &mut found).unwrap();
    assert_eq!((table.len(), read(&found)), (4, expected));
}
