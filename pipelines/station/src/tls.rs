//! TLS from files in PEM: what the pages are served with, and whom an output trusts.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Serves with the certificate of a file, behind which those that vouch for it may follow, and its private key.
///
/// # Errors
/// When a file cannot be read, holds something else, or the two do not belong together.
pub(crate) fn server(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let chain = certificates("tls-certificate", certificate)?;
    let private = private_key("tls-key", key)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("cannot use TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| do_not_fit(certificate, key))?;
    Ok(config)
}

fn do_not_fit(certificate: &Path, key: &Path) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    format!("expected a certificate and its own key, found {certificate} and {key}, which do not fit")
}

/// Trusts whom the certificates of a file vouch for, and nobody else. With `known_by`, the files of a certificate and
/// of its private key, who is spoken to knows us by these.
///
/// # Errors
/// When a file cannot be read, holds something else, or the last two do not belong together.
pub(crate) fn client(authorities: &Path, known_by: Option<(&Path, &Path)>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca-file", authorities)? {
        roots.add(certificate).with_context(|| {
            format!(
                "ca-file: expected certificates that vouch for others, found another in {}",
                authorities.display()
            )
        })?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("cannot use TLS")?
        .with_root_certificates(roots);
    let Some((certificate, key)) = known_by else { return Ok(config.with_no_client_auth()) };
    let chain = certificates("certificate", certificate)?;
    config
        .with_client_auth_cert(chain, private_key("key", key)?)
        .with_context(|| do_not_fit(certificate, key))
}

fn private_key(name: &str, file: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot read {}", file.display()))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        PemError::NoItemsFound => {
            anyhow!(
                "{name}: expected a PRIVATE KEY without a password in PEM, found none in {}",
                file.display()
            )
        }
        error => anyhow!("{name}: expected PEM, found other in {}: {error}", file.display()),
    })
}

/// The certificates of a file in PEM; `name` is the key of the configuration that says which file.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub(crate) fn certificates(name: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(file).with_context(|| format!("{name}: cannot read {}", file.display()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let all = all.with_context(|| format!("{name}: expected PEM, found other in {}", file.display()))?;
    if all.is_empty() {
        bail!("{name}: expected a CERTIFICATE in PEM, found none in {}", file.display());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_something_else_are_named_with_their_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            dir.path().join(name)
        };
        let (empty, other) =
            (file("empty.pem", "nothing\n"), file("other.pem", "-----BEGIN CERTIFICATE-----\n!\n"));
        let none = dir.path().join("none.pem");
        for (path, words) in [
            (&empty, "expected a CERTIFICATE in PEM, found none"),
            (&other, "expected PEM, found other"),
            (&none, "cannot read"),
        ] {
            let name = path.display().to_string();
            for (key, error) in [
                ("tls-certificate", server(path, &empty).err().map(|error| format!("{error:#}"))),
                ("ca-file", client(path, None).err().map(|error| format!("{error:#}"))),
            ] {
                let text = error.unwrap();
                assert!(text.contains(key) && text.contains(words) && text.contains(&name), "{text}");
            }
        }
    }
}
