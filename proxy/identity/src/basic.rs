//! Names and passwords (RFC 7617), whose hashes are in a file: `name:$argon2id$...` a line.

mod argon2id;
mod credentials;
mod known;
#[cfg(test)]
mod tests;
mod users;

use std::fmt;

pub use argon2id::Flaw;
pub use credentials::Credentials;
pub use known::Known;
pub use users::{Fault, LARGEST_FILE, LineFault, MOST_USERS, User, Users};

/// Why credentials are refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refused {
    /// There are none.
    Missing,
    /// There are some twice.
    Several,
    /// They are not what RFC 7617 has them be, or too long.
    Malformed,
    /// The name is unknown or the password wrong; which of it, nobody is told.
    Wrong,
}

impl Refused {
    /// The word for it, in logs and metrics; it stays the same. All are a 401.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several => "several",
            Self::Malformed => "malformed",
            Self::Wrong => "wrong_password",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Refused {}
