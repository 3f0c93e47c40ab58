use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::values::{Day, FieldName, Method, Name, Network, Rate};

/// What is asked of requests on the routes that name it: exactly one of `api_keys`,
/// `access` and `limit`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a policy"))]
pub struct Policy {
    /// Unique among policies; told in the access log of what it refuses, and a label in metrics.
    pub name: Name,
    /// Who it is, by a key that the client sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<ApiKeys>,
    /// Who may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// Who a client is, by a key that it sends. Whoever sends none that is known gets 401. The consumer
/// that has the key is in the access log, in `{consumer}` of header edits, and in what `access` and
/// `limit` go by. `marchproxy key new` makes keys.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "`api_keys`"))]
pub struct ApiKeys {
    /// What the hashes of keys are made with: at least 32 bytes, the same for all that read this
    /// configuration. With another one, no key is known any more.
    pub hash_key: Secret,
    /// The field that a client sends its key in.
    #[serde(default = "ApiKeys::header")]
    pub header: FieldName,
    /// What the upstream gets of that field.
    #[serde(default)]
    pub forwarding: KeyForwarding,
    /// The keys that are known. A consumer may have several, so that one can replace another.
    #[serde(default)]
    #[schemars(length(max = 100_000))]
    pub keys: Vec<ApiKey>,
}

/// What the upstream gets of the field with an API key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyForwarding {
    /// Nothing.
    #[default]
    Hide,
    /// All of it.
    Pass,
}

impl ApiKeys {
    fn header() -> FieldName {
        FieldName::api_key()
    }
}

/// An API key. The key itself is nowhere.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "an API key"))]
pub struct ApiKey {
    /// Whose it is.
    pub consumer: Name,
    /// The part of it that finds it.
    #[schemars(length(min = 12, max = 12))]
    pub id: String,
    /// The hash of the whole of it.
    #[schemars(length(min = 64, max = 64))]
    pub hash: String,
    /// From when on it is refused. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Day>,
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
    /// Who it is, as an `api_keys` policy of the route has found; empty: anybody.
    #[schemars(length(max = 10_000))]
    pub consumers: Vec<Name>,
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
    /// Who it is, as an `api_keys` policy of the route has found. Requests of nobody count together.
    Consumer,
}
