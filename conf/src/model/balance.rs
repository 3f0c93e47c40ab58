use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::values::Time;

/// How an endpoint is chosen for a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, smoothly interleaved by weight.
    #[default]
    RoundRobin,
    /// Of two endpoints drawn at random, by weight, the one with fewer requests at this moment.
    LeastRequests,
    /// Of two endpoints drawn at random, by weight, the one that is expected to answer sooner: by
    /// what its answers took lately, the slowest counting most, and the requests it has. 429 and 5xx
    /// count as slow, and `Retry-After` is honoured for up to a minute.
    PeakEwma,
    /// The same endpoint for the same key, which `hash` says. When an endpoint comes or goes, only
    /// its share of the keys moves.
    ConsistentHash,
}

/// The key of `balance: consistent_hash`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an upstream's `hash`"))]
pub struct Hash {
    /// What the key is. A request that has none goes anywhere.
    pub by: HashBy,
    /// The name of the header field or the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// The most requests an endpoint may have at one time, in percent of its share of all that run.
    /// What is more goes to others, so that one key that everyone asks for overloads nobody.
    #[schemars(range(min = 100, max = 10_000))]
    pub bound: u32,
}

impl Default for Hash {
    fn default() -> Self {
        Self { by: HashBy::Address, name: None, bound: 150 }
    }
}

/// What the key is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HashBy {
    /// The address of the client, as far as trusted proxies tell it.
    Address,
    /// The path, without the query.
    Path,
    /// The value of the header field `name`.
    Header,
    /// The value of the cookie `name`.
    Cookie,
}

/// A cookie by which a client comes back to the endpoint that it had before.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "an upstream's `sticky`"))]
pub struct Sticky {
    /// The name of the cookie.
    #[schemars(length(min = 1, max = 64))]
    pub cookie: String,
    /// What the cookie is signed with: at least 16 bytes. A cookie with another signature is not
    /// believed.
    pub key: Secret,
    /// How long the client keeps it. Absent: until its session ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1s", "x-max" = "365d"))]
    pub age: Option<Time>,
}
