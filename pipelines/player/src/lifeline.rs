//! The end of a player with whoever asked for it, however that ended: the pipe that is standard input has no other end then.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use anyhow::{Context, Result};
use signal_hook::low_level;

/// Exit code of a player whose command is gone; nobody reads it.
const ALONE: i32 = 1;

/// Ends the process at the end of standard input, where that is a pipe.
///
/// # Errors
/// When the system does not allow to wait for that.
pub(crate) fn hold() -> Result<()> {
    // Without a standard input there is nobody to watch.
    let Ok(input) = io::stdin().as_fd().try_clone_to_owned() else { return Ok(()) };
    let mut input = File::from(input);
    if !input.metadata().is_ok_and(|about| about.file_type().is_fifo()) {
        return Ok(());
    }
    let wait = move || {
        // Nothing is said there; an end by an error is an end.
        let _ = io::copy(&mut input, &mut io::sink());
        low_level::exit(ALONE);
    };
    std::thread::Builder::new().name("lifeline".into()).spawn(wait).context("cannot watch standard input")?;
    Ok(())
}
