//! One exchange with an endpoint, whichever version it speaks.

use std::task::{Context, Poll};

use super::failure::Failure;
use super::http1::Http1;
use super::http2::Http2;
use crate::edge::{AnswerHead, Outbound, Piece};

/// One exchange with an endpoint.
pub enum Session {
    /// On a connection of its own.
    Http1(Http1),
    /// On a stream of a shared connection.
    Http2(Http2),
}

impl Session {
    /// Sends the head of the request.
    ///
    /// # Errors
    /// The connection does not take it.
    pub fn start(&mut self, outbound: &Outbound) -> Result<(), Failure> {
        match self {
            Self::Http1(session) => {
                session.start(outbound);
                Ok(())
            }
            Self::Http2(session) => session.start(outbound),
        }
    }

    /// Ready when another piece of the request can be sent.
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match self {
            Self::Http1(session) => session.poll_room(context),
            Self::Http2(session) => session.poll_room(context),
        }
    }

    /// Takes a piece of the request.
    ///
    /// # Errors
    /// It is more, or less, than the head said.
    pub fn send(&mut self, piece: Piece) -> Result<(), Failure> {
        match self {
            Self::Http1(session) => session.send(piece),
            Self::Http2(session) => session.send(piece),
        }
    }

    /// Ready when all that was sent is on its way.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match self {
            Self::Http1(session) => session.poll_flush(context),
            Self::Http2(session) => session.poll_flush(context),
        }
    }

    /// The next head of the answer: interim ones, and the final one.
    pub fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerHead, Failure>> {
        match self {
            Self::Http1(session) => session.poll_head(context),
            Self::Http2(session) => session.poll_head(context),
        }
    }

    /// Whether nothing follows the head of the answer.
    pub fn is_answer_over(&self) -> bool {
        match self {
            Self::Http1(session) => session.is_answer_over(),
            Self::Http2(session) => session.is_answer_over(),
        }
    }

    /// The next piece of the answer.
    pub fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        match self {
            Self::Http1(session) => session.poll_body(context),
            Self::Http2(session) => session.poll_body(context),
        }
    }

    /// After a failure: keeps others from the connection it ran on.
    pub fn give_up(self) {
        match self {
            // It ends with this.
            Self::Http1(_) => {}
            Self::Http2(session) => session.shared().retire(),
        }
    }

    /// After a 101: bytes pass as they are.
    pub fn open_tunnel(&mut self) {
        if let Self::Http1(session) = self {
            session.open_tunnel();
        }
    }
}
