use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Compress, Decompress, GrpcWeb, RouteCache};
use crate::values::{
    FieldName, HostPattern, Method, Name, PathPattern, Share, Size, Template, Time,
};

/// Which requests are meant, and what becomes of them: exactly one of `upstream`, `redirect` and
/// `respond`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a route"))]
pub struct Route {
    /// Unique among routes; a label in metrics and logs.
    pub name: Name,
    /// Names of the listeners it belongs to; empty: all of them.
    #[serde(default)]
    pub listeners: Vec<Name>,
    /// Which requests are meant.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// Names of the policies that its requests must meet. Whoever may not pass is told first, then
    /// who comes too often, whatever their order here.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub policies: Vec<Name>,
    /// Forward to this upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Name>,
    /// Parts of the requests that go to other upstreams instead.
    #[serde(default)]
    pub split: Vec<Split>,
    /// A second upstream that gets copies of requests. What becomes of them changes nothing for
    /// the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// How long the head of an answer is waited for before a second endpoint is asked as well; the
    /// one that answers first is heard. For idempotent requests without a body, and within the
    /// upstream's `retry.budget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1ms", "x-max" = "10m"))]
    pub hedge: Option<Time>,
    /// Up to so much of a request's body is taken before an endpoint is asked, so that slow clients
    /// hold no endpoint; `0B`: none, it is passed on as it comes.
    #[serde(default)]
    #[schemars(extend("x-min" = "0B", "x-max" = "16MiB"))]
    pub request_buffer: Size,
    /// Answer with a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// Answer with a fixed response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond: Option<Respond>,
    /// Changes to the path before it is forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// Changes to the fields of the request before it is forwarded.
    #[serde(default)]
    pub request_headers: HeaderEdits,
    /// Changes to the fields of the answer before the client sees it.
    #[serde(default)]
    pub response_headers: HeaderEdits,
    /// Instead of the upstream's `timeouts.request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1ms", "x-max" = "7d"))]
    pub timeout: Option<Time>,
    /// Instead of the listener's `requests.body_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "0B", "x-max" = "1PiB"))]
    pub body_size: Option<Size>,
    /// Keep answers and give them to others who ask for the same. Absent: nothing is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<RouteCache>,
    /// Present: answers are compressed for clients that take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compress>,
    /// Present: bodies are decompressed where that is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decompress: Option<Decompress>,
    /// Present: calls of gRPC-Web, such as browsers make, are taken besides those of gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_web: Option<GrpcWeb>,
    /// Pages for this route, tried before those of the whole configuration.
    #[serde(default)]
    pub error_pages: Vec<ErrorPage>,
}

/// A part of a route's requests.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a split"))]
pub struct Split {
    /// The upstream that it goes to.
    pub upstream: Name,
    /// How much it is. All parts of a route are at most 100 %; the rest goes to the route's
    /// `upstream`.
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub share: Share,
}

/// Copies of requests for a second upstream.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a mirror"))]
pub struct Mirror {
    /// The upstream that gets them.
    pub upstream: Name,
    /// How many of the requests are copied.
    #[serde(default = "Mirror::all")]
    #[schemars(extend("x-min" = "0%", "x-max" = "100%"))]
    pub share: Share,
}

impl Mirror {
    /// Every request.
    pub const fn all() -> Share {
        Share::percent(100)
    }
}

/// Which requests are meant. What is absent matches everything.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `match`"))]
pub struct Match {
    /// `shop.example.com`, or `*.example.com` for one or more labels in front. The port is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,
    /// `/orders` and all below it; `=/orders` only itself; `/orders/{id}` one segment for each
    /// name in braces, and nothing below it; `/files/{rest...}` the rest of the path.
    pub path: PathPattern,
    /// Methods; empty: all.
    pub methods: Vec<Method>,
    /// Fields that must be there, all of them.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters that must be there, all of them.
    pub query: Vec<QueryMatch>,
}

impl Default for Match {
    fn default() -> Self {
        Self {
            host: None,
            path: PathPattern::everything(),
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
        }
    }
}

/// A field that must be there.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a header match"))]
pub struct HeaderMatch {
    /// Its name.
    pub name: FieldName,
    /// Its exact value; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A query parameter that must be there, compared after percent-decoding.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a query match"))]
pub struct QueryMatch {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its exact value; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Changes to the path before it is forwarded: first `strip_prefix`, then `add_prefix`; or `path`
/// alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "a route's `rewrite`"))]
pub struct Rewrite {
    /// Removed from the front of the path, at a segment border.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// Put in front of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<String>,
    /// Instead of the path; may use the names of the route's own path in braces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Template>,
}

/// A redirect; parts that are absent stay as the client asked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a redirect"))]
pub struct Redirect {
    /// The scheme to go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<RedirectScheme>,
    /// The host to go to, with a port if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Template>,
    /// The path to go to. The query is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Template>,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "Redirect::permanent")]
    #[schemars(range(min = 301, max = 308))]
    pub status: u16,
}

impl Redirect {
    /// 308: permanent, method and body kept.
    pub const fn permanent() -> u16 {
        308
    }
}

/// The scheme of a redirect.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedirectScheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// A fixed response.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "a route's `respond`"))]
pub struct Respond {
    /// The status code.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// The body.
    #[serde(default)]
    #[schemars(length(max = 65_536))]
    pub body: String,
    /// The body's media type.
    #[serde(default = "Respond::plain_text")]
    #[schemars(extend("format" = "media-type"))]
    pub content_type: String,
}

impl Respond {
    /// What a body is when nothing else is said.
    pub fn plain_text() -> String {
        "text/plain; charset=utf-8".to_owned()
    }
}

/// Changes to the fields of a head, in this order: remove, set, add. Values may hold `{client}`,
/// `{client_certificate}` (SHA-256 of the certificate the client came with, in hex),
/// `{client_subject}`, `{consumer}` (who a policy has found it to be), `{host}`, `{method}`, `{path}`, `{query}`, `{scheme}`, `{request_id}`,
/// `{route}`, and the names of the route's path.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-noun" = "header edits"))]
pub struct HeaderEdits {
    /// Fields to remove.
    pub remove: Vec<FieldName>,
    /// Fields to set, whatever was there.
    #[schemars(extend("x-keys" = "field-name"))]
    pub set: IndexMap<FieldName, Template>,
    /// Fields to add to what is there.
    #[schemars(extend("x-keys" = "field-name"))]
    pub add: IndexMap<FieldName, Template>,
}

/// A page for answers that the proxy itself makes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-noun" = "an error page"))]
pub struct ErrorPage {
    /// The status codes it is for.
    #[schemars(length(min = 1), inner(range(min = 400, max = 599)))]
    pub statuses: Vec<u16>,
    /// The file that is sent, read at load.
    #[schemars(extend("format" = "file"))]
    pub file: PathBuf,
    /// Its media type.
    #[serde(default = "ErrorPage::html")]
    #[schemars(extend("format" = "media-type"))]
    pub content_type: String,
}

impl ErrorPage {
    /// What a page is when nothing else is said.
    pub fn html() -> String {
        "text/html; charset=utf-8".to_owned()
    }
}
