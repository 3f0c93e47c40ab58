use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{FieldName, Size, Time};

/// The memory that answers are kept in, for all routes that have `cache`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`cache`"))]
pub struct Cache {
    /// The most that answers may take: bodies, fields, and what they are kept in.
    #[schemars(extend("x-min" = "1MiB", "x-max" = "1TiB"))]
    pub memory: Size,
    /// The longest body that is kept; at most half of `memory`.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "1GiB"))]
    pub largest: Size,
    /// Answers of one URL that are kept beside each other because of `Vary`.
    #[schemars(range(min = 1, max = 1000))]
    pub variants: u32,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory: Size::mib(64), largest: Size::mib(1), variants: 32 }
    }
}

/// Keeping a route's answers and giving them to others who ask for the same, as RFC 9111 allows.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `cache`"))]
pub struct RouteCache {
    /// How long an answer is fresh that does not say so itself, if its request has no `Cookie` or it
    /// says `public`. Absent: such an answer is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1s", "x-max" = "365d"))]
    pub default: Option<Time>,
    /// How long a stale answer is still used while a fresh one is fetched, when the answer does not
    /// say it itself.
    #[schemars(extend("x-min" = "0s", "x-max" = "365d"))]
    pub stale_while_revalidate: Time,
    /// How long a stale answer is still used when the upstream fails, when the answer does not say
    /// it itself.
    #[schemars(extend("x-min" = "0s", "x-max" = "365d"))]
    pub stale_if_error: Time,
    /// How long a request waits for another one that is fetching the same.
    #[schemars(extend("x-min" = "0s", "x-max" = "10m"))]
    pub wait: Time,
    /// Fields that tell who asks, as `Authorization` does: answers to requests with one of these are
    /// kept only if they say that they are for everyone.
    #[schemars(length(max = 16))]
    pub credentials: Vec<FieldName>,
    /// Whether `Cache-Control` of a request counts. Where it does, a client can have each of its
    /// requests go to the upstream. `no-store` and `only-if-cached` always count.
    pub client_control: ClientControl,
    /// The field that names the tags of an answer, for purging, such as `Cache-Tag`. Clients do not
    /// get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_field: Option<FieldName>,
    /// The field that counts before `Cache-Control` (RFC 9213), such as `CDN-Cache-Control`. Clients
    /// do not get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_field: Option<FieldName>,
}

impl Default for RouteCache {
    fn default() -> Self {
        Self {
            default: None,
            stale_while_revalidate: Time::from_secs(0),
            stale_if_error: Time::from_secs(0),
            wait: Time::from_secs(5),
            credentials: Vec::new(),
            client_control: ClientControl::Heed,
            tag_field: None,
            control_field: None,
        }
    }
}

/// Whether `Cache-Control` of a request counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientControl {
    /// It does, as RFC 9111, section 5.2.1 has it.
    #[default]
    Heed,
    /// It does not.
    Ignore,
}
