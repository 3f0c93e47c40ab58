//! HTTP/2 streams: what the client's side and the endpoint's have in common.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};

use crate::edge::Piece;

/// What may wait on one stream for whom it is sent to, beyond the window that was granted.
pub const SEND_BUFFER: usize = 64 << 10;

/// The sending half of a stream. Holds one piece at most, so that the last one and the end of the
/// stream leave in one frame.
pub struct Sending {
    stream: SendStream<Bytes>,
    held: Bytes,
    is_end: bool,
    is_over: bool,
}

impl Sending {
    /// Of a stream whose head has been sent.
    pub fn new(stream: SendStream<Bytes>) -> Self {
        Self { stream, held: Bytes::new(), is_end: false, is_over: false }
    }

    /// Of a stream that has ended with its head.
    pub fn over(stream: SendStream<Bytes>) -> Self {
        Self { is_over: true, ..Self::new(stream) }
    }

    /// Ready when another piece can be added.
    pub fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if self.held.is_empty() { Poll::Ready(Ok(())) } else { self.poll_held(context) }
    }

    /// Adds a piece, when there is room, or the end.
    pub fn add(&mut self, piece: Piece) -> Result<(), h2::Error> {
        match piece {
            Piece::Data(bytes) => {
                self.stream.reserve_capacity(bytes.len());
                self.held = bytes;
                Ok(())
            }
            Piece::End(None) => {
                self.is_end = true;
                Ok(())
            }
            Piece::End(Some(trailers)) => {
                self.is_over = true;
                self.stream.send_trailers(*trailers)
            }
        }
    }

    /// Ready when all has been handed over.
    pub fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        ready!(self.poll_held(context))?;
        if self.is_end && !self.is_over {
            self.is_over = true;
            return Poll::Ready(self.stream.send_data(Bytes::new(), true));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while !self.held.is_empty() {
            let mut room = self.stream.capacity();
            if room == 0 {
                room = match ready!(self.stream.poll_capacity(context)) {
                    Some(room) => room?,
                    None => return Poll::Ready(Err(h2::Reason::CANCEL.into())),
                };
            }
            let part = self.held.split_to(room.min(self.held.len()));
            let is_last = self.is_end && self.held.is_empty();
            if !part.is_empty() {
                self.is_over |= is_last;
                self.stream.send_data(part, is_last)?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Resolves when the other side wants no more of the stream.
    pub fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(context).map(|_| ())
    }

    /// Breaks the stream off.
    pub fn reset(&mut self, reason: h2::Reason) {
        self.stream.send_reset(reason);
    }
}

/// The next piece of what a stream carries.
pub fn poll_piece(
    stream: &mut RecvStream,
    context: &mut Context<'_>,
) -> Poll<Result<Piece, h2::Error>> {
    while let Some(bytes) = ready!(stream.poll_data(context)) {
        let bytes = bytes?;
        // Whoever asks for the next piece has got rid of the one before.
        stream.flow_control().release_capacity(bytes.len())?;
        if !bytes.is_empty() {
            return Poll::Ready(Ok(Piece::Data(bytes)));
        }
    }
    let trailers = ready!(stream.poll_trailers(context))?;
    Poll::Ready(Ok(Piece::End(trailers.map(Box::new))))
}
