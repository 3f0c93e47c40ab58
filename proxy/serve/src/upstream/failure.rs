//! From Pingora's errors to our reasons: the one place that knows both.

use std::io;

use marchproxy_decide::verdict::Reason;
use pingora_error::Error;
use pingora_error::ErrorType::{
    ConnectTimedout, HandshakeError, InvalidCert, TLSHandshakeFailure, TLSHandshakeTimedout,
};

/// Why no connection to an endpoint could be made.
pub(super) fn reason(error: &Error) -> Reason {
    match error.etype() {
        ConnectTimedout | TLSHandshakeTimedout => Reason::ConnectTimeout,
        TLSHandshakeFailure | InvalidCert | HandshakeError => Reason::UpstreamTls,
        // A connection that was made, and reset before anything could be said on it.
        _ if is_reset(error) => Reason::UpstreamReset,
        _ => Reason::ConnectRefused,
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
