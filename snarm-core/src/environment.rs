//! What a process is told by its environment. Hosts of this crate read the variables and hand them over when they start:
//! nothing else in this crate or below reads them.
//!
//! | variable | meaning |
//! |---|---|
//! | `SNARM_ENCODER` | encoder where a user names none |
//! | `SNARM_MODEL_PATH` | folders, separated by colons, where weights are looked for by file name |
//! | `SNARM_THREADS` | threads of the compute pool, 0 for one a core |
//! | `SNARM_ISA` | highest level of the CPU kernels: `portable`, `avx2` or `avx512` |
//! | `SNARM_DISABLE_CUDA` | 1 to leave CUDA's driver alone |
//! | `XDG_CACHE_HOME`, `HOME` | the folder of encoders that were fetched lies in the one, or in `.cache` of the other |
//!
//! Those of SNARM are read as `GST_SNARM_...`, too, where the variable without `GST_` is not set.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use snarm_kernels::simd::{self, Isa};
use snarm_kernels::{cuda, threads};

use crate::encoder::{cache_of, set_cache_folder};
use crate::error::{Error, Result};
use crate::files::kind;
use crate::printable::printable;
use crate::registry::{self, Places};

/// Takes the environment as `variable` tells it, usually [`std::env::var_os`]. Returns what is not quite as it was asked
/// for, for the user to read.
///
/// # Errors
/// When a variable has a value that it cannot have; those before it hold.
pub fn take(variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    let value = |name: &str| {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        set(name).or_else(|| set(&format!("GST_{name}")))
    };
    let text = |name: &'static str, expected: &str| match value(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(found)) => Err(wrong(name, expected, &found.to_string_lossy())),
    };
    let encoder = text("SNARM_ENCODER", "a name or a path in UTF-8")?;
    let folders = value("SNARM_MODEL_PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    remarks.extend(folders.iter().filter_map(|folder| no_folder(folder)));
    set_cache_folder(cache_of(variable("XDG_CACHE_HOME"), variable("HOME")));
    registry::set_places(Places { encoder, folders });

    let expected = format!("a number of threads up to {}, or 0 for one a core", threads::most());
    if let Some(text) = text("SNARM_THREADS", &expected)? {
        let number = text.trim().parse().ok().filter(|number| *number <= threads::most());
        threads::set_size(number.ok_or_else(|| wrong("SNARM_THREADS", &expected, &text))?)?;
    }
    if let Some(text) = text("SNARM_ISA", ISA)? {
        let isa = Isa::named(text.trim()).ok_or_else(|| wrong("SNARM_ISA", ISA, &text))?;
        if !simd::limit(isa) || simd::isa() != isa {
            remarks.push(format!(
                "SNARM_ISA: expected level {}, found {} in use",
                isa.name(),
                simd::isa().name()
            ));
        }
    }
    match text("SNARM_DISABLE_CUDA", "0 or 1")?.as_deref() {
        None | Some("0") => cuda::disable(false),
        Some("1") => cuda::disable(true),
        Some(other) => return Err(wrong("SNARM_DISABLE_CUDA", "0 or 1", other)),
    }
    Ok(remarks)
}

/// What SNARM_ISA may be.
const ISA: &str = "portable, avx2 or avx512";

/// What is wrong with a folder of SNARM_MODEL_PATH. The others hold: one may come and go with a disk.
fn no_folder(folder: &Path) -> Option<String> {
    let found = match std::fs::metadata(folder) {
        // An empty part is the folder that the process is in.
        _ if folder.as_os_str().is_empty() => return None,
        Ok(found) if found.is_dir() => return None,
        Ok(found) => kind(&found).to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => "nothing".to_owned(),
        Err(error) => error.to_string(),
    };
    let folder = folder.display().to_string();
    Some(format!("SNARM_MODEL_PATH: expected a folder, found {found}: {}", printable(&folder)))
}

fn wrong(name: &'static str, expected: &str, found: &str) -> Error {
    Error::Setting { name, expected: expected.to_owned(), found: format!("'{found}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &[(&str, &str)]) -> Result<Vec<String>> {
        take(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    // One test, since the process has one environment.
    #[test]
    fn values_that_make_no_sense_are_refused_and_older_names_give_way() {
        for (name, value, expected) in [
            ("SNARM_THREADS", "5000000", "SNARM_THREADS: expected a number of threads up to "),
            ("SNARM_THREADS", "all", "SNARM_THREADS: expected a number of threads up to "),
            ("SNARM_THREADS", "-1", "SNARM_THREADS: expected a number of threads up to "),
            ("GST_SNARM_THREADS", "1.5", "SNARM_THREADS: expected a number of threads up to "),
            ("SNARM_ISA", "foo", "SNARM_ISA: expected portable, avx2 or avx512, found 'foo'"),
            ("SNARM_DISABLE_CUDA", "yes", "SNARM_DISABLE_CUDA: expected 0 or 1, found 'yes'"),
        ] {
            let error = with(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(expected) && error.contains(value), "{error}");
        }
        assert!(with(&[("SNARM_THREADS", ""), ("SNARM_ISA", "")]).unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("only-here.safetensors"), "").unwrap();
        let here = folder.path().to_str().unwrap();
        assert!(with(&[("GST_SNARM_MODEL_PATH", here)]).unwrap().is_empty());
        assert!(registry::find_weights("only-here.safetensors").starts_with(here));
        with(&[("GST_SNARM_MODEL_PATH", here), ("SNARM_MODEL_PATH", "/nowhere")]).unwrap();
        assert_eq!(registry::find_weights("only-here.safetensors"), "only-here.safetensors");
        let several = format!("/no\u{1b}where:{here}:/dev/null:{here}/only-here.safetensors/x");
        let remarks = with(&[("SNARM_MODEL_PATH", &several)]).unwrap();
        let [nothing, device, below] = &remarks[..] else { panic!("{remarks:?}") };
        assert_eq!(nothing, "SNARM_MODEL_PATH: expected a folder, found nothing: /no\\u001bwhere");
        assert_eq!(device, "SNARM_MODEL_PATH: expected a folder, found a device: /dev/null");
        assert!(below.contains("Not a directory"), "{below}");
        assert!(registry::find_weights("only-here.safetensors").starts_with(here), "the others hold");
        with(&[]).unwrap();
    }
}
