//! Banks, decoders and recipes as objects of the hub: named by the SHA-256 of their file, with a statement that somebody
//! signed. A station uses none whose signature or digest does not fit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_nats::jetstream::object_store::{InfoErrorKind, ObjectMetadata, ObjectStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snarm_core::bank::Bank;
use snarm_core::files::hex;
use snarm_core::models::Decoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::keys::{Key, Purpose, Signed};
use super::link::Link;
use super::places::{self, OBJECTS};
use super::shared::{Refused, Station, by};
use crate::line::Line;
use crate::store::NewBank;
use crate::{clock, config};

/// Bytes that are read at once.
const PART: usize = 128 << 10;

/// How long the next part of an object may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names of what an object has beside its bytes.
const STATEMENT: &str = "statement";
const SIGNATURE: &str = "signature";

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A bank.
    Bank,
    /// The trained part of a model.
    Decoder,
    /// Properties of the detector, TOML.
    Recipe,
}

impl Kind {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Decoder => "decoder",
            Self::Recipe => "recipe",
        }
    }

    /// Reads a file of it. Returns the digest of a bank, by which results name it.
    fn read(self, file: &Path) -> Result<String> {
        match self {
            Self::Bank => Ok(Bank::open(file)?.digest().to_owned()),
            Self::Decoder => Decoder::open(file).map(|_| String::new()).map_err(Into::into),
            Self::Recipe => {
                let text = std::fs::read_to_string(file);
                let text = text.with_context(|| format!("cannot read {}", file.display()))?;
                config::settings(&text).map(|_| String::new()).with_context(|| file.display().to_string())
            }
        }
    }
}

/// What the signature of an object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    author: String,
    kind: Kind,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
    /// Bytes of the file.
    size: u64,
    /// Digest of a bank, by which results name it; empty of others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    bank: String,
    /// When it was signed, in milliseconds since 1970.
    at: i64,
}

/// Signs a file and puts it into the hub. Returns its SHA-256.
///
/// # Errors
/// When it is something else, or the hub does not take it.
pub(super) async fn put(link: &Link, key: &Key, author: &str, kind: Kind, file: &Path) -> Result<String> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let statement = Statement {
        author: author.to_owned(),
        kind,
        sha256: hex(&Sha256::digest(&bytes)),
        size: u64::try_from(bytes.len())?,
        bank: kind.read(file)?,
        at: clock::now(),
    };
    let signed = key.sign(Purpose::Object, &statement)?;
    let meta = ObjectMetadata {
        name: statement.sha256.clone(),
        description: Some(format!("{} {}", kind.name(), statement.bank).trim_end().to_owned()),
        metadata: [(STATEMENT.to_owned(), signed.statement), (SIGNATURE.to_owned(), signed.signature)].into(),
        ..ObjectMetadata::default()
    };
    let bucket = places::objects(&link.jetstream, OBJECTS).await?;
    bucket.put(meta, &mut bytes.as_slice()).await.context("the hub does not take the object")?;
    Ok(statement.sha256)
}

/// Opens the objects of the hub, and reads what a trusted author says of one.
async fn signed(
    link: &Link,
    station: &Station,
    kind: Kind,
    object: &str,
) -> Result<(ObjectStore, Statement)> {
    let bucket = places::objects(&link.jetstream, OBJECTS).await?;
    let info = match bucket.info(object).await {
        Err(error) if error.kind() == InfoErrorKind::NotFound => {
            bail!("expected an object {object} at the hub, found none yet")
        }
        info => info.context("cannot read what the hub says of an object")?,
    };
    let part = |name: &str| info.metadata.get(name).cloned().unwrap_or_default();
    let signed = Signed { statement: part(STATEMENT), signature: part(SIGNATURE) };
    let statement = of_trusted(station, &signed, kind, object).map_err(|error| Refused::because(&error))?;
    Ok((bucket, statement))
}

