//! Recordings of a line: clips that banks are compared on. Others know them by their names alone.

use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::Line;

/// A clip of a line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recording {
    /// Name on pages and in the API: small letters, digits, `-`.
    pub name: String,
    /// The clip, or a folder of images.
    pub file: PathBuf,
}

impl Line {
    /// Checks names of recordings.
    ///
    /// # Errors
    /// When one is none, or two are the same.
    pub(super) fn check_recordings(&self) -> Result<()> {
        let mut names = Vec::new();
        for Recording { name, .. } in &self.recordings {
            super::check_name("recording.name", name)?;
            if names.contains(&name) {
                bail!("recording.name: expected names that differ, found {name:?} twice");
            }
            names.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const LINE: &str = "data = 'd'\n[[line]]\nname = 'cap'\npipeline = 'inspect'\nbank = 'cap.bank'\n";

    #[test]
    fn recordings_have_names_of_their_own_and_files_beside_the_configuration() {
        let shift = "[[line.recording]]\nname = 'night'\nfile = 'night.mkv'\n";
        let other = "[[line.recording]]\nname = 'day'\nfile = '/clips/day.mkv'\n";
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("station.toml");
        std::fs::write(&path, format!("{LINE}{shift}{other}")).unwrap();
        let line = Config::read(&path).unwrap().lines.remove(0);
        let files: Vec<_> = line.recordings.iter().map(|recording| recording.file.clone()).collect();
        assert_eq!(files, [dir.path().join("night.mkv"), "/clips/day.mkv".into()]);
        // Each recipe has those of its line.
        assert_eq!(line.products()[0].line.recordings.len(), 2);
        for (text, words) in [
            (format!("{LINE}{shift}{shift}"), &["\"cap\"", "recording.name", "\"night\" twice"][..]),
            (format!("{LINE}{}", shift.replace("'night'", "'../x'")), &["small letters", "\"../x\""]),
            (format!("{LINE}{}", shift.replace("file", "path")), &["path", "expected"]),
        ] {
            let found = format!("{:#}", Config::parse(&text).unwrap_err());
            assert!(words.iter().all(|word| found.contains(word)), "expected {words:?} in {found}");
        }
    }
}
