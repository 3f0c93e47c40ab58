//! What a checkpoint decided, and the stable reason codes of everything that can go wrong.

use std::fmt;

use http::StatusCode;

use crate::answer::Answer;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The client asked wrongly, too slowly, or went away.
    Client,
    /// The upstream failed or answered wrongly.
    Upstream,
    /// The proxy itself, or how it was configured.
    Proxy,
}

impl Fault {
    /// Its name in logs and docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Proxy => "proxy",
        }
    }
}

/// What one checkpoint decided.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing stands against the request: on to the next checkpoint.
    Pass,
    /// The request is answered here, as configured (a redirect or a fixed response).
    Answer(Box<Answer>),
    /// The request (or the upstream's answer) is refused.
    Refuse(Reason),
}

impl Verdict {
    /// What the next checkpoint says, if nothing stands against the request so far.
    #[must_use]
    pub fn then(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Pass => next(),
            ended => ended,
        }
    }
}

/// Writes the reasons once: the enum, its table and the list of all.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $fault:ident, $title:literal;)+) => {
        /// Why a request was not answered by its upstream. The codes are stable: they are metric
        /// labels, log fields and headings of the docs.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Reason {
            $($(#[$doc])* #[doc = $title] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the docs.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, such as `sanity.host_missing`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The status code as a number. 499 is only ever logged: nobody is there to read it.
            pub const fn status_number(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Whose fault it is.
            pub const fn whose(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)+ }
            }

            /// What happened, in one short sentence that gives nothing of the configuration away.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

reasons! {
    RequestLine = "sanity.request_line", 400, Client, "The request line is not a method, a target and a version.";
    Version = "sanity.version", 505, Client, "The protocol version is not supported.";
    LineEnding = "sanity.line_ending", 400, Client, "A line does not end with CR LF.";
    Folding = "sanity.folding", 400, Client, "A field is folded over several lines.";
    FieldName = "sanity.field_name", 400, Client, "The name of a field is not a token.";
    FieldValue = "sanity.field_value", 400, Client, "The value of a field holds a forbidden character.";
    Connection = "sanity.connection_field", 400, Client, "A field that belongs to an HTTP/1 connection is in an HTTP/2 request.";
    HostMissing = "sanity.host_missing", 400, Client, "The request names no host.";
    HostRepeated = "sanity.host_repeated", 400, Client, "The request has more than one Host field.";
    HostInvalid = "sanity.host_invalid", 400, Client, "The host is not a valid name or address.";
    HostDiffers = "sanity.host_differs", 400, Client, "The target and the Host field name different hosts.";
    Misdirected = "sanity.misdirected", 421, Client, "This connection does not meet the TLS terms of the host.";
    FramingConflict = "sanity.framing_conflict", 400, Client, "The request says in two ways how long its body is.";
    LengthInvalid = "sanity.length_invalid", 400, Client, "The content length is not one plain number.";
    CodingUnknown = "sanity.coding_unknown", 501, Client, "The transfer coding is not supported.";
    CodingInvalid = "sanity.coding_invalid", 400, Client, "The transfer coding is not exactly chunked.";
    CodingVersion = "sanity.coding_version", 400, Client, "A transfer coding does not go with this protocol version.";
    ChunkSize = "sanity.chunk_size", 400, Client, "A chunk of the body has no valid size.";
    ChunkExtension = "sanity.chunk_extension", 400, Client, "A chunk extension is malformed or too long.";
    ChunkEnd = "sanity.chunk_end", 400, Client, "A chunk of the body does not end where its size says.";
    Trailer = "sanity.trailer", 400, Client, "The trailer section is malformed, too long, or holds a forbidden field.";
    Target = "sanity.target", 400, Client, "The request target is malformed.";
    PathEscape = "sanity.path_escape", 400, Client, "The path holds an invalid or forbidden percent escape.";
    PathAboveRoot = "sanity.path_above_root", 400, Client, "The path leads above its root.";
    PathDots = "sanity.path_dots", 400, Client, "The path holds a dot segment with parameters.";
    EncodedSlash = "sanity.encoded_slash", 400, Client, "The path holds an encoded slash or a backslash.";
    MethodRefused = "sanity.method_refused", 405, Client, "This method is not served by the proxy.";
    Expectation = "sanity.expectation", 417, Client, "The expectation is not known.";
    ContentCoding = "sanity.content_coding", 400, Client, "The body is not coded as the request says.";
    HeadSize = "limit.head_size", 431, Client, "The head of the request is too long.";
    Fields = "limit.fields", 431, Client, "The request has too many fields.";
    TargetSize = "limit.target_size", 414, Client, "The request target is too long.";
    BodySize = "limit.body_size", 413, Client, "The body of the request is too long.";
    DecodedSize = "limit.decoded_size", 413, Client, "The body of the request is too long when it is decompressed.";
    HeadTime = "limit.head_time", 408, Client, "The head of the request took too long to arrive.";
    BodyTime = "limit.body_time", 408, Client, "The body of the request took too long to arrive.";
    RouteNone = "route.none", 404, Client, "No route leads there.";
    RouteMethod = "route.method", 405, Client, "The method is not allowed there.";
    IdentityMissing = "identity.missing", 401, Client, "The client does not say who it is.";
    ApiKeyMalformed = "identity.api_key_malformed", 401, Client, "The API key is not one, or was cut or mistyped.";
    ApiKeyUnknown = "identity.api_key_unknown", 401, Client, "The API key is not known.";
    ApiKeyExpired = "identity.api_key_expired", 401, Client, "The API key has expired.";
    AccessDenied = "access.denied", 403, Client, "The client may not do this.";
    LimitRate = "limit.rate", 429, Client, "The client has sent too many requests.";
    NotCached = "cache.nothing", 504, Client, "Only the cache was to be asked, and it has nothing.";
    NoEndpoint = "upstream.no_endpoint", 503, Upstream, "No server is available.";
    UpstreamBusy = "upstream.busy", 503, Upstream, "The server has too many requests.";
    Unresolved = "upstream.unresolved", 503, Upstream, "The name of the server could not be looked up.";
    ConnectRefused = "upstream.connect_refused", 502, Upstream, "The server could not be reached.";
    ConnectTimeout = "upstream.connect_timeout", 504, Upstream, "The server took too long to accept a connection.";
    UpstreamTls = "upstream.tls", 502, Upstream, "No secure connection to the server could be made.";
    UpstreamPin = "upstream.pin", 502, Upstream, "The server's key is not the expected one.";
    UpstreamTimeout = "upstream.timeout", 504, Upstream, "The server took too long to answer.";
    UpstreamReset = "upstream.reset", 502, Upstream, "The server closed the connection early.";
    UpstreamMalformed = "upstream.malformed", 502, Upstream, "The server's answer is malformed.";
    UpstreamHeadSize = "upstream.head_size", 502, Upstream, "The head of the server's answer is too long.";
    UpstreamDecodedSize = "upstream.decoded_size", 502, Upstream, "The server's answer is too long when it is decompressed.";
    UpstreamUpgrade = "upstream.upgrade", 502, Upstream, "The server switched protocols without being asked.";
    NoUpgrade = "upstream.no_upgrade", 502, Upstream, "The server speaks a protocol that cannot be switched.";
    ClientGone = "client.gone", 499, Client, "The client closed the connection before the answer was complete.";
    ClientSlow = "client.slow", 499, Client, "The client took too long to read the answer.";
    ClientProtocol = "client.protocol", 400, Client, "The client broke the rules of the protocol.";
    Draining = "proxy.draining", 503, Proxy, "The time to finish was over when the proxy or its listener was stopped.";
    Internal = "proxy.internal", 500, Proxy, "The proxy failed.";
}

impl Reason {
    /// The status code that a client gets. 499 exists in logs only; here it reads 400.
    pub fn status(self) -> StatusCode {
        match self.status_number() {
            499 => StatusCode::BAD_REQUEST,
            number => StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Whether nothing can be sent any more: the reason is for log and metrics alone.
    pub const fn is_log_only(self) -> bool {
        self.status_number() == 499
    }

    /// Whether an HTTP/1 connection must be closed after the refusal, because where the next
    /// request begins is unknown or the client is not to be trusted about it (RFC 9112, sections
    /// 6.3 and 11.2).
    #[expect(clippy::too_many_lines, reason = "each reason is decided on by name")]
    pub const fn closes(self) -> bool {
        match self {
            Self::Misdirected
            | Self::RouteNone
            | Self::RouteMethod
            | Self::IdentityMissing
            | Self::ApiKeyMalformed
            | Self::ApiKeyUnknown
            | Self::ApiKeyExpired
            | Self::AccessDenied
            | Self::LimitRate
            | Self::NotCached
            | Self::NoEndpoint
            | Self::UpstreamBusy
            | Self::Unresolved
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::UpstreamTls
            | Self::UpstreamPin
            | Self::UpstreamTimeout
            | Self::UpstreamReset
            | Self::UpstreamMalformed
            | Self::UpstreamHeadSize
            | Self::UpstreamDecodedSize
            | Self::UpstreamUpgrade
            | Self::NoUpgrade => false,
            Self::RequestLine
            | Self::Version
            | Self::LineEnding
            | Self::Folding
            | Self::FieldName
            | Self::FieldValue
            | Self::Connection
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::HostDiffers
            | Self::FramingConflict
            | Self::LengthInvalid
            | Self::CodingUnknown
            | Self::CodingInvalid
            | Self::CodingVersion
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkEnd
            | Self::Trailer
            | Self::Target
            | Self::PathEscape
            | Self::PathAboveRoot
            | Self::PathDots
            | Self::EncodedSlash
            | Self::MethodRefused
            | Self::Expectation
            | Self::ContentCoding
            | Self::HeadSize
            | Self::Fields
            | Self::TargetSize
            | Self::BodySize
            | Self::DecodedSize
            | Self::HeadTime
            | Self::BodyTime
            | Self::ClientGone
            | Self::ClientSlow
            | Self::ClientProtocol
            | Self::Draining
            | Self::Internal => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests;