/// Fetches the file of a decoder or a recipe to where the store has it.
///
/// # Errors
/// As [`version`].
pub(super) async fn keep(
    link: &Link,
    station: &Station,
    line: &Arc<Line>,
    kind: Kind,
    object: &str,
) -> Result<()> {
    let (bucket, statement) = signed(link, station, kind, object).await?;
    let made = line.store.folder().join(format!("fetched-{}.{}", line.name(), kind.name()));
    fetch(&bucket, &statement, &made).await?;
    line.ask(move |line| {
        kind.read(&made).map_err(|error| Refused::because(&error))?;
        // Its bytes have that SHA-256: no name can lead elsewhere.
        let file = line.store.object_file(&statement.sha256);
        std::fs::rename(&made, &file).with_context(|| format!("cannot make {}", file.display()))
    })
    .await
}

/// The version of a line that has the bank of an object. It is fetched, and added to the versions, where none has.
///
/// # Errors
/// [`Refused`] when it is not signed, or not what was signed; others when it cannot be had now.
pub(super) async fn version(
    link: &Link,
    station: &Station,
    line: &Arc<Line>,
    object: &str,
    reason: &str,
) -> Result<i64> {
    let (bucket, statement) = signed(link, station, Kind::Bank, object).await?;
    let known = line.ask(|line| line.store.banks(line.name())).await?;
    if let Some(known) = known.iter().find(|bank| bank.digest == statement.bank) {
        return Ok(known.version);
    }
    let made = line.store.folder().join(format!("fetched-{}.bank", line.name()));
    fetch(&bucket, &statement, &made).await?;
    let (reason, author) = (reason.to_owned(), by(&statement.author));
    let added = line.ask(move |line| {
        let bank = Bank::open(&made).map_err(|error| Refused::because(&error.into()))?;
        if bank.digest() != statement.bank {
            let error = anyhow!("expected the bank {}, found {}", statement.bank, bank.digest());
            return Err(Refused::because(&error));
        }
        let new = NewBank::from_elsewhere(&bank, &author, &reason)?;
        line.store.add_bank(line.name(), &new, |path| std::fs::rename(&made, path))
    });
    Ok(added.await?.version)
}

/// What a trusted author says of an object.
fn of_trusted(station: &Station, signed: &Signed, kind: Kind, object: &str) -> Result<Statement> {
    if signed.signature.is_empty() {
        bail!("expected an object that is signed, found {object} without a signature");
    }
    let statement: Statement =
        station.trust.read(Purpose::Object, signed).with_context(|| format!("object {object}"))?;
    if statement.sha256 != object || statement.kind != kind {
        let (expected, kind, found) = (kind.name(), statement.kind.name(), &statement.sha256);
        bail!("expected the signature of the {expected} {object}, found one of the {kind} {found}");
    }
    Ok(statement)
}

/// Writes the bytes of an object to a file, where they are those that were signed.
async fn fetch(bucket: &ObjectStore, statement: &Statement, to: &Path) -> Result<()> {
    let mut object = bucket.get(&statement.sha256).await.context("cannot fetch an object")?;
    let mut file =
        tokio::fs::File::create(to).await.with_context(|| format!("cannot write {}", to.display()))?;
    let (mut hash, mut size, mut part) = (Sha256::new(), 0_u64, vec![0; PART]);
    loop {
        let read = tokio::time::timeout(PATIENCE, object.read(&mut part)).await;
        let read =
            read.context("the hub sends nothing more of an object")?.context("cannot fetch an object")?;
        let Some(bytes) = part.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        size += read as u64;
        if size > statement.size {
            break;
        }
        hash.update(bytes);
        file.write_all(bytes).await?;
    }
    file.flush().await?;
    let found = hex(&hash.finalize());
    if size != statement.size || found != statement.sha256 {
        let error = anyhow!(
            "expected {} bytes of SHA-256 {}, found {size} of {found}",
            statement.size,
            statement.sha256
        );
        return Err(Refused::because(&error));
    }
    Ok(())
}
