//! The local socket: how the commands of an operator reach the process that serves.
//!
//! An abstract Unix socket, named after the status listener. One line of JSON each way, then the
//! connection is closed. Each end believes only a process of its own user or of root: the name of
//! an abstract socket is free for everyone to take.

mod ask;
mod serve;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use ask::{NotDone, ask};
pub use serve::LocalSocket;

/// The longest line, in bytes.
const LONGEST_ORDER: u64 = 64 << 10;
/// The longest answer, in bytes: there may be many endpoints.
const LONGEST_ANSWER: u64 = 64 << 20;

/// The name of the socket of the process whose status listener is at `status`.
pub fn name(status: SocketAddr) -> String {
    format!("marchproxy/{status}/local")
}

/// What an operator wants.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Order {
    /// To be told of the upstreams, or of one of them.
    Upstreams {
        /// Its name.
        upstream: Option<String>,
    },
    /// To change an endpoint for as long as the process runs.
    Endpoint {
        /// The name of its upstream.
        upstream: String,
        /// Its address and port.
        endpoint: String,
        /// What it is to do.
        change: Change,
    },
    /// To be told of the cache.
    Cache,
    /// To have answers go from the cache.
    Purge(Purge),
}

/// Which answers go from the cache.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purge {
    /// Those for this URL, as clients ask for it.
    Url(String),
    /// Those with this tag.
    Tag(String),
    /// All of them.
    All,
}

/// A change of an endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It gets nothing new.
    Drain,
    /// It gets nothing, and is not checked.
    Disable,
    /// It serves again, as far as its health allows.
    Enable,
    /// It has this weight; `None`: the configured one.
    Weight(Option<u32>),
}

/// What an operator gets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// What was asked for.
    Done(Value),
    /// Why not.
    Refused(String),
}
