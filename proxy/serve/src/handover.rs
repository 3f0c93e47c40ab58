//! Listening sockets go from an old process to a new one, so that no connection is refused between
//! the two.
//!
//! The old process [`offer`]s them on an abstract Unix socket; the new one connects to it
//! ([`take_over`]). Then, one after the other:
//!
//! | who | says | what it means |
//! |---|---|---|
//! | old | one line of JSON | what each socket is |
//! | new | `send` | it was understood |
//! | old | bytes that carry file descriptors | the sockets, in the order of the line |
//! | new | `ready` | it accepts connections |
//! | old | `bye`, or `no` | it no longer offers and no longer accepts; or it was too late, and goes on |
//!
//! Each end believes only a process of its own user or of root: the name of an abstract socket is
//! free for everyone to take.

mod give;
mod take;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use marchproxy_conf::values::ListenAddress;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

pub use give::{Outcome, Successor, answer, offer};
pub use take::{Handle, Inherited, take_over};

/// The largest line of JSON, in bytes.
const LONGEST_LINE: usize = 64 * 1024;
/// The most sockets that are handed over.
const MOST_SOCKETS: usize = 1024;
/// File descriptors in one message; the kernel takes up to 253.
const BATCH: usize = 64;

const SEND: &[u8] = b"send\n";
const READY: &[u8] = b"ready\n";
const BYE: &[u8] = b"bye\n";
const NO: &[u8] = b"no\n";
/// The byte that carries a batch of file descriptors.
const CARRIER: &[u8] = b".";

/// The name that a process offers its sockets under: that of its status listener, of which there
/// can be only one.
pub fn name(status: SocketAddr) -> String {
    format!("marchproxy/{status}")
}

/// The line of JSON.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    /// Changes when an older process would misunderstand.
    version: u32,
    /// [`Label`]s as text.
    sockets: Vec<String>,
}

impl Hello {
    const VERSION: u32 = 1;
}

/// What a socket is for, and the address that the configuration gives it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Label {
    /// Clients connect to it.
    Listener(ListenAddress),
    /// Health, metrics and state.
    Status(SocketAddr),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(address) => write!(f, "listener {address}"),
            Self::Status(address) => write!(f, "status {address}"),
        }
    }
}

impl FromStr for Label {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        let parsed = text.split_once(' ').and_then(|(kind, address)| match kind {
            "listener" => address.parse().ok().map(Self::Listener),
            "status" => address.parse().ok().map(Self::Status),
            _ => None,
        });
        parsed
            .ok_or_else(|| invalid(format!("`{}` is no socket that is known", text.escape_debug())))
    }
}

/// Whether the other end of a local socket may be trusted.
///
/// # Errors
/// It is of another user, who is not root.
pub fn check_user(user: u32) -> io::Result<()> {
    if user == 0 || user == geteuid().as_raw() {
        return Ok(());
    }
    let message = format!("the other process runs as user {user}, which is neither ours nor root");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}
