//! Why an endpoint could not be reached, or an exchange with it failed.

use std::io;

use marchproxy_decide::verdict::Reason;
use pingora_error::Error;
use pingora_error::ErrorType::{
    ConnectTimedout, HandshakeError, InvalidCert, TLSHandshakeFailure, TLSHandshakeTimedout,
};

/// Why an exchange with an endpoint failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What is to be recorded.
    pub reason: Reason,
    /// What the endpoint made of the request.
    pub fate: Fate,
}

/// What an endpoint made of a request that failed; the worst comes last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fate {
    /// Nothing: it says so, or was never sent it.
    Unprocessed,
    /// Nothing has come of it. A kept connection may have been closed before the request was seen.
    Unknown,
    /// It has begun to answer, or was late.
    Begun,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, fate: Fate::Begun }
    }
}

/// Why no connection to an endpoint could be made: the one place that knows Pingora's errors and our
/// reasons.
pub(super) fn reason(error: &Error) -> Reason {
    match error.etype() {
        ConnectTimedout | TLSHandshakeTimedout => Reason::ConnectTimeout,
        TLSHandshakeFailure | InvalidCert | HandshakeError => Reason::UpstreamTls,
        // A connection that was made, and reset before anything could be said on it.
        _ if is_reset(error) => Reason::UpstreamReset,
        _ => Reason::ConnectRefused,
    }
}

/// The same, for people.
pub(super) fn explain(error: &Error) -> String {
    let cause = error.root_cause().to_string();
    let cause = cause.trim();
    match error.etype() {
        ConnectTimedout => "no connection within the time".to_owned(),
        TLSHandshakeTimedout => "no TLS handshake within the time".to_owned(),
        InvalidCert => format!("its certificate is not trusted: {cause}"),
        TLSHandshakeFailure | HandshakeError => format!("the TLS handshake failed: {cause}"),
        _ => cause.to_owned(),
    }
}

/// Whether somewhere beneath is the system's word that the peer has reset the connection.
fn is_reset(error: &Error) -> bool {
    let root: &(dyn std::error::Error + 'static) = error.root_cause();
    // The bound is for chains that lead back to themselves.
    let causes = std::iter::successors(Some(root), |cause| cause.source()).take(8);
    let mut io_errors = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    io_errors.any(|io| io.kind() == io::ErrorKind::ConnectionReset)
}
