//! Large files over HTTP: resumed where a connection broke, checked against a digest, in place only when whole.
//!
//! The bytes gather in `<file>.<digest>.part` beside the target, locked against a second process. What a run leaves
//! there the next one goes on with; another version of the file has another digest, and so another part.

mod error;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use snarm_core::files::hex;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::progress::Progress;
pub(crate) use error::Failure;

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) url: String,
    /// SHA-256 in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Bytes, where they are known beforehand.
    pub(crate) size: Option<u64>,
    /// The most bytes that are taken, whatever the other side says and sends.
    pub(crate) most: u64,
}

/// How long failures are put up with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Failures in a row, without a byte of progress between them, after which a download is given up.
    pub(crate) failures: u32,
    /// Pause after the first failure; each further one is twice as long.
    pub(crate) pause: Duration,
}

impl Patience {
    /// Waits after failure number `failures` in a row, or gives its reason back where that was the last.
    pub(crate) fn wait(self, failures: u32, reason: anyhow::Error) -> Result<()> {
        if failures >= self.failures {
            return Err(reason);
        }
        tracing::warn!("trying again: {reason:#}");
        std::thread::sleep(self.pause * 2u32.pow(failures - 1));
        Ok(())
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(1) }
    }
}

/// A client that trusts what the system trusts, and notices when the other side falls silent.
pub(crate) fn agent(proxy: Option<Proxy>) -> Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .user_agent(concat!("snarm/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_per_read(Some(Duration::from_secs(60)));
    config.build().into()
}

/// Brings `source` to `target`. Returns the number of bytes.
pub(crate) fn download(
    agent: &Agent,
    source: &Source,
    target: &Path,
    patience: Patience,
    progress: &Progress,
) -> Result<u64> {
    if let Some(size) = source.size.filter(|size| *size > source.most) {
        bail!("expected a file of at most {} bytes, found one of {size}: {}", source.most, source.url);
    }
    let folder = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot write to folder {}", folder.display()))?;
    let mut part = Part::open(target, &source.sha256)?;
    let (mut failures, mut farthest) = (0, part.len()?);
    while let Err(failure) = attempt(agent, source, &mut part, progress) {
        let reason = match failure {
            Failure::Final(reason) => return Err(reason),
            Failure::Transient(reason) => reason,
        };
        let length = part.len()?;
        failures = if length > farthest { 1 } else { failures + 1 };
        farthest = farthest.max(length);
        patience.wait(failures, reason).with_context(|| {
            let kept = format!("{length} bytes are kept: the next run goes on from there");
            format!("gave up after {failures} failures in a row ({kept})")
        })?;
    }
    part.finish(source, target)
}

/// One request, and the bytes it brings.
fn attempt(agent: &Agent, source: &Source, part: &mut Part, progress: &Progress) -> Result<(), Failure> {
    let mut have = part.len()?;
    if source.size.is_some_and(|size| have > size) {
        have = part.clear()?;
    }
    if source.size == Some(have) {
        return Ok(());
    }
    let mut request = agent.get(&source.url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|e| Failure::of(e, &source.url))?;
    let continued = continues(&response, have);
    let length = response.body().content_length();
    let whole = length.map(|length| if continued { have + length } else { length });
    if let (Some(expected), Some(found)) = (source.size, whole)
        && expected != found
        && (continued || response.status() == StatusCode::OK)
    {
        // The page of a proxy or of a login, say: what is here already stays.
        let reason = format!("expected a file of {expected} bytes, found one of {found}: {}", source.url);
        return Err(Failure::Final(anyhow!(reason)));
    }
    match response.status() {
        _ if continued => {}
        // The server does not know ranges and starts anew.
        StatusCode::OK => have = part.clear()?,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            part.clear()?;
            let found = response.status();
            return Err(Failure::transient(format!("expected the bytes from {have} on, found HTTP {found}")));
        }
        status => return Err(Failure::of_status(status, &source.url)),
    }
    let expected = source.size.or(whole);
    progress.expect_bytes(have, expected);
    part.file.seek(SeekFrom::Start(have)).map_err(|e| part.failed(e))?;
    let most = expected.unwrap_or(source.most).min(source.most);
    if copy(response.body_mut(), most.saturating_sub(have), part, progress)? == Copied::Cut {
        // What came is not the file, however much of it were kept.
        part.clear()?;
        let reason = format!("expected a file of {most} bytes at most, found more: {}", source.url);
        return Err(Failure::Final(anyhow!(reason)));
    }
    let found = part.len()?;
    match expected {
        Some(expected) if found < expected => Err(Failure::transient(format!(
            "expected {expected} bytes, found {found} when the connection closed"
        ))),
        _ => Ok(()),
    }
}

