//! Banks as objects of the hub: named by the SHA-256 of their file, with a statement that somebody signed. A station uses
//! none whose signature or digest does not fit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use async_nats::jetstream::object_store::{InfoErrorKind, ObjectMetadata, ObjectStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snarm_core::bank::Bank;
use snarm_core::files::hex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::keys::{Key, Purpose, Signed};
use super::link::Link;
use super::places::{self, OBJECTS};
use super::shared::{Refused, Station, by};
use crate::clock;
use crate::line::Line;
use crate::store::NewBank;

/// Bytes that are read at once.
const PART: usize = 128 << 10;

/// How long the next part of an object may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names of what an object has beside its bytes.
const STATEMENT: &str = "statement";
const SIGNATURE: &str = "signature";

/// What the signature of an object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Statement {
    author: String,
    /// Kind of object: `bank`.
    kind: String,
    /// SHA-256 of the file, hexadecimal.
    sha256: String,
    /// Bytes of the file.
    size: u64,
    /// Digest of the bank, by which results name it.
    bank: String,
    /// When it was signed, in milliseconds since 1970.
    at: i64,
}

/// Signs a bank and puts it into the hub. Returns the SHA-256 of its file.
///
/// # Errors
/// When it is no bank, or the hub does not take it.
pub(super) async fn put(link: &Link, key: &Key, author: &str, file: &Path) -> Result<String> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("cannot read {}", file.display()))?;
    let statement = Statement {
        author: author.to_owned(),
        kind: "bank".to_owned(),
        sha256: hex(&Sha256::digest(&bytes)),
        size: u64::try_from(bytes.len())?,
        bank: Bank::open(file)?.digest().to_owned(),
        at: clock::now(),
    };
    let signed = key.sign(Purpose::Object, &statement)?;
    let meta = ObjectMetadata {
        name: statement.sha256.clone(),
        description: Some(format!("bank {}", statement.bank)),
        metadata: [(STATEMENT.to_owned(), signed.statement), (SIGNATURE.to_owned(), signed.signature)].into(),
        ..ObjectMetadata::default()
    };
    let bucket = places::objects(&link.jetstream, OBJECTS).await?;
    bucket.put(meta, &mut bytes.as_slice()).await.context("the hub does not take the bank")?;
    Ok(statement.sha256)
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
    let bucket = places::objects(&link.jetstream, OBJECTS).await?;
    let info = match bucket.info(object).await {
        Err(error) if error.kind() == InfoErrorKind::NotFound => {
            bail!("expected an object {object} at the hub, found none yet")
        }
        info => info.context("cannot read what the hub says of an object")?,
    };
    let part = |name: &str| info.metadata.get(name).cloned().unwrap_or_default();
    let signed = Signed { statement: part(STATEMENT), signature: part(SIGNATURE) };
    let statement = of_trusted(station, &signed, object).map_err(|error| Refused::because(&error))?;
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
fn of_trusted(station: &Station, signed: &Signed, object: &str) -> Result<Statement> {
    if signed.signature.is_empty() {
        bail!("expected an object that is signed, found {object} without a signature");
    }
    let statement: Statement =
        station.trust.read(Purpose::Object, signed).with_context(|| format!("object {object}"))?;
    if statement.sha256 != object || statement.kind != "bank" {
        let (kind, found) = (&statement.kind, &statement.sha256);
        bail!("expected the signature of the bank {object}, found one of the {kind} {found}");
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
