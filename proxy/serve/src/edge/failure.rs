//! From Pingora's errors to our reasons: the one place that knows both.

use std::io;

use marchproxy_decide::verdict::Reason;
use pingora_error::ErrorType::{
    BindError, ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused, ConnectTimedout,
    ConnectionClosed, H2Error, HTTPStatus, HandshakeError, InvalidCert, InvalidHTTPHeader,
    ReadError, ReadTimedout, SocketError, TLSHandshakeFailure, TLSHandshakeTimedout, WriteError,
    WriteTimedout,
};
use pingora_error::{Error, ErrorSource};

use super::flow::Flow;
use crate::upstream::BadAnswer;

/// Why Pingora gave up.
pub(super) fn reason(error: &Error, flow: &Flow) -> Reason {
    if let Some(reason) = flow.interrupted().or(flow.reason()).or_else(|| bad_answer(error)) {
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
        TLSHandshakeFailure | InvalidCert | HandshakeError => Reason::UpstreamTls,
        ReadTimedout | WriteTimedout => Reason::UpstreamTimeout,
        // A connection that was made, and reset before anything could be said on it.
        ConnectError if is_reset(error) => Reason::UpstreamReset,
        ConnectionClosed | ReadError | WriteError | H2Error => Reason::UpstreamReset,
        ConnectRefused | ConnectNoRoute | ConnectError | ConnectProxyFailure | BindError
        | SocketError => Reason::ConnectRefused,
        // What was said on a connection that was made: broken chunks among others.
        _ => Reason::UpstreamMalformed,
    }
}

/// Whether somewhere beneath is the system's word that the peer has reset the connection.
fn is_reset(error: &Error) -> bool {
    io_errors(error).any(|io| io.kind() == io::ErrorKind::ConnectionReset)
}

/// Why the head of an answer was refused before Pingora could read it.
fn bad_answer(error: &Error) -> Option<Reason> {
    io_errors(error).find_map(|io| Some(io.get_ref()?.downcast_ref::<BadAnswer>()?.0))
}

fn io_errors(error: &Error) -> impl Iterator<Item = &io::Error> {
    let root: &(dyn std::error::Error + 'static) = error.root_cause();
    // The bound is for chains that lead back to themselves.
    let causes = std::iter::successors(Some(root), |cause| cause.source()).take(8);
    causes.filter_map(|cause| cause.downcast_ref())
}

fn downstream(error: &Error) -> Reason {
    match error.etype() {
        ReadTimedout => Reason::BodyTime,
        WriteTimedout => Reason::ClientSlow,
        HTTPStatus(_) | InvalidHTTPHeader => Reason::ClientProtocol,
        _ => Reason::ClientGone,
    }
}
