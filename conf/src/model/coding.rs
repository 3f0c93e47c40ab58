use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{MediaRange, Size, WebOrigin};

/// Answers are compressed for clients that take it (RFC 9110, section 12.5.3).
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `compress`"))]
pub struct Compress {
    /// The codings. Among those that a client likes equally, the first is used.
    #[schemars(length(min = 1, max = 3))]
    pub codings: Vec<Coding>,
    /// Answers whose length is known and less than this stay as they are.
    #[schemars(extend("x-min" = "0B", "x-max" = "1GiB"))]
    pub least: Size,
    /// Media types that are compressed. What is compressed in itself, such as images, is not worth it.
    #[schemars(length(min = 1, max = 64))]
    pub types: Vec<MediaRange>,
    /// Whether time or size matters more.
    pub level: Level,
    /// Answers that may hold secrets of one user: what to do with them.
    pub authenticated: Authenticated,
}

impl Default for Compress {
    fn default() -> Self {
        let types = [
            "text/*",
            "application/json",
            "application/*+json",
            "application/javascript",
            "application/xml",
            "application/*+xml",
            "application/wasm",
            "application/x-ndjson",
            "image/svg+xml",
        ];
        Self {
            codings: vec![Coding::Zstd, Coding::Brotli, Coding::Gzip],
            least: Size::kib(1),
            types: types.iter().filter_map(|name| name.parse().ok()).collect(),
            level: Level::Balanced,
            authenticated: Authenticated::Never,
        }
    }
}

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// gzip (RFC 1952): every client takes it.
    Gzip,
    /// Brotli (RFC 7932): the smallest for text. Browsers take it over TLS only.
    #[serde(rename = "br")]
    Brotli,
    /// Zstandard (RFC 8878): the fastest.
    Zstd,
}

impl Coding {
    /// Every coding.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// Its name in `Content-Encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// Whether time or size matters more: the levels of gzip, brotli and zstd.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The least time: gzip 1, brotli 1, zstd 1.
    Fast,
    /// gzip 6, brotli 4, zstd 3.
    #[default]
    Balanced,
    /// The least bytes that are worth it while somebody waits: gzip 9, brotli 6, zstd 9.
    Small,
}

/// What is done with answers that may hold secrets of one user: those to requests with
/// `Authorization` or `Cookie`, unless the answer says `Cache-Control: public`; and those with
/// `Set-Cookie` or `Cache-Control: private`. Where such an answer also repeats what an attacker made
/// the client send, its compressed length gives the secret away piece by piece (BREACH), TLS or not.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authenticated {
    /// They are not compressed.
    #[default]
    Never,
    /// They are compressed like others: no answer of the route repeats what a request says, or none
    /// holds a secret.
    Allow,
}

/// Bodies are decompressed.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `decompress`"))]
pub struct Decompress {
    /// The most that one body may become. What would be longer is broken off.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "1TiB"))]
    pub limit: Size,
    /// How many times its length a body may become, once that is more than 1 MiB.
    #[schemars(range(min = 2, max = 100_000))]
    pub ratio: u32,
    /// What is done with requests. Answers are decompressed for clients that do not take their
    /// coding, and no others.
    pub requests: CodedRequests,
}

impl Default for Decompress {
    fn default() -> Self {
        Self { limit: Size::mib(64), ratio: 200, requests: CodedRequests::Keep }
    }
}

/// What is done with requests whose body is compressed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CodedRequests {
    /// They are forwarded as they are.
    #[default]
    Keep,
    /// They are decompressed, within the same bounds and those of `body_size`.
    Decode,
}

/// Calls of gRPC-Web become calls of gRPC. The upstream must speak HTTP/2.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `grpc_web`"))]
pub struct GrpcWeb {
    /// Whose pages may call: their preflight requests (CORS) are answered here, and their answers
    /// may be read. Empty: pages of the proxy's own hosts alone.
    #[schemars(length(max = 256))]
    pub origins: Vec<WebOrigin>,
}
