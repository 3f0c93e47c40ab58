//! What the edge asks of whoever sent a request.

use std::task::{Context, Poll};

use http::HeaderMap;
use http::StatusCode;
use marchproxy_decide::verdict::Reason;

use super::{AnswerHead, Piece};

/// The client's side of one request. Errors say what is to be recorded.
pub trait Client: Send {
    /// Whether the request has a body at all.
    fn has_body(&self) -> bool;

    /// Whether all of the body has been taken.
    fn is_body_done(&self) -> bool;

    /// The next piece of the body.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Reason>>;

    /// Resolves when the client is gone. To be asked once the body is over.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Has the connection end with the answer that comes next.
    fn close_after(&mut self);

    /// Sends an interim answer.
    fn send_interim(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Reason>;

    /// Begins the answer; `is_empty` says that no body follows. After a 101, what is sent and
    /// received is the other protocol's.
    fn begin_answer(&mut self, head: AnswerHead, is_empty: bool) -> Result<(), Reason>;

    /// Ready when another piece can be sent.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>>;

    /// Takes a piece of the answer.
    fn send(&mut self, piece: Piece) -> Result<(), Reason>;

    /// Ready when all that was sent is on its way.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>>;

    /// Breaks the answer off, so that the client cannot take it for complete.
    fn abort(&mut self);
}
