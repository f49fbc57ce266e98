//! The hub of many stations: NATS servers with JetStream that this station dials.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Deserialize;

use super::{What, check_name};

/// How a hub is reached, and who may tell this station what to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hub {
    /// Addresses, `nats://HOST:PORT` or `tls://HOST:PORT`: one for each server.
    pub url: Vec<String>,
    /// Name at the hub: of the station, which no other has, or of the person who gives orders.
    pub name: String,
    /// User at the hub.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the password of that user, which is its first line.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// File with credentials, as `nsc` writes them, in place of user and password.
    #[serde(default)]
    pub credentials_file: Option<PathBuf>,
    /// File with the certificates of those who may vouch for the hub, PEM; the connection is by TLS then.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The results that are sent.
    #[serde(default = "finds_and_parts")]
    pub send: Vec<What>,
    /// Who may give orders and sign banks: names with their public keys, 64 hexadecimal digits each.
    #[serde(default)]
    pub trust: BTreeMap<String, String>,
}

fn finds_and_parts() -> Vec<What> {
    vec![What::Finds, What::Parts]
}

/// A file of which the hub alone is read.
#[derive(Deserialize)]
struct File {
    hub: Hub,
}

impl Hub {
    /// Name of the hub among the outputs, in the queue on disk and in figures.
    pub const OUTPUT: &'static str = "hub";

    /// Reads the table `[hub]` of a file. Paths in it are meant from its folder.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, has no such table, or one that makes no sense.
    pub fn read(path: &Path) -> Result<Self> {
        let File { mut hub } = super::parsed_file(path)?;
        hub.check()?;
        hub.beside(path.parent().unwrap_or(Path::new("")));
        Ok(hub)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.url.is_empty() {
            bail!("hub.url: expected at least one address, found none");
        }
        for url in &self.url {
            if !url.starts_with("nats://") && !url.starts_with("tls://") {
                bail!("hub.url: expected nats://HOST:PORT or tls://HOST:PORT, found {url:?}");
            }
        }
        let names = self.trust.keys().map(|name| ("hub.trust", name));
        for (key, name) in names.chain([("hub.name", &self.name)]) {
            check_name(key, name)?;
        }
        if self.user.is_some() != self.password_file.is_some() {
            let found = if self.user.is_some() { "user" } else { "password-file" };
            bail!("hub: expected user and password-file together, found {found} alone");
        }
        if self.user.is_some() && self.credentials_file.is_some() {
            bail!("hub: expected user and password-file, or credentials-file, found both");
        }
        Ok(())
    }

    /// Makes relative paths those of a folder.
    pub(super) fn beside(&mut self, folder: &Path) {
        let all = self.password_file.iter_mut().chain(&mut self.credentials_file).chain(&mut self.ca_file);
        all.for_each(|path| *path = folder.join(&*path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "[hub]\nurl = ['nats://hub:4222']\nname = 'north'\n";

    fn read(text: &str) -> Result<Hub> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("hub.toml");
        std::fs::write(&path, text)?;
        Hub::read(&path)
    }

    #[test]
    fn a_hub_is_sent_finds_and_parts_and_obeys_nobody_unless_told() {
        let hub = read(HUB).unwrap();
        assert_eq!((hub.send, hub.trust.len()), (vec![What::Finds, What::Parts], 0));
        let hub = read(&format!("{HUB}credentials-file = 'north.creds'\n")).unwrap();
        assert!(hub.credentials_file.unwrap().is_absolute());
    }

    #[test]
    fn errors_name_key_expected_and_found() {
        for (text, words) in [
            (HUB.replace("nats://hub:4222", "http://hub"), &["hub.url", "nats://HOST", "http://hub"][..]),
            (HUB.replace("'nats://hub:4222'", ""), &["hub.url", "at least one", "found none"]),
            (HUB.replace("north", "North 1"), &["hub.name", "small letters", "North 1"]),
            (format!("{HUB}user = 'a'\n"), &["password-file together", "user alone"]),
            (format!("{HUB}trust = {{ 'a b' = '' }}\n"), &["hub.trust", "a b"]),
            (format!("{HUB}urls = 1\n"), &["line 4", "urls", "expected one of"]),
            (format!("{HUB}send = ['all']\n"), &["line 4", "send", "all"]),
        ] {
            let found = format!("{:#}", read(&text).unwrap_err());
            assert!(words.iter().all(|word| found.contains(word)), "expected {words:?} in {found}");
        }
    }
}
