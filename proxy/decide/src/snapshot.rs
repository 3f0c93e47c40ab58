//! What was configured, compiled: one immutable value, shared by all requests that begin while it
//! is current.

mod compile;
mod edits;
mod policies;

pub use compile::compile;
pub use edits::{Edits, HeaderTemplate, TextTemplate};
pub use policies::{AccessRule, AccessRules, Asks, IdentityRules, LimitRules, PolicyRules};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use marchproxy_conf::model::{self, AccessLogFormat, RedirectScheme};
use marchproxy_conf::values::{Network, Share};

use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::router::Routers;
use crate::wire::head::HeadLimits;

/// What was configured, compiled.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts the configurations of one process.
    pub generation: u64,
    /// The digest of the canonical form it was compiled from.
    pub digest: String,
    /// In the order of the configuration.
    pub listeners: Vec<ListenerRules>,
    /// In the order of the configuration.
    pub policies: Vec<PolicyRules>,
    /// In the order of the configuration.
    pub routes: Vec<RouteRules>,
    /// In the order of the configuration.
    pub upstreams: Vec<UpstreamRules>,
    /// Whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` fields are believed.
    pub trusted: Vec<Network>,
    /// Which request takes which route.
    pub routers: Routers,
    /// For answers of the proxy itself when the route has none.
    pub error_pages: ErrorPages,
    /// How a line of the access log looks.
    pub access_log: AccessLogFormat,
    /// How many of the traces that begin here are recorded; `None`: none is, nor are those of
    /// others.
    pub traces: Option<Share>,
}

/// What is asked of requests of one listener.
#[derive(Debug)]
pub struct ListenerRules {
    /// Its name.
    pub name: Arc<str>,
    /// Limits on a request's head.
    pub head: HeadLimits,
    /// How long a head may take.
    pub head_time: Duration,
    /// The longest body, unless the route says otherwise.
    pub body_size: u64,
    /// The longest wait for the next piece of a body.
    pub body_idle: Duration,
    /// The longest wait for a client to take a piece of an answer.
    pub answer_idle: Duration,
    /// On which TLS terms requests are served; `None` on plain text.
    pub tls: Option<Arc<model::ListenerTls>>,
}

/// One route.
#[derive(Debug)]
pub struct RouteRules {
    /// Its name.
    pub name: Arc<str>,
    /// The positions of what is asked of its requests.
    pub policies: Vec<usize>,
    /// Fields by which clients say who they are, and which the upstream does not get.
    pub credentials: Vec<HeaderName>,
    /// What clients are told of its limits; `None`: it has none.
    pub limit_policy: Option<HeaderValue>,
    /// What becomes of its requests.
    pub action: Action,
    /// Parts of what is forwarded that go elsewhere.
    pub split: Vec<Part>,
    /// What is forwarded twice.
    pub mirror: Option<Part>,
    /// How much of a request's body is taken before an endpoint is asked.
    pub request_buffer: u64,
    /// How long one endpoint is waited for before another is asked as well.
    pub hedge: Option<Duration>,
    /// Changes to the path before it is forwarded.
    pub rewrite: Option<Rewrite>,
    /// Changes to the fields of the request.
    pub request_edits: Edits,
    /// Changes to the fields of the answer.
    pub response_edits: Edits,
    /// The longest time for the whole request, instead of the upstream's.
    pub timeout: Option<Duration>,
    /// The longest body, instead of the listener's.
    pub body_size: Option<u64>,
    /// How answers are compressed, if they are.
    pub compress: Option<model::Compress>,
    /// How bodies are decompressed, if they are.
    pub decompress: Option<model::Decompress>,
    /// Who may call in gRPC-Web, if anybody.
    pub grpc_web: Option<model::GrpcWeb>,
    /// For answers of the proxy itself.
    pub error_pages: ErrorPages,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Action {
    /// Forwarded to the upstream at this position.
    Forward(usize),
    /// Redirected.
    Redirect(Redirect),
    /// Answered.
    Respond(Answer),
}

/// A part of a route's requests.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The position of the upstream that it goes to.
    pub upstream: usize,
    /// How much it is.
    pub share: Share,
}

impl RouteRules {
    /// The upstream of a request, which the route forwards to `otherwise` if no part takes it.
    /// `random` is spread evenly over all numbers.
    pub fn upstream(&self, otherwise: usize, random: u32) -> usize {
        let mut left = percent(random);
        for part in &self.split {
            match left.checked_sub(part.share.as_percent().into()) {
                None => return part.upstream,
                Some(rest) => left = rest,
            }
        }
        otherwise
    }

    /// The upstream that gets a copy of a request.
    pub fn mirror(&self, random: u32) -> Option<usize> {
        let mirror = self.mirror.filter(|part| percent(random) < part.share.as_percent().into())?;
        Some(mirror.upstream)
    }
}

/// 0 to 99.
fn percent(random: u32) -> u32 {
    u32::try_from((u64::from(random) * 100) >> 32).unwrap_or(0)
}

/// A redirect; what is absent stays as the client asked.
#[derive(Debug)]
pub struct Redirect {
    /// The status.
    pub status: StatusCode,
    /// The scheme.
    pub scheme: Option<RedirectScheme>,
    /// The host, with a port if it needs one.
    pub host: Option<TextTemplate>,
    /// The path.
    pub path: Option<TextTemplate>,
}

/// Changes to a path.
#[derive(Debug)]
pub enum Rewrite {
    /// One prefix is taken away, then one is put in front. Both begin with a slash and end without
    /// one, or are empty.
    Prefix {
        /// Taken away at a segment border.
        strip: String,
        /// Put in front.
        add: String,
    },
    /// Instead of the path.
    Path(TextTemplate),
}

/// One upstream.
#[derive(Debug)]
pub struct UpstreamRules {
    /// Its name.
    pub name: Arc<str>,
    /// As configured.
    pub model: Arc<model::Upstream>,
}

/// Pages for answers that the proxy itself makes.
#[derive(Debug, Default)]
pub struct ErrorPages(Vec<ErrorPage>);

/// A page.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// The statuses it is for.
    pub statuses: Vec<StatusCode>,
    /// What is sent.
    pub body: Bytes,
    /// Its media type.
    pub content_type: HeaderValue,
}

impl ErrorPages {
    /// The first page that is for `status`.
    pub fn find(&self, status: StatusCode) -> Option<&ErrorPage> {
        self.0.iter().find(|page| page.statuses.contains(&status))
    }
}

impl Snapshot {
    /// The position of the listener with this name.
    pub fn listener(&self, name: &str) -> Option<usize> {
        self.listeners.iter().position(|listener| &*listener.name == name)
    }

    /// The route an exchange has taken.
    pub fn route(&self, exchange: &Exchange) -> Option<&RouteRules> {
        self.routes.get(exchange.route?)
    }

    /// The listener an exchange came through.
    pub fn listener_of(&self, exchange: &Exchange) -> Option<&ListenerRules> {
        self.listeners.get(exchange.listener)
    }

    /// The upstream an exchange goes to.
    pub fn upstream(&self, exchange: &Exchange) -> Option<&UpstreamRules> {
        self.upstreams.get(exchange.upstream?)
    }

    /// The longest body that an exchange may have: its route's limit, else its listener's.
    pub fn body_limit(&self, exchange: &Exchange) -> u64 {
        let of_route = self.route(exchange).and_then(|route| route.body_size);
        let of_listener = || self.listener_of(exchange).map(|listener| listener.body_size);
        of_route.or_else(of_listener).unwrap_or(0)
    }

    /// Whether what a proxy at this address says of a request is believed.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}
