//! From Pingora's errors to our reasons: the one place that knows both.

use marchproxy_decide::verdict::Reason;
use pingora_error::ErrorType::{
    ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed, H2Error, HTTPStatus,
    HandshakeError, InvalidCert, InvalidH2, InvalidHTTPHeader, ReadError, ReadTimedout,
    TLSHandshakeFailure, TLSHandshakeTimedout, WriteError, WriteTimedout,
};
use pingora_error::{Error, ErrorSource};

use super::flow::Flow;

/// Why Pingora gave up.
pub(super) fn reason(error: &Error, flow: &Flow) -> Reason {
    if let Some(reason) = flow.interrupted().or(flow.reason()) {
        return reason;
    }
    match error.esource() {
        ErrorSource::Upstream => upstream(error),
        ErrorSource::Downstream => downstream(error),
        ErrorSource::Internal | ErrorSource::Unset => Reason::Internal,
    }
}

fn upstream(error: &Error) -> Reason {
    match error.etype() {
        ConnectTimedout | TLSHandshakeTimedout => Reason::ConnectTimeout,
        ConnectRefused | ConnectNoRoute => Reason::ConnectRefused,
        TLSHandshakeFailure | InvalidCert | HandshakeError => Reason::UpstreamTls,
        ReadTimedout | WriteTimedout => Reason::UpstreamTimeout,
        InvalidHTTPHeader | InvalidH2 => Reason::UpstreamMalformed,
        ConnectionClosed | ReadError | WriteError | H2Error => Reason::UpstreamReset,
        _ => Reason::ConnectRefused,
    }
}

fn downstream(error: &Error) -> Reason {
    match error.etype() {
        ReadTimedout => Reason::BodyTime,
        WriteTimedout => Reason::ClientSlow,
        HTTPStatus(_) | InvalidHTTPHeader => Reason::ClientProtocol,
        _ => Reason::ClientGone,
    }
}
