//! Keys of people who give orders, and what they sign: statements in JSON. Ed25519.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use snarm_core::files::hex;

/// What a signature is for: one of another kind does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The content of an object.
    Object,
    /// The bank that a line is to use.
    Desired,
    /// A command.
    Command,
}

impl Purpose {
    fn bytes(self, statement: &str) -> Vec<u8> {
        let purpose = match self {
            Self::Object => "snarm object 1",
            Self::Desired => "snarm desired 1",
            Self::Command => "snarm command 1",
        };
        format!("{purpose}\n{statement}").into_bytes()
    }
}

/// A statement and its signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signed {
    /// JSON, with the name of its `author`. What is signed is this text as it stands.
    pub(crate) statement: String,
    /// 128 hexadecimal digits.
    pub(crate) signature: String,
}

/// What all statements have.
#[derive(Deserialize)]
struct By {
    author: String,
}

/// A private key.
pub(super) struct Key(SigningKey);

impl Key {
    /// Makes a key and writes it to a file that only its owner reads. Returns the public key, 64 hexadecimal digits.
    ///
    /// # Errors
    /// When there is such a file, it cannot be written, or the system has no random numbers.
    pub(super) fn make(file: &Path) -> Result<String> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow!("the system has no random numbers: {error}"))?;
        let mut options = std::fs::OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(file);
        made.and_then(|mut file| writeln!(file, "{}", hex(&seed)))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(hex(SigningKey::from_bytes(&seed).verifying_key().as_bytes()))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let seed = bytes(text.trim()).with_context(|| {
            format!("{}: expected a key of 64 hexadecimal digits, found something else", file.display())
        })?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Signs a statement, which has an `author`.
    pub(super) fn sign(&self, purpose: Purpose, statement: &impl Serialize) -> Result<Signed> {
        let statement = serde_json::to_string(statement)?;
        let signature = hex(&self.0.sign(&purpose.bytes(&statement)).to_bytes());
        Ok(Signed { statement, signature })
    }
}

/// Public keys of those whose statements count.
pub(crate) struct Trust(BTreeMap<String, VerifyingKey>);

impl Trust {
    /// From names and public keys.
    ///
    /// # Errors
    /// When a key is none.
    pub(crate) fn new(keys: &BTreeMap<String, String>) -> Result<Self> {
        let key = |(name, text): (&String, &String)| {
            let key = bytes(text).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            let key = key.with_context(|| {
                format!("hub.trust.{name}: expected a public key of 64 hexadecimal digits, found {text:?}")
            })?;
            Ok((name.clone(), key))
        };
        keys.iter().map(key).collect::<Result<_>>().map(Self)
    }

    /// Reads a statement that its author signed.
    ///
    /// # Errors
    /// When the author is not trusted, did not sign it for this purpose, or it says something else.
    pub(super) fn read<T: DeserializeOwned>(&self, purpose: Purpose, signed: &Signed) -> Result<T> {
        let By { author } =
            serde_json::from_str(&signed.statement).context("expected a statement with its author")?;
        let Some(key) = self.0.get(&author) else {
            bail!("expected a signature of somebody whom hub.trust names, found the author {author:?}")
        };
        let signature = bytes(&signed.signature).map(|bytes| Signature::from_bytes(&bytes));
        let is_theirs = signature.is_some_and(|signature| {
            key.verify_strict(&purpose.bytes(&signed.statement), &signature).is_ok()
        });
        if !is_theirs {
            bail!("expected the signature of {author}, found one that does not fit");
        }
        serde_json::from_str(&signed.statement).context("expected a statement that is known")
    }
}

/// Bytes of hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(16 * high + low),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Say {
        author: String,
        word: String,
    }

    fn say(author: &str, word: &str) -> Say {
        Say { author: author.into(), word: word.into() }
    }

    #[test]
    fn what_a_trusted_author_signed_for_the_purpose_is_read_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ann.key");
        let public = Key::make(&file).unwrap();
        assert!(Key::make(&file).is_err(), "a key is never written over");
        let (ann, trust) = (Key::read(&file).unwrap(), Trust::new(&[("ann".into(), public)].into()).unwrap());
        let signed = ann.sign(Purpose::Object, &say("ann", "a")).unwrap();
        assert_eq!(trust.read::<Say>(Purpose::Object, &signed).unwrap(), say("ann", "a"));
        let refusal = |purpose, signed: &Signed| trust.read::<Say>(purpose, signed).unwrap_err().to_string();
        assert!(refusal(Purpose::Command, &signed).contains("one that does not fit"), "another purpose");
        let other = Signed { statement: signed.statement.replace("\"a\"", "\"b\""), ..signed.clone() };
        assert!(refusal(Purpose::Object, &other).contains("one that does not fit"), "another statement");
        let none = Signed { signature: String::new(), ..signed };
        assert!(refusal(Purpose::Object, &none).contains("one that does not fit"), "unsigned");
        let eve = ann.sign(Purpose::Object, &say("eve", "a")).unwrap();
        assert!(refusal(Purpose::Object, &eve).contains("\"eve\""), "not trusted");
    }

    #[test]
    fn keys_that_are_none_are_named() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63)] {
            let error = Trust::new(&[("ann".into(), text.into())].into()).err().unwrap().to_string();
            assert!(error.contains("hub.trust.ann") && error.contains("64 hexadecimal digits"), "{error}");
        }
    }
}
