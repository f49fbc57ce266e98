//! Tables, and how older ones become those of today.

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

/// One step for each version, which brings the tables of the version before it to its own. Steps that were released are
/// never changed.
const STEPS: [&str; 10] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
    include_str!("schema-8.sql"),
    include_str!("schema-9.sql"),
    include_str!("schema-10.sql"),
];

/// Brings the tables to the version of this program.
///
/// # Errors
/// When they are of a later one.
pub(super) fn bring_up(store: &mut Connection) -> Result<()> {
    let found: u32 = store.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let found = found as usize;
    if found > STEPS.len() {
        bail!(
            "expected a store of version {} or older, found version {found}: a newer snarm wrote it",
            STEPS.len()
        );
    }
    for (at, step) in STEPS.iter().enumerate().skip(found) {
        let change = store.transaction()?;
        change
            .execute_batch(step)
            .with_context(|| format!("cannot bring the store to version {}", at + 1))?;
        change.pragma_update(None, "user_version", u32::try_from(at + 1)?)?;
        change.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_every_version_before_becomes_one_of_today_and_keeps_what_it_has() {
        for version in 2..STEPS.len() {
            let mut store = Connection::open_in_memory().unwrap();
            for step in &STEPS[..version] {
                store.execute_batch(step).unwrap();
            }
            store.pragma_update(None, "user_version", u32::try_from(version).unwrap()).unwrap();
            let old = "INSERT INTO frames (line, at, frame, score, threshold, low, verdict, bank)
                           VALUES ('cap', 5, 7, 0.1, 0.5, -1, 'normal', 'b');
                       INSERT INTO finds (line, at, frame, first, last, score, verdict, record)
                           VALUES ('cap', 5, 7, 7, 7, 0.1, 'uncertain', '{}');
                       INSERT INTO parts (line, number, begun, frames, score, verdict) VALUES ('cap', 1, 5, 1, 0.1, 'normal')";
            store.execute_batch(old).unwrap();
            bring_up(&mut store).unwrap();
            for table in ["frames", "finds", "parts"] {
                let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
                let kept = store.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], count).unwrap();
                assert_eq!(kept, 1, "{table} of version {version}");
            }
        }
    }
}
