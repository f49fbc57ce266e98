//! Who may do what: people with passwords, tokens for programs, and who is signed in.

use anyhow::Result;
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, audit};
use crate::{clock, secret};

/// What somebody may do; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Judge finds, begin a shift.
    Operator,
    /// Change limits and banks.
    Engineer,
    /// Say who may do what.
    Admin,
}

impl Role {
    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
            Self::Admin => "admin",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Engineer, Self::Admin]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// Somebody who is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Who {
    /// Name of a person or token.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// When they were added, in milliseconds since 1970.
    pub(crate) at: i64,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Token {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) author: String,
    /// When it was made, in milliseconds since 1970.
    pub(crate) at: i64,
}

fn role(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Role> {
    let word: String = row.get(column)?;
    Role::named(&word).ok_or(rusqlite::Error::InvalidColumnName(word))
}

impl Store {
    /// Everybody.
    pub(crate) fn people(&self) -> Result<Vec<Person>> {
        self.read(|store| {
            let mut ask = store.prepare("SELECT name, role, at FROM people ORDER BY name")?;
            let rows = ask.query_map([], |row| {
                Ok(Person { name: row.get(0)?, role: role(row, 1)?, at: row.get(2)? })
            })?;
            rows.collect()
        })
    }

    /// Adds a person, or gives one another role or password. Their sign-ins end.
    pub(crate) fn set_person(&self, name: &str, role: Role, hash: &str, author: &str) -> Result<()> {
        self.change(|change| {
            change.execute(
                "INSERT INTO people (name, role, hash, at) VALUES (?, ?, ?, ?)
                 ON CONFLICT (name) DO UPDATE SET role = excluded.role, hash = excluded.hash",
                (name, role.name(), hash, clock::now()),
            )?;
            change.execute("DELETE FROM sign_ins WHERE name = ?", [name])?;
            audit::add(change, author, "person", &format!("{name} is {}", role.name()))
        })
    }

    /// Removes a person and ends their sign-ins; not the last admin. Whether somebody was removed.
    pub(crate) fn remove_person(&self, name: &str, author: &str) -> Result<bool> {
        self.change(|change| {
            let removed = change.execute(
                "DELETE FROM people WHERE name = ?1 AND (role <> 'admin' OR
                     EXISTS (SELECT 1 FROM people WHERE role = 'admin' AND name <> ?1))",
                [name],
            )?;
            if removed == 0 {
                return Ok(false);
            }
            change.execute("DELETE FROM sign_ins WHERE name = ?", [name])?;
            audit::add(change, author, "person", &format!("{name} is removed"))?;
            Ok(true)
        })
    }

    /// Role and hash of the password of a person.
    pub(crate) fn person(&self, name: &str) -> Result<Option<(Role, String)>> {
        self.read(|store| {
            let text = "SELECT role, hash FROM people WHERE name = ?";
            store.query_row(text, [name], |row| Ok((role(row, 0)?, row.get(1)?))).optional()
        })
    }

    /// Signs somebody in until `expires`. The token is theirs alone.
    pub(crate) fn sign_in(&self, who: &Who, token: &str, expires: i64) -> Result<()> {
        self.change(|change| {
            change.execute("DELETE FROM sign_ins WHERE expires < ?", [clock::now()])?;
            change.execute(
                "INSERT INTO sign_ins (fingerprint, name, role, expires) VALUES (?, ?, ?, ?)",
                (secret::fingerprint(token), &who.name, who.role.name(), expires),
            )?;
            audit::add(change, &who.name, "sign in", who.role.name())
        })
    }

    /// Ends a sign-in.
    pub(crate) fn sign_out(&self, token: &str) -> Result<()> {
        self.change(|change| {
            change
                .execute("DELETE FROM sign_ins WHERE fingerprint = ?", [secret::fingerprint(token)])
                .map(drop)
        })
    }

    /// Who signed in with a token.
    pub(crate) fn signed_in(&self, token: &str) -> Result<Option<Who>> {
        self.read(|store| {
            let mut ask =
                store.prepare("SELECT name, role FROM sign_ins WHERE fingerprint = ? AND expires >= ?")?;
            ask.query_row((secret::fingerprint(token), clock::now()), |row| {
                Ok(Who { name: row.get(0)?, role: role(row, 1)? })
            })
            .optional()
        })
    }

    /// Tokens of programs.
    pub(crate) fn tokens(&self) -> Result<Vec<Token>> {
        self.read(|store| {
            let mut ask = store.prepare("SELECT id, name, role, author, at FROM tokens ORDER BY id")?;
            let rows = ask.query_map([], |row| {
                Ok(Token {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    role: role(row, 2)?,
                    author: row.get(3)?,
                    at: row.get(4)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Adds a token of a program. False where the name is taken.
    pub(crate) fn add_token(&self, name: &str, role: Role, token: &str, author: &str) -> Result<bool> {
        self.change(|change| {
            let added = change.execute(
                "INSERT OR IGNORE INTO tokens (name, role, fingerprint, author, at) VALUES (?, ?, ?, ?, ?)",
                (name, role.name(), secret::fingerprint(token), author, clock::now()),
            )?;
            if added > 0 {
                audit::add(change, author, "token", &format!("{name} is {}", role.name()))?;
            }
            Ok(added > 0)
        })
    }

    /// Removes a token. Whether there was one.
    pub(crate) fn remove_token(&self, id: i64, author: &str) -> Result<bool> {
        self.change(|change| {
            let removed = change.execute("DELETE FROM tokens WHERE id = ?", [id])?;
            if removed > 0 {
                audit::add(change, author, "token", &format!("{id} is removed"))?;
            }
            Ok(removed > 0)
        })
    }

    /// Whose token that is.
    pub(crate) fn token(&self, token: &str) -> Result<Option<Who>> {
        self.read(|store| {
            let mut ask = store.prepare("SELECT name, role FROM tokens WHERE fingerprint = ?")?;
            ask.query_row([secret::fingerprint(token)], |row| {
                Ok(Who { name: row.get(0)?, role: role(row, 1)? })
            })
            .optional()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_end_with_their_time_and_their_person_and_the_last_admin_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.set_person("ann", Role::Admin, "h", "setup").unwrap();
        store.set_person("bob", Role::Operator, "h", "ann").unwrap();
        let bob = Who { name: "bob".into(), role: Role::Operator };
        store.sign_in(&bob, "t1", clock::now() + 60_000).unwrap();
        store.sign_in(&bob, "t2", clock::now() - 1).unwrap();
        assert_eq!(store.signed_in("t1").unwrap(), Some(bob));
        assert_eq!(store.signed_in("t2").unwrap(), None);
        assert!(store.remove_person("bob", "ann").unwrap());
        assert_eq!(store.signed_in("t1").unwrap(), None);
        assert!(!store.remove_person("ann", "ann").unwrap());
        assert!(store.add_token("mes", Role::Viewer, "s", "ann").unwrap());
        assert!(!store.add_token("mes", Role::Admin, "s2", "ann").unwrap());
        assert_eq!(store.token("s").unwrap().unwrap().role, Role::Viewer);
        assert!(store.token("mes").unwrap().is_none());
    }

    #[test]
    fn roles_are_in_order() {
        assert!(
            Role::Viewer < Role::Operator && Role::Operator < Role::Engineer && Role::Engineer < Role::Admin
        );
    }
}
