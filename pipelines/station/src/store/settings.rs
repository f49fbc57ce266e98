//! What a hub has lines use beside their banks: objects, whose files are named by their SHA-256.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::{Store, audit};

/// Objects that a line uses, each by the SHA-256 of its file; what the configuration says where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Settings {
    /// The decoder.
    pub(crate) decoder: Option<String>,
    /// Properties of the detector.
    pub(crate) recipe: Option<String>,
}

impl Settings {
    fn kinds(&self) -> [(&'static str, Option<&str>); 2] {
        [("decoder", self.decoder.as_deref()), ("recipe", self.recipe.as_deref())]
    }

    /// In words, for the audit list.
    fn shown(&self) -> String {
        let kinds =
            self.kinds().map(|(kind, object)| format!("{kind} {}", object.unwrap_or("as configured")));
        kinds.join(", ")
    }
}

impl Store {
    /// Where the file of an object is.
    pub(crate) fn object_file(&self, sha256: &str) -> PathBuf {
        self.folder().join("objects").join(sha256)
    }

    /// What a line uses.
    pub(crate) fn settings(&self, line: &str) -> Result<Settings> {
        self.read(|store| {
            let mut settings = Settings::default();
            let mut ask = store.prepare("SELECT kind, object FROM settings WHERE line = ?")?;
            let rows = ask.query_map([line], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            for row in rows {
                match row? {
                    (kind, object) if kind == "decoder" => settings.decoder = Some(object),
                    (kind, object) if kind == "recipe" => settings.recipe = Some(object),
                    _ => {}
                }
            }
            Ok(settings)
        })
    }

    /// Takes down what a line uses from its next start on, who wants that and why.
    pub(crate) fn set_settings(
        &self,
        line: &str,
        settings: &Settings,
        author: &str,
        reason: &str,
    ) -> Result<()> {
        self.change(|change| {
            change.execute("DELETE FROM settings WHERE line = ?", [line])?;
            for (kind, object) in settings.kinds() {
                let Some(object) = object else { continue };
                change.execute(
                    "INSERT INTO settings (line, kind, object) VALUES (?, ?, ?)",
                    (line, kind, object),
                )?;
            }
            audit::add(change, author, "settings", &format!("{line}: {}, {reason}", settings.shown()))
        })
    }

    /// Removes the files of objects that no line uses.
    pub(crate) fn forget_objects(&self) -> Result<()> {
        let used: Vec<String> = self.read(|store| {
            let mut ask = store.prepare("SELECT object FROM settings")?;
            let rows = ask.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        let entries = std::fs::read_dir(self.folder().join("objects"));
        for entry in entries.into_iter().flatten().filter_map(Result::ok) {
            if !used.iter().any(|used| entry.file_name() == used.as_str()) {
                // What cannot be removed now is removed the next time.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::new_store as store;
    use super::*;

    #[test]
    fn a_line_uses_what_was_set_last_and_other_objects_are_forgotten() {
        let (_dir, store) = store();
        assert_eq!(store.settings("cap").unwrap(), Settings::default());
        let both = Settings { decoder: Some("aa".into()), recipe: Some("bb".into()) };
        store.set_settings("cap", &both, "ann", "better").unwrap();
        assert_eq!(
            (store.settings("cap").unwrap(), store.settings("lid").unwrap()),
            (both, Settings::default())
        );
        let one = Settings { recipe: Some("cc".into()), ..Settings::default() };
        store.set_settings("cap", &one, "bob", "as before").unwrap();
        assert_eq!(store.settings("cap").unwrap(), one);
        let audit = store.audit(1).unwrap();
        assert_eq!(audit[0].detail, "cap: decoder as configured, recipe cc, as before");
        for name in ["aa", "cc"] {
            std::fs::write(store.object_file(name), name).unwrap();
        }
        store.forget_objects().unwrap();
        assert!(!store.object_file("aa").exists() && store.object_file("cc").exists());
    }
}
