//! What arrives on an HTTP/1 stream: heads as they stand, bodies without their framing.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::body::BodyWatch;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::fields;
use crate::edge::Piece;

/// What one read of a head asks for.
const HEAD_READ: usize = 4 << 10;
/// What one read of a body asks for.
const BODY_READ: usize = 32 << 10;

/// What the next bytes are.
#[derive(Debug, Default)]
pub enum Arriving {
    /// A head, or nothing.
    #[default]
    Head,
    /// A body whose end is known by its framing.
    Body(BodyWatch),
    /// All that comes until the end of the stream.
    UntilEnd,
    /// A body that is over.
    Over,
}

/// Why a body does not arrive.
#[derive(Debug)]
pub enum Broken {
    /// The stream failed.
    Io(io::Error),
    /// It ended within the body.
    Ended,
    /// The framing is wrong.
    Framing(Reason),
}

/// The receiving half of an HTTP/1 stream. Holds a buffer only while there is something in it.
#[derive(Debug, Default)]
pub struct Incoming {
    waiting: BytesMut,
    arriving: Arriving,
}

impl Incoming {
    /// Bytes that have arrived and were not taken yet.
    pub fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// Puts a byte behind what waits.
    pub fn push(&mut self, byte: u8) {
        self.waiting.extend_from_slice(&[byte]);
    }

    /// Takes all that waits.
    pub fn take_waiting(&mut self) -> BytesMut {
        std::mem::take(&mut self.waiting)
    }

    /// Gives back a buffer that holds nothing.
    pub fn trim(&mut self) {
        if self.waiting.is_empty() {
            self.waiting = BytesMut::new();
        }
    }

    /// Takes a head of `length` bytes out, and says what follows it.
    pub fn take_head(&mut self, length: usize, then: Arriving) -> Bytes {
        self.arriving = then;
        self.waiting.split_to(length.min(self.waiting.len())).freeze()
    }

    /// Says what follows what has been taken.
    pub fn expect(&mut self, then: Arriving) {
        self.arriving = then;
    }

    /// Whether the body of the running message is over, or there is none.
    pub fn is_over(&self) -> bool {
        match &self.arriving {
            Arriving::Over => true,
            Arriving::Body(watch) => watch.is_done(),
            Arriving::Head | Arriving::UntilEnd => false,
        }
    }

    /// Whether nothing is to come that belongs to a message that has begun.
    pub fn is_idle(&self) -> bool {
        self.is_over() || matches!(self.arriving, Arriving::Head)
    }

    /// Reads once. Gives the count; 0 is the end of the stream.
    pub fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let room = if matches!(self.arriving, Arriving::Head) { HEAD_READ } else { BODY_READ };
        self.waiting.reserve(room);
        pin!(stream.read_buf(&mut self.waiting)).poll(context)
    }

    /// The next piece of the body.
    pub fn poll_piece(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, Broken>> {
        loop {
            match &mut self.arriving {
                Arriving::Head | Arriving::Over => return Poll::Ready(Ok(Piece::End(None))),
                Arriving::Body(watch) => {
                    let step = watch.step(&self.waiting).map_err(Broken::Framing)?;
                    self.waiting.advance(step.framing.min(self.waiting.len()));
                    if step.content > 0 {
                        return Poll::Ready(Ok(Piece::Data(self.take(step.content))));
                    }
                    if step.done {
                        let trailers = Bytes::from(watch.take_trailers());
                        self.arriving = Arriving::Over;
                        let fields = fields::read(&trailers, 0).filter(|fields| !fields.is_empty());
                        return Poll::Ready(Ok(Piece::End(fields.map(Box::new))));
                    }
                }
                Arriving::UntilEnd if !self.waiting.is_empty() => {
                    let count = self.waiting.len();
                    return Poll::Ready(Ok(Piece::Data(self.take(count))));
                }
                Arriving::UntilEnd => {}
            }
            match ready!(self.poll_read(stream, context)).map_err(Broken::Io)? {
                0 if matches!(self.arriving, Arriving::UntilEnd) => {
                    self.arriving = Arriving::Over;
                }
                0 => return Poll::Ready(Err(Broken::Ended)),
                _ => {}
            }
        }
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.waiting.split_to(count.min(self.waiting.len())).freeze()
    }
}
