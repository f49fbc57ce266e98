//! Passwords, tokens, and the code of the first start.

use anyhow::{Result, anyhow, bail};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};

/// Shortest password, in characters.
pub(crate) const SHORTEST: usize = 10;

/// Longest password, in bytes: more is work without use.
const LONGEST: usize = 256;

/// Letters and digits that are not mistaken for each other.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Characters of a setup code: 60 bits.
const CODE: usize = 12;

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no random numbers: {error}"))?;
    Ok(bytes)
}

/// 256 random bits as text.
pub(crate) fn token() -> Result<String> {
    Ok(snarm_core::files::hex(&random::<32>()?))
}

/// A code that is read off a terminal.
pub(crate) fn code() -> Result<String> {
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    Ok(random::<CODE>()?.into_iter().map(letter).collect())
}

/// What is stored of a token: who reads the store cannot use it.
pub(crate) fn fingerprint(token: &str) -> String {
    snarm_core::files::hex(&Sha256::digest(token.as_bytes()))
}

/// Whether two texts are equal, in a time that does not tell where they differ.
pub(crate) fn same(a: &str, b: &str) -> bool {
    // Digests of equal length; what differs in them says nothing of the texts.
    Sha256::digest(a.as_bytes()) == Sha256::digest(b.as_bytes())
}

/// What is stored of a password.
///
/// # Errors
/// When it is too short or too long.
pub(crate) fn hash(password: &str) -> Result<String> {
    let length = password.chars().count();
    if length < SHORTEST || password.len() > LONGEST {
        bail!("expected a password of {SHORTEST} to {LONGEST} characters, found {length}");
    }
    let made = Argon2::default().hash_password(password.as_bytes());
    Ok(made.map_err(|error| anyhow!("cannot hash a password: {error}"))?.to_string())
}

/// Whether that is the password.
pub(crate) fn is_password(password: &str, hash: &str) -> bool {
    password.len() <= LONGEST
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_salted_and_tokens_differ() {
        let first = hash("a long password").unwrap();
        assert_ne!(first, hash("a long password").unwrap());
        assert!(is_password("a long password", &first) && !is_password("another password", &first));
        assert!(!is_password("a long password", "no hash"));
        assert!(hash("short").is_err() && hash(&"x".repeat(LONGEST + 1)).is_err());
        assert_ne!(token().unwrap(), token().unwrap());
        assert_eq!(code().unwrap().len(), CODE);
        assert!(same("a", "a") && !same("a", "b"));
    }
}
