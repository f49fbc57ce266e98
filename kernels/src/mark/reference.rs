//! The definition, row after row.

use super::{HIGH, KEEP};

/// Rows, and places.
pub(super) fn mark(parts: &[u32], orders: &[u32], each: usize) -> [Vec<u32>; 2] {
    let n = parts.len();
    let is_marked = |row: usize| parts[orders[row / n / each * n + row % n] as usize] == HIGH;
    let all = orders.len() * each;
    let rows: Vec<u32> = (0..all).filter(|row| is_marked(*row)).map(|row| row as u32).collect();
    let place = |row: u32| rows.iter().position(|other| *other == row).map_or(KEEP, |place| place as u32);
    let places = (0..all as u32).map(place).collect();
    [rows, places]
}
