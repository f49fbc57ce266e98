//! Certificates: the server's own, and those of clients that may connect.
//!
//! The library looks for a client in `pki/trusted` by a name that it makes of the certificate, and puts whom it does not know
//! into `pki/rejected`. People keep certificates in a folder of their own under any name; what lies there is what is trusted.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, bail};
use opcua::crypto::{CertificateStore, PrivateKey, X509, X509Data};
use snarm_core::files::replace;

use crate::regular;

/// Bits of the key that is made.
const BITS: u32 = 2048;

/// How long a certificate holds that is made, in days. Clients trust it by hand, so that another one is work for people.
const DAYS: u32 = 20 * 365;

/// Certificates of unknown clients that are kept, the newest.
const REJECTED: usize = 20;

/// Largest file that is read as a certificate, in bytes.
const LARGEST: usize = 64 << 10;

/// Files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// The folder of the library.
    pub(super) pki: PathBuf,
    /// The server's certificate, DER or PEM.
    pub(super) certificate: PathBuf,
    /// Its private key, PEM.
    pub(super) key: PathBuf,
    /// Certificates of clients that may connect.
    pub(super) trusted: PathBuf,
}

impl Files {
    /// Makes what is missing: folders, and a certificate for a name by which clients reach this machine, unless one is given.
    ///
    /// # Errors
    /// When a folder cannot be made, or the certificate and its key do not fit.
    pub(super) fn prepare(&self, is_given: bool, uri: &str, host: &str) -> Result<()> {
        for folder in [&self.trusted, &self.pki.join("trusted"), &self.pki.join("rejected")] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let is_there = self.certificate.exists() && self.key.exists();
        if !is_given && !is_there {
            self.make(uri, host)?;
        }
        self.check()
    }

