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

/// Parts of the names of properties whose values nobody is to see who looks on.
const HIDDEN: [&str; 7] = ["pw", "pass", "secret", "token", "key", "auth", "cookie"];

/// Stands for what is hidden.
const STARS: &str = "***";

/// Words of a launch line, or what a pipeline said, without the secrets in them: users and passwords of addresses, and
/// values of properties that are named like secrets. It rather hides too much.
pub(crate) fn hidden(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    let (mut out, mut quote, mut at) = (String::new(), None, 0);
    while let Some(&c) = all.get(at) {
        let begins = at;
        at += 1;
        match c {
            '\\' => at += 1,
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            '=' if is_secret(&out) => {
                at += all.iter().skip(at).take_while(|c| c.is_whitespace() && quote.is_none()).count();
                out.extend(all.iter().take(at).skip(begins));
                let end = end_of_value(&all, at, quote);
                if end > at {
                    out.push_str(STARS);
                }
                at = end;
                continue;
            }
            '/' if out.ends_with(":/") => {
                out.push(c);
                let word = all.get(at..end_of_value(&all, at, quote)).unwrap_or_default();
                // A password may have the sign as well.
                if let Some(length) = word.iter().rposition(|c| *c == '@') {
                    out.push_str(STARS);
                    at += length;
                }
                continue;
            }
            _ => {}
        }
        out.extend(all.iter().take(at).skip(begins));
    }
    out
}

/// Whether a text ends with the name of a property that is named like a secret.
fn is_secret(text: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || "-_:".contains(c);
    let name = text.trim_end().rsplit(|c: char| !is_of_name(c)).next().unwrap_or_default().to_lowercase();
    HIDDEN.iter().any(|part| name.contains(part))
}

/// Where a value ends that begins at a place, within quotes of a sort or without.
fn end_of_value(all: &[char], mut at: usize, quote: Option<char>) -> usize {
    let mut own = None;
    while let Some(&c) = all.get(at) {
        match c {
            '\\' => at += 1,
            _ if own == Some(c) => own = None,
            _ if own.is_some() => {}
            _ if quote == Some(c) => return at,
            '"' | '\'' if quote.is_none() => own = Some(c),
            _ if c.is_whitespace() && quote.is_none() => return at,
            _ => {}
        }
        at += 1;
    }
    all.len()
}

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
    fn words_of_a_pipeline_are_shown_without_their_secrets() {
        for (text, expected) in [
            ("rtspsrc location=rtsp://ann:pa@ss/w@cam/1 ! a", "rtspsrc location=rtsp://***@cam/1 ! a"),
            ("a uri=\"http://ann:two words@cam/x\" b=1", "a uri=\"http://***@cam/x\" b=1"),
            ("rtspsrc user-id=ann user-pw=geheim ! a", "rtspsrc user-id=ann user-pw=*** ! a"),
            ("a user-pw = \"two words\" b=1", "a user-pw = *** b=1"),
            ("a proxy-pw='it\"s' b=1", "a proxy-pw=*** b=1"),
            ("a Password=(string)\"x y\" b=1", "a Password=*** b=1"),
            ("a user-pw=x\\ y b=1", "a user-pw=*** b=1"),
            ("a user-pw=x!y&z b=1", "a user-pw=*** b=1"),
            ("srtsrc passphrase=long uri=srt://:1", "srtsrc passphrase=*** uri=srt://:1"),
            ("a location=\"http://cam/x?token=1&b=2\" c=3", "a location=\"http://cam/x?token=***\" c=3"),
            ("a api_key=1 client-secret=2", "a api_key=*** client-secret=***"),
            (
                "a extra='headers, Authorization=(string)Bearer' b=1",
                "a extra='headers, Authorization=***' b=1",
            ),
            ("a user-pw=it's open", "a user-pw=***"),
            ("a user-pw=", "a user-pw="),
            ("cannot open rtsp://ann:x@cam: it's away", "cannot open rtsp://***@cam: it's away"),
            ("v4l2src device=/dev/video0 ! a ! b", "v4l2src device=/dev/video0 ! a ! b"),
            ("uri=rtsp://cam/1 name='a b' c=\\", "uri=rtsp://cam/1 name='a b' c=\\"),
        ] {
            assert_eq!(hidden(text), expected, "{text}");
        }
    }

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
