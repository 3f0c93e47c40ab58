//! The body of a request on its way to an endpoint, or to several.

use std::task::{Context, Poll, ready};

use marchproxy_decide::request::forward;
use marchproxy_decide::verdict::Reason;

use super::mirror::Mirror;
use super::replay::Replay;
use super::{Client, Flow, Piece};

/// The body of a request: what has come of it, as far as it is kept, and what comes.
pub struct Upload {
    /// Its beginning.
    pub replay: Replay,
    /// The copy for a second upstream.
    pub mirror: Mirror,
}

impl Upload {
    /// The next piece: what was kept first, then what the client gives.
    pub fn poll<C: Client>(
        &mut self,
        client: &mut C,
        flow: &mut Flow,
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, Reason>> {
        if let Some(piece) = self.replay.next() {
            return Poll::Ready(Ok(piece));
        }
        let piece = ready!(self.take(client, flow, context))?;
        self.replay.keep(&piece);
        Poll::Ready(Ok(piece))
    }

    /// Holds the next piece that the client gives, to be sent later; gives its length, or nothing at
    /// the end.
    pub fn hold<C: Client>(
        &mut self,
        client: &mut C,
        flow: &mut Flow,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<usize>, Reason>> {
        let piece = ready!(self.take(client, flow, context))?;
        let length = match &piece {
            Piece::Data(bytes) => Some(bytes.len()),
            Piece::End(_) => None,
        };
        self.replay.hold(piece);
        Poll::Ready(Ok(length))
    }

    fn take<C: Client>(
        &mut self,
        client: &mut C,
        flow: &mut Flow,
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, Reason>> {
        let piece = ready!(client.poll_body(context))?;
        let is_fit = match &piece {
            Piece::Data(bytes) => flow.body_passes(bytes.len()),
            Piece::End(Some(trailers)) => {
                forward::check_trailers(trailers)?;
                true
            }
            Piece::End(None) => true,
        };
        if !is_fit {
            return Poll::Ready(Err(Reason::BodySize));
        }
        self.mirror.copy(&piece);
        Poll::Ready(Ok(piece))
    }
}
