use proptest::prelude::*;

use super::*;
use crate::device::{Buffer, Place};
use crate::testing::{device, noise, read};

fn search(
    queries: &[f32],
    d: usize,
    rows: &[f32],
    labels: Option<Labels<&[u32]>>,
    k: usize,
) -> Vec<(u32, f32)> {
    let m = queries.len() / d;
    let mut norms = vec![0.0; rows.len() / d];
    squared_norms(rows, d, &mut norms).unwrap();
    let rows = Rows { data: rows, norms: &norms[..] };
    let labels = labels.map(|l| Labels { queries: l.queries.into(), rows: l.rows.into() });
    let (mut indices, mut distances) = (vec![0; m * k], vec![0.0; m * k]);
    nearest(queries, d, rows, labels, k, &mut Workspace::default(), &mut indices, &mut distances).unwrap();
    indices.into_iter().zip(distances).collect()
}

proptest! {
    #[test]
    fn agrees_with_the_reference(m in 1_usize..80, t in 1_usize..90, d in 1_usize..40, k in 1..=MAX_K) {
        let (queries, rows) = (noise(m * d, 1), noise(t * d, 2));
        let expected = reference::nearest(&queries, d, &rows, None, k);
        for (e, f) in expected.iter().zip(search(&queries, d, &rows, None, k)) {
            prop_assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "expected {e:?}, found {f:?}");
            prop_assert!(e.1 == f.1 || (e.1 - f.1).abs() < 1e-4);
        }
    }

    #[test]
    fn no_row_matches_a_query_of_its_own_label(m in 1_usize..50, d in 1_usize..20, groups in 1_u32..6) {
        let tokens = noise(m * d, 3);
        let labels: Vec<u32> = (0..m as u32).map(|i| i % groups).collect();
        let labels = Labels { queries: &labels[..], rows: &labels[..] };
        let expected = reference::nearest(&tokens, d, &tokens, Some(labels), 1);
        for (i, (e, f)) in expected.iter().zip(search(&tokens, d, &tokens, Some(labels), 1)).enumerate() {
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
    let found = search(&base, d, &rows, None, 3);
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [3, 5, 1]);
}

#[test]
fn fewer_rows_than_asked_leave_empty_places() {
    let found = search(&[0.0, 0.0], 2, &[3.0, 4.0], None, 3);
    assert_eq!(found, [(0, 25.0), (NONE, f32::INFINITY), (NONE, f32::INFINITY)]);
}

#[test]
fn equal_distances_are_ordered_by_index() {
    let found = search(&[0.0, 0.0], 2, &[1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0], None, 4);
    assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn too_many_neighbours_are_refused() {
    let rows = Rows { data: &[0.0], norms: &[0.0] };
    let refused = nearest(&[0.0], 1, rows, None, 5, &mut Workspace::default(), &mut [0; 5], &mut [0.0; 5]);
    assert_eq!(refused.unwrap_err().to_string(), "nearest: expected k in 1..=4, found 5");
}

/// As [`search`], on a device.
fn search_there(
    place: &Place,
    queries: &[f32],
    d: usize,
    rows: &[f32],
    labels: Option<Labels<&[u32]>>,
    k: usize,
) -> Vec<(u32, f32)> {
    let n = queries.len() / d * k;
    let table = Table::of(place, rows, d).unwrap();
    let (mut indices, mut distances) = (Buffer::new(place, n).unwrap(), Buffer::new(place, n).unwrap());
    let labels = labels.map(|labels| [labels.queries, labels.rows].map(|l| Buffer::of(place, l).unwrap()));
    let labels = labels.as_ref().map(|[queries, rows]| Labels { queries: queries.view(), rows: rows.view() });
    let mut search = Search::new(place).unwrap();
    let queries = Buffer::of(place, queries).unwrap();
    nearest_in(&queries, &table, labels, k, &mut search, &mut indices, &mut distances).unwrap();
    read(&indices).into_iter().zip(read(&distances)).collect()
}

#[test]
fn cuda_agrees_with_the_reference() {
    let Some(place) = device() else { return };
    for (m, t, d, k) in [(1, 1, 1, 1), (70, 200, 33, 3), (65, 130, 64, 4), (3, 700, 40, 2)] {
        let (queries, rows) = (noise(m * d, 1), noise(t * d, 2));
        let expected = reference::nearest(&queries, d, &rows, None, k);
        for (e, f) in expected.iter().zip(search_there(&place, &queries, d, &rows, None, k)) {
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
        let expected = reference::nearest(&tokens, d, &tokens, Some(labels), 1);
        for (i, (e, f)) in
            expected.iter().zip(search_there(&place, &tokens, d, &tokens, Some(labels), 1)).enumerate()
        {
            assert!(e.0 == f.0 || (e.1 - f.1).abs() < 1e-5, "{groups}: expected {e:?}, found {f:?}");
            assert!(f.0 == NONE || labels.rows[f.0 as usize] != labels.queries[i]);
        }
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
