use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{FieldName, Method, Name, Network, Rate};

/// What is asked of requests on the routes that name it: exactly one of `access` and `limit`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a policy"))]
pub struct Policy {
    /// Unique among policies; told in the access log of what it refuses, and a label in metrics.
    pub name: Name,
    /// Who may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// Who may pass: whom `deny` does not name, and, where there is `allow`, only whom that names. The
/// others get 403.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "`access`"))]
pub struct Access {
    /// Requests that may pass; empty: all.
    #[schemars(length(max = 1000))]
    pub allow: Vec<AccessRule>,
    /// Requests that may not, whatever `allow` says.
    #[schemars(length(max = 1000))]
    pub deny: Vec<AccessRule>,
}

/// Which requests are meant. What is absent fits every request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "an access rule"))]
pub struct AccessRule {
    /// Where the client is, as far as trusted proxies tell it; empty: anywhere.
    #[schemars(length(max = 10_000))]
    pub networks: Vec<Network>,
    /// Methods; empty: all.
    pub methods: Vec<Method>,
}

/// How many requests may come: `rate` on average, and `burst` at once. What is more gets 429, with
/// `Retry-After`. Each proxy counts for itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a policy's `limit`"))]
pub struct Limit {
    /// How many, in the long run.
    pub rate: Rate,
    /// How many at once, after a time without any. Absent: the number in `rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub burst: Option<u32>,
    /// Whose requests count together: those that have all of this in common. Empty: all requests of
    /// all routes that name the policy.
    #[serde(default = "Limit::address")]
    pub key: Vec<LimitKey>,
    /// The name of the field that `key: [header]` means. Requests without it count together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<FieldName>,
    /// How many bits of an IPv4 address are one client.
    #[serde(default = "Limit::ipv4")]
    #[schemars(range(min = 0, max = 32))]
    pub ipv4: u32,
    /// How many bits of an IPv6 address are one client: who has one address has many beside it.
    #[serde(default = "Limit::ipv6")]
    #[schemars(range(min = 0, max = 128))]
    pub ipv6: u32,
}

impl Limit {
    fn address() -> Vec<LimitKey> {
        vec![LimitKey::Address]
    }

    const fn ipv4() -> u32 {
        32
    }

    const fn ipv6() -> u32 {
        64
    }
}

/// A part of what requests have in common.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKey {
    /// The address of the client, as far as trusted proxies tell it.
    Address,
    /// The route.
    Route,
    /// The value of the field that `header` names.
    Header,
}
