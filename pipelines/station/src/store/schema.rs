//! Tables, and how older ones become those of today.

use anyhow::{Context, Result, bail};
use rusqlite::Connection;

/// One step for each version, which brings the tables of the version before it to its own. Steps that were released are
/// never changed.
const STEPS: [&str; 7] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
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
