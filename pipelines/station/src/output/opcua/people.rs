//! Who may connect: names and passwords of a file, or anybody where the configuration says so.

use std::path::Path;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use opcua::crypto::SecurityPolicy;
use opcua::server::ServerEndpoint;
use opcua::server::authenticator::{AuthManager, Password, UserToken, user_pass_security_policy_id};
use opcua::types::{Error, StatusCode, UAString, UserTokenPolicy, UserTokenType};

use crate::config::Anonymous;
use crate::regular;
use crate::secret;
use crate::tries::Tries;

/// Passwords that clients send go by the certificate of the server, on connections without encryption too.
pub(super) const PASSWORDS: SecurityPolicy = SecurityPolicy::Basic256Sha256;

/// Name of the policy that lets anybody in, which the library asks for.
const ANYBODY: &str = "anonymous";

/// Who may connect.
#[derive(Default)]
pub(super) struct People {
    users: Vec<(String, String)>,
    anonymous: Anonymous,
    tries: Tries,
}

impl People {
    /// Reads a file with lines of `NAME:PASSWORD`. Empty lines, and those that begin with `#`, are left out.
    ///
    /// # Errors
    /// When it cannot be read, or has no user.
    pub(super) fn read(file: Option<&Path>, anonymous: Anonymous) -> Result<Self> {
        let mut users = Vec::new();
        if let Some(file) = file {
            let name = file.display();
            let text = regular::read_text(file).with_context(|| format!("users-file: cannot read {name}"))?;
            for (at, line) in text.lines().map(str::trim).enumerate() {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                match line.split_once(':') {
                    Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                        users.push((user.to_owned(), password.to_owned()));
                    }
                    // What stands there may be a secret.
                    _ => bail!("users-file: line {}: expected NAME:PASSWORD, found other in {name}", at + 1),
                }
            }
            if users.is_empty() {
                bail!("users-file: expected lines of NAME:PASSWORD, found none in {name}");
            }
        }
        Ok(Self { users, anonymous, tries: Tries::default() })
    }

    /// Whether anybody may connect there.
    fn is_open(&self, endpoint: &ServerEndpoint) -> bool {
        match self.anonymous {
            Anonymous::Never => false,
            Anonymous::Encrypted => endpoint.security_policy() != SecurityPolicy::None,
            Anonymous::Always => true,
        }
    }

    fn is_user(&self, name: &str, password: &str) -> bool {
        // All are compared, so that the time does not tell which names there are.
        let same =
            |(user, secret): &(String, String)| secret::same(user, name) & secret::same(secret, password);
        self.users.iter().fold(false, |found, user| found | same(user))
    }
}

fn refused(text: &str) -> Error {
    Error::new(StatusCode::BadUserAccessDenied, text.to_owned())
}

#[async_trait]
impl AuthManager for People {
    async fn authenticate_anonymous_token(&self, endpoint: &ServerEndpoint) -> Result<(), Error> {
        match self.is_open(endpoint) {
            true => Ok(()),
            false => Err(refused("a name and a password are asked for")),
        }
    }

    async fn authenticate_username_identity_token(
        &self,
        _: &ServerEndpoint,
        name: &str,
        password: &Password,
    ) -> Result<UserToken, Error> {
        if self.tries.wait(&[name]).is_some() {
            return Err(refused("after five failures in a minute a name waits"));
        }
        if !self.is_user(name, password.get()) {
            self.tries.failed(&[name]);
            return Err(refused("a name or a password is wrong"));
        }
        Ok(UserToken(name.to_owned()))
    }

    fn user_token_policies(&self, endpoint: &ServerEndpoint) -> Vec<UserTokenPolicy> {
        let policy = |id: UAString, token_type, security_policy_uri| UserTokenPolicy {
            policy_id: id,
            token_type,
            security_policy_uri,
            ..UserTokenPolicy::default()
        };
        let mut policies = Vec::new();
        if self.is_open(endpoint) {
            policies.push(policy(ANYBODY.into(), UserTokenType::Anonymous, UAString::null()));
        }
        if !self.users.is_empty() {
            let by = PASSWORDS.to_uri().into();
            policies.push(policy(user_pass_security_policy_id(endpoint), UserTokenType::UserName, by));
        }
        policies
    }
}

#[cfg(test)]
mod tests {
    use opcua::types::MessageSecurityMode;

    use super::*;

    fn endpoint(policy: SecurityPolicy) -> ServerEndpoint {
        let mode = match policy {
            SecurityPolicy::None => MessageSecurityMode::None,
            _ => MessageSecurityMode::SignAndEncrypt,
        };
        ServerEndpoint::new("/", policy, mode, &[])
    }

    #[test]
    fn names_and_passwords_are_those_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        std::fs::write(&file, "# who\n\nscada:pass:word\nmes: other \n").unwrap();
        let people = People::read(Some(&file), Anonymous::Never).unwrap();
        assert!(people.is_user("scada", "pass:word") && people.is_user("mes", " other"));
        for (name, password) in
            [("scada", "pass"), ("scada", ""), ("", ""), ("mes", "pass:word"), ("x", "other")]
        {
            assert!(!people.is_user(name, password), "{name} {password}");
        }
        for (text, words) in
            [("scada", "line 1: expected NAME:PASSWORD"), ("\n", "found none"), (":x", "line 1")]
        {
            std::fs::write(&file, text).unwrap();
            let error = format!("{:#}", People::read(Some(&file), Anonymous::Never).err().unwrap());
            assert!(error.contains(words) && error.contains("users-file"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(People::read(Some(&file), Anonymous::Never).is_err());
    }

    #[test]
    fn anybody_comes_in_only_where_it_is_said() {
        let (open, closed) = (endpoint(SecurityPolicy::None), endpoint(SecurityPolicy::Basic256Sha256));
        for (anonymous, is_open) in [
            (Anonymous::Never, [false, false]),
            (Anonymous::Encrypted, [false, true]),
            (Anonymous::Always, [true, true]),
        ] {
            let people = People::read(None, anonymous).unwrap();
            assert_eq!([people.is_open(&open), people.is_open(&closed)], is_open, "{anonymous:?}");
            assert_eq!(people.user_token_policies(&open).len(), usize::from(is_open[0]), "{anonymous:?}");
        }
    }

    #[tokio::test]
    async fn a_name_waits_after_five_failures() {
        let people = People { users: vec![("scada".into(), "right".into())], ..People::default() };
        let endpoint = endpoint(SecurityPolicy::Basic256Sha256);
        let enter = async |password: &str| {
            let password = Password::new(password.to_owned());
            people.authenticate_username_identity_token(&endpoint, "scada", &password).await.is_ok()
        };
        assert!(enter("right").await);
        for _ in 0..5 {
            assert!(!enter("wrong").await);
        }
        assert!(!enter("right").await);
    }
}
