//! Users and the hashes of their passwords, from a file.

use std::collections::HashMap;
use std::fmt;

use super::argon2id::{Argon2id, Cost, Flaw};
use super::credentials::LONGEST_NAME;
use super::{Credentials, Refused};

/// Bytes that a file of users has at most.
pub const LARGEST_FILE: usize = 4 * 1024 * 1024;
/// Users that a file has at most.
pub const MOST_USERS: usize = 10_000;

/// A user.
pub struct User {
    name: Box<str>,
    hash: Argon2id,
}

impl User {
    /// What they are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn hash(&self) -> &Argon2id {
        &self.hash
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All users of a file.
#[derive(Debug)]
pub struct Users {
    all: HashMap<Box<str>, User>,
    nobody: User,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There is no colon after a name.
    NoColon,
    /// The name is empty, longer than 255 bytes, or has control characters.
    Name,
    /// The name was there before.
    Twice,
    /// The hash is not taken.
    Hash(Flaw),
    /// The file is larger than [`LARGEST_FILE`], or has more than [`MOST_USERS`] users up to here.
    TooMany,
}

/// A line that is wrong. What is on it is not told: it may be a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineFault {
    /// Which it is, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        f.write_str(match &self.fault {
            Fault::NoColon => "not of the form name:$argon2id$...",
            Fault::Name => "the name is empty, too long or has control characters",
            Fault::Twice => "the name was there before",
            Fault::TooMany => "the file is too large",
            Fault::Hash(flaw) => return flaw.fmt(f),
        })
    }
}

impl std::error::Error for LineFault {}

impl Users {
    /// Those of a file: a name, a colon and a hash a line. Empty lines and those that begin with `#`
    /// say nothing.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<LineFault>> {
        if text.len() > LARGEST_FILE {
            return Err(vec![LineFault { line: 1, fault: Fault::TooMany }]);
        }
        let (mut all, mut faults) = (HashMap::new(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            if let Err(fault) = read(text.trim_end()).and_then(|user| add(&mut all, user)) {
                faults.push(LineFault { line, fault });
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let nobody = User { name: "".into(), hash: Argon2id::of_nobody(usual_cost(&all)) };
        Ok(Self { all, nobody })
    }

    /// The user of a name, if the password is theirs. This takes as long as the hash was made to
    /// take, and as much memory; for a name that is unknown too, with what most hashes of the file
    /// were made with. How many of these run at a time is for the caller to bound.
    ///
    /// # Errors
    /// It is not, or there is no such user.
    pub fn verify(&self, credentials: &Credentials) -> Result<&User, Refused> {
        let user = self.find(credentials.name()).unwrap_or(&self.nobody);
        let is_right = user.hash.is_of(credentials.password());
        if is_right && !std::ptr::eq(user, &raw const self.nobody) {
            Ok(user)
        } else {
            Err(Refused::Wrong)
        }
    }

    /// The user of a name, whose password may be anything.
    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.all.get(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

fn read(line: &str) -> Result<User, Fault> {
    let (name, hash) = line.split_once(':').ok_or(Fault::NoColon)?;
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Fault::Name);
    }
    Ok(User { name: name.into(), hash: Argon2id::parse(hash).map_err(Fault::Hash)? })
}

fn add(all: &mut HashMap<Box<str>, User>, user: User) -> Result<(), Fault> {
    if all.contains_key(&user.name) {
        return Err(Fault::Twice);
    }
    if all.len() == MOST_USERS {
        return Err(Fault::TooMany);
    }
    all.insert(user.name.clone(), user);
    Ok(())
}

/// What most hashes were made with: one who is unknown is then known by the time only to be none of
/// the few others.
fn usual_cost(all: &HashMap<Box<str>, User>) -> Cost {
    let mut counts: HashMap<Cost, usize> = HashMap::new();
    for user in all.values() {
        let count = counts.entry(user.hash.cost).or_default();
        *count = count.saturating_add(1);
    }
    let usual = counts.into_iter().max_by_key(|(_, count)| *count);
    usual.map_or(Cost::USUAL, |(cost, _)| cost)
}
