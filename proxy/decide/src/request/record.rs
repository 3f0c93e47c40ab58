//! What is written down of a request: one line of the access log.
//!
//! `Authorization`, cookies and bodies are never written. The query is part of the path that is
//! written; what secrets it holds is up to those who put them there.

mod line;
mod table;
#[cfg(test)]
mod tests;
mod time;

pub use table::{FIELDS, LogField};

use http::header::{REFERER, USER_AGENT};
use http::{HeaderMap, Version};
use marchproxy_conf::model::AccessLogFormat;

use crate::exchange::{ClientCertificate, Exchange};
use crate::snapshot::Snapshot;
use line::Line;

/// Bytes of path and query that are written.
const MAX_PATH: usize = 2048;
/// Bytes of `User-Agent` and of `Referer` that are written.
const MAX_FIELD: usize = 512;

/// Appends the line of the access log, its line feed included; nothing when the log is off.
/// `headers` are those of the request, when there are any.
pub fn write(
    format: AccessLogFormat,
    snapshot: &Snapshot,
    exchange: &Exchange,
    headers: Option<&HeaderMap>,
    into: &mut Vec<u8>,
) {
    let mut line = match format {
        AccessLogFormat::Json => Line::json(into),
        AccessLogFormat::Text => Line::text(into),
        AccessLogFormat::Off => return,
    };
    write_origin(exchange, &mut line);
    write_request(exchange, &mut line);
    write_outcome(snapshot, exchange, &mut line);
    write_times(exchange, &mut line);
    if let Some(headers) = headers {
        for (name, field) in [("user_agent", USER_AGENT), ("referer", REFERER)] {
            if let Some(value) = headers.get(field) {
                line.bytes(name, bounded(value.as_bytes(), MAX_FIELD));
            }
        }
    }
    line.end();
}

fn write_origin(exchange: &Exchange, line: &mut Line<'_>) {
    let connection = &exchange.connection;
    line.plain("time", &time::rfc3339(exchange.unix_millis));
    line.plain("request_id", exchange.request_id.as_str().as_bytes());
    if let Some(id) = &exchange.trace_id {
        line.plain("trace_id", id);
    }
    if exchange.client == connection.client_ip {
        line.plain("client", connection.client_value.as_bytes());
    } else {
        line.plain("client", exchange.client.to_string().as_bytes());
    }
    line.plain("peer", connection.peer_text.as_bytes());
    line.bytes("listener", connection.listener.as_bytes());
    if let Some(tls) = &connection.tls {
        line.bytes("tls_version", tls.version_text().as_bytes());
        line.bytes("tls_cipher", tls.cipher.as_bytes());
        if let Some(sni) = &tls.sni {
            line.bytes("sni", sni.as_bytes());
        }
        if let Some(client) = &tls.client {
            write_client(client, line);
        }
    }
}

fn write_client(client: &ClientCertificate, line: &mut Line<'_>) {
    line.bytes("client_subject", bounded(client.subject.as_bytes(), MAX_FIELD));
    line.plain("client_certificate", client.fingerprint.as_bytes());
    line.plain("client_serial", client.serial.as_bytes());
    if !client.names.is_empty() {
        line.bytes("client_names", bounded(client.names.as_bytes(), MAX_FIELD));
    }
}

fn write_request(exchange: &Exchange, line: &mut Line<'_>) {
    if let Some(consumer) = &exchange.consumer {
        line.plain("consumer", consumer.as_bytes());
    }
    line.bytes("method", exchange.method.as_str().as_bytes());
    line.plain("scheme", exchange.scheme.as_str().as_bytes());
    line.bytes("host", exchange.authority().as_bytes());
    line.bytes("path", bounded(exchange.path_and_query().as_bytes(), MAX_PATH));
    line.plain("protocol", protocol(exchange.version).as_bytes());
}

fn write_outcome(snapshot: &Snapshot, exchange: &Exchange, line: &mut Line<'_>) {
    line.number("status", u64::from(exchange.status_told()));
    if let Some(reason) = exchange.reason {
        line.plain("reason", reason.code().as_bytes());
    }
    if let Some(policy) = exchange.policy.and_then(|at| snapshot.policies.get(at)) {
        line.plain("policy", policy.name.as_bytes());
    }
    if let Some(route) = snapshot.route(exchange) {
        line.plain("route", route.name.as_bytes());
    }
    if let Some(upstream) = snapshot.upstream(exchange) {
        line.plain("upstream", upstream.name.as_bytes());
    }
    if let Some(endpoint) = &exchange.endpoint {
        line.bytes("endpoint", endpoint.as_bytes());
    }
    if let Some(cache) = exchange.cache {
        line.plain("cache", cache.as_str().as_bytes());
    }
    line.number("attempts", u64::from(exchange.attempts));
    line.number("bytes_in", exchange.bytes_in);
    line.number("bytes_out", exchange.bytes_out);
    line.number("generation", snapshot.generation);
}

fn write_times(exchange: &Exchange, line: &mut Line<'_>) {
    let marks = &exchange.marks;
    let times = [
        ("duration_ms", marks.total()),
        ("head_ms", marks.head_took()),
        ("connect_ms", marks.connect_took()),
        ("first_byte_ms", marks.first_byte_took()),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            line.millis(name, time);
        }
    }
}

/// The version as it is written in logs.
pub(crate) const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn bounded(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}