/// Whether the answer is a part that begins at byte `from`.
fn continues(response: &Response<Body>, from: u64) -> bool {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return false;
    }
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// How a body ended.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    /// By itself.
    Whole,
    /// It had more bytes than were wanted.
    Cut,
}

/// Writes at most so many bytes of a body to the part.
fn copy(body: &mut Body, most: u64, part: &mut Part, progress: &Progress) -> Result<Copied, Failure> {
    let mut reader = body.with_config().limit(u64::MAX).reader();
    let (mut buffer, mut left) = (vec![0; 1 << 16], most);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Copied::Whole),
            Ok(n) if n as u64 > left => return Ok(Copied::Cut),
            Ok(n) => {
                part.file.write_all(&buffer[..n]).map_err(|e| part.failed(e))?;
                progress.add_bytes(n as u64);
                left -= n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::transient(format!("the connection broke: {e}"))),
        }
    }
}

/// The bytes so far, in a file that nobody else writes to.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    fn open(target: &Path, sha256: &str) -> Result<Self> {
        let short: String = sha256.chars().take(12).collect();
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{short}.part"));
        let path = target.with_file_name(name);
        let wrong = || format!("cannot write {}", path.display());
        loop {
            let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = options.with_context(wrong)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    bail!("another process downloads this file: {}", path.display())
                }
                // Some network file systems know no locks; two writers would be caught by the digest.
                Err(std::fs::TryLockError::Error(reason)) => tracing::debug!("no lock: {reason}"),
            }
            // Another process may have finished this very file, and given it its name, before the lock was ours.
            let ours = file.metadata().with_context(wrong)?;
            if std::fs::metadata(&path).is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { file, path });
            }
        }
    }

    fn len(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.with_context(|| format!("cannot read {}", self.path.display()))?.len())
    }

    /// Starts over.
    fn clear(&mut self) -> Result<u64> {
        self.file.set_len(0).with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(0)
    }

    fn failed(&self, reason: io::Error) -> Failure {
        Failure::Final(anyhow::Error::new(reason).context(format!("cannot write {}", self.path.display())))
    }

    /// Checks the whole file and gives it its name. A file of another digest is removed.
    fn finish(mut self, source: &Source, target: &Path) -> Result<u64> {
        let wrong = |e: io::Error| self.failed(e);
        self.file.sync_all().map_err(wrong).map_err(Failure::into_error)?;
        let found =
            digest_of(&mut self.file).with_context(|| format!("cannot read {}", self.path.display()))?;
        if found != source.sha256 {
            let size = self.len()?;
            std::fs::remove_file(&self.path)
                .with_context(|| format!("cannot remove {}", self.path.display()))?;
            bail!(
                "expected a file of SHA-256 {}, found {found} ({size} bytes, removed; run it again to start over): {}",
                source.sha256,
                source.url
            );
        }
        std::fs::rename(&self.path, target).with_context(|| format!("cannot write {}", target.display()))?;
        self.len()
    }
}

/// SHA-256 of the file at `path`.
pub(crate) fn digest_of_path(path: &Path) -> Result<String> {
    let read = |e: io::Error| anyhow::Error::new(e).context(format!("cannot read {}", path.display()));
    digest_of(&mut File::open(path).map_err(read)?).map_err(read)
}

fn digest_of(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Refuses what is no SHA-256.
pub(crate) fn check_digest(text: &str) -> Result<()> {
    let fits = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(fits, "expected a SHA-256 in hexadecimal, found '{text}'");
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
