//! What the fields of the access log mean.

/// A field of the access log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogField {
    /// Its name.
    pub name: &'static str,
    /// Its type in JSON.
    pub kind: &'static str,
    /// Whether it is in every line.
    pub always: bool,
    /// What it says.
    pub meaning: &'static str,
}

const fn always(name: &'static str, kind: &'static str, meaning: &'static str) -> LogField {
    LogField { name, kind, always: true, meaning }
}

const fn sometimes(name: &'static str, kind: &'static str, meaning: &'static str) -> LogField {
    LogField { name, kind, always: false, meaning }
}

/// Every field, in the order of a line.
pub const FIELDS: &[LogField] = &[
    always("time", "string", "When the request began: RFC 3339, UTC, milliseconds."),
    always(
        "request_id",
        "string",
        "Its id, also in `X-Request-Id` both ways: a trusted peer's, or a ULID.",
    ),
    sometimes("trace_id", "string", "The W3C trace id that was forwarded."),
    always("client", "string", "The client's address, as far as trusted proxies say."),
    always("peer", "string", "Address and port of the other end of the connection."),
    always("listener", "string", "The listener it came through."),
    sometimes("tls_version", "string", "`1.2` or `1.3`; absent without TLS."),
    sometimes("tls_cipher", "string", "The cipher suite."),
    sometimes("sni", "string", "The server name in the TLS handshake."),
    sometimes(
        "client_subject",
        "string",
        "The subject of the client's certificate, at most 512 bytes.",
    ),
    sometimes(
        "client_certificate",
        "string",
        "SHA-256 of the client's certificate, in hex; absent when it had none.",
    ),
    sometimes("client_serial", "string", "The serial number of the client's certificate, in hex."),
    sometimes(
        "client_names",
        "string",
        "Alternative names in the client's certificate, with their kinds, at most 512 bytes.",
    ),
    sometimes("consumer", "string", "Who the client is, as a policy has found."),
    always("method", "string", "The method; `-` when the head could not be read."),
    always("scheme", "string", "`http` or `https`, as far as trusted proxies say."),
    always("host", "string", "The host, in lower case, with a port that is not the scheme's own."),
    always(
        "path",
        "string",
        "Path in normal form and query, at most 2048 bytes; of a refused target, as it came.",
    ),
    always("protocol", "string", "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2`."),
    always("status", "number", "The status the client got; 499 when it was gone before."),
    sometimes("reason", "string", "Why it was refused or failed: see the table of reasons."),
    sometimes("policy", "string", "The policy that refused it."),
    sometimes("route", "string", "The route it took."),
    sometimes("upstream", "string", "The upstream it was forwarded to."),
    sometimes("endpoint", "string", "The endpoint that was chosen last."),
    sometimes(
        "cache",
        "string",
        "On a route with `cache`: `hit`, `collapsed`, `stale`, `stale_on_error`, `revalidated`, \
         `miss`, `uncacheable`, `pass` or `nothing`.",
    ),
    always("attempts", "number", "How many times an endpoint was tried."),
    always("bytes_in", "number", "Bytes of the request's body."),
    always("bytes_out", "number", "Bytes of the answer's body."),
    always("generation", "number", "The configuration it was served with."),
    sometimes(
        "duration_ms",
        "number",
        "From the first byte of the request to the end of the answer.",
    ),
    sometimes("head_ms", "number", "From the first byte of the request to the end of its head."),
    sometimes("connect_ms", "number", "From choosing an endpoint to a connection, new or kept."),
    sometimes("first_byte_ms", "number", "From a connection to the first byte of the answer."),
    sometimes("user_agent", "string", "`User-Agent`, at most 512 bytes."),
    sometimes("referer", "string", "`Referer`, at most 512 bytes."),
];