    fn make(&self, uri: &str, host: &str) -> Result<()> {
        let data = X509Data {
            key_size: BITS,
            common_name: "SNARM station".to_owned(),
            organization: "SNARM".to_owned(),
            organizational_unit: String::new(),
            country: String::new(),
            state: String::new(),
            alt_host_names: X509Data::alt_host_names(uri, Some(vec![host.to_owned()]), false, false, false),
            certificate_duration_days: DAYS,
        };
        tracing::info!("a certificate for {host} is made: {}", self.certificate.display());
        let (certificate, key) =
            X509::cert_and_pkey(&data).map_err(|error| anyhow!("cannot make a certificate: {error}"))?;
        let pem = key.to_der().ok().and_then(|key| key.to_pem("PRIVATE KEY", Default::default()).ok());
        let pem = pem.context("cannot write a private key")?;
        // What is put in place of a file has its mode.
        let said = || format!("cannot write {}", self.key.display());
        folder_of(&self.key)?;
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.key).with_context(said)?;
        write(&self.key, pem.as_bytes())?;
        let der = certificate.to_der().map_err(|_| anyhow!("cannot write a certificate"))?;
        write(&self.certificate, &der)
    }

    /// Whether certificate and key belong together.
    fn check(&self) -> Result<()> {
        let certificate = certificate(&self.certificate).context("certificate")?;
        let (file, name) = (&self.key, self.key.display());
        let pem = regular::read(file).with_context(|| format!("key: cannot read {name}"))?;
        let key = PrivateKey::from_pem(&pem).map_err(|_| {
            anyhow!("key: expected an RSA PRIVATE KEY without a password in PEM, found none in {name}")
        })?;
        let public = certificate.public_key().map_err(|error| anyhow!("certificate: {error}"))?;
        let mut signature = vec![0; opcua::crypto::KeySize::size(&key)];
        let signed = key.sign_sha256(b"both", &mut signature);
        if signed.is_err() || !public.verify_sha256(b"both", &signature).unwrap_or_default() {
            let certificate = self.certificate.display();
            bail!("expected a certificate and its own key, found {certificate} and {name}, which do not fit");
        }
        Ok(())
    }

    /// Makes the folder of the library trust whom the other folder does, and nobody else. Returns files there that are no
    /// certificates.
    pub(super) fn trust(&self) -> Result<Vec<PathBuf>> {
        let (mut wanted, mut others) = (Vec::new(), Vec::new());
        for file in files(&self.trusted)? {
            match certificate(&file) {
                Ok(found) => wanted.push((CertificateStore::cert_file_name(&found), found)),
                Err(_) => others.push(file),
            }
        }
        let (trusted, rejected) = (self.pki.join("trusted"), self.pki.join("rejected"));
        for file in files(&trusted)? {
            if !wanted.iter().any(|(name, _)| file.ends_with(name)) {
                fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        for (name, found) in wanted {
            let file = trusted.join(&name);
            let der = found.to_der().map_err(|_| anyhow!("cannot write a certificate"))?;
            if fs::read(&file).ok().as_deref() != Some(&der) {
                write(&file, &der)?;
            }
            // One that was never refused needs no removal.
            let _ = fs::remove_file(rejected.join(&name));
        }
        let mut refused = files(&rejected)?;
        refused.sort_by_key(|file| {
            fs::metadata(file).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        });
        for file in refused.iter().rev().skip(REJECTED) {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(others)
    }
}

/// A certificate in DER or PEM.
fn certificate(file: &Path) -> Result<X509> {
    let name = file.display();
    let mut bytes = regular::read(file).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() > LARGEST {
        bytes.clear();
    }
    let found = X509::from_der(&bytes).or_else(|_| X509::from_pem(&bytes));
    found.map_err(|_| anyhow!("expected a CERTIFICATE in DER or PEM, found none in {name}"))
}

/// The files of a folder, sorted by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        all.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    Ok(files)
}

/// Makes the folder of a file.
fn folder_of(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn write(file: &Path, bytes: &[u8]) -> Result<()> {
    folder_of(file)?;
    replace(file, bytes).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files_of(dir: &Path) -> Files {
        Files {
            pki: dir.join("pki"),
            certificate: dir.join("pki/own/cert.der"),
            key: dir.join("pki/private/private.pem"),
            trusted: dir.join("trusted"),
        }
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_server_has_a_certificate_of_its_own_and_its_key_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let own = files_of(dir.path());
        own.prepare(false, "urn:box:snarm:ua", "box.plant").unwrap();
        let made = certificate(&own.certificate).unwrap();
        assert!(made.is_hostname_valid("box.plant").is_ok() && made.is_hostname_valid("other").is_err());
        assert!(made.is_application_uri_valid("urn:box:snarm:ua").is_ok());
        assert_eq!(fs::metadata(&own.key).unwrap().permissions().mode() & 0o777, 0o600);
        // It stays the same.
        let before = fs::read(&own.certificate).unwrap();
        own.prepare(false, "urn:box:snarm:ua", "box.plant").unwrap();
        assert_eq!(fs::read(&own.certificate).unwrap(), before);

        // Who is in the folder is trusted, under any name, in any form, and no more when it is gone.
        fs::write(own.trusted.join("line 3.crt"), &before).unwrap();
        fs::write(own.trusted.join("notes.txt"), "ask Ann").unwrap();
        let rejected = own.pki.join("rejected").join(CertificateStore::cert_file_name(&made));
        fs::write(&rejected, &before).unwrap();
        assert_eq!(own.trust().unwrap(), [own.trusted.join("notes.txt")]);
        let trusted = own.pki.join("trusted").join(CertificateStore::cert_file_name(&made));
        assert!(fs::read(&trusted).unwrap() == before && !rejected.exists());
        fs::remove_file(own.trusted.join("line 3.crt")).unwrap();
        own.trust().unwrap();
        assert!(!trusted.exists());

        // Whoever knocks does not fill the disk.
        for n in 0..REJECTED + 9 {
            fs::write(own.pki.join(format!("rejected/{n}.der")), &before).unwrap();
        }
        own.trust().unwrap();
        assert_eq!(names(&own.pki.join("rejected")), REJECTED);

        // A key of another certificate is told.
        let other = Files { certificate: dir.path().join("other.der"), ..own.clone() };
        let another = X509::from_pkey(&PrivateKey::new(1024).unwrap(), &X509Data::sample_cert()).unwrap();
        fs::write(&other.certificate, another.to_der().unwrap()).unwrap();
        let text = format!("{:#}", other.prepare(true, "", "").unwrap_err());
        assert!(text.contains("a certificate and its own key") && text.contains("other.der"), "{text}");
        let none = Files { key: dir.path().join("trusted/notes.txt"), ..own.clone() };
        let text = format!("{:#}", none.prepare(true, "", "").unwrap_err());
        assert!(text.contains("key: expected an RSA PRIVATE KEY") && text.contains("notes.txt"), "{text}");
    }
}
