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

/// The receiving half of an HTTP/1 stream. Gives its buffer back while a body pauses, and when trimmed.
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
        let read = pin!(stream.read_buf(&mut self.waiting)).poll(context);
        if read.is_pending() && room == BODY_READ {
            // The next piece may be long in coming.
            self.trim();
        }
        read
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Waker;

    use marchproxy_decide::wire::head::Framing;
    use tokio::io::ReadBuf;

    use super::*;

    /// Gives so many bytes at a time, then its end.
    struct Drip(usize, Bytes);

    impl AsyncRead for Drip {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let count = self.0.min(self.1.len()).min(into.remaining());
            into.put_slice(&self.1.split_to(count));
            Poll::Ready(Ok(()))
        }
    }

    /// The content, the trailers' names, and what waits behind the body.
    type Read = Result<(Vec<u8>, Vec<String>, Vec<u8>), Broken>;

    fn read(bytes: &'static [u8], width: usize, arriving: Arriving) -> Read {
        let mut stream = Drip(width, Bytes::from_static(bytes));
        let mut incoming = Incoming::default();
        incoming.expect(arriving);
        let mut context = Context::from_waker(Waker::noop());
        let mut got = Vec::new();
        loop {
            let Poll::Ready(piece) = incoming.poll_piece(&mut stream, &mut context) else {
                panic!("it never waits");
            };
            match piece? {
                Piece::Data(bytes) => got.extend_from_slice(&bytes),
                Piece::End(trailers) => {
                    let names = trailers.iter().flat_map(|trailers| trailers.keys());
                    let names = names.map(ToString::to_string).collect();
                    assert!(incoming.is_over());
                    return Ok((got, names, incoming.take_waiting().to_vec()));
                }
            }
        }
    }

    fn chunked() -> Arriving {
        Arriving::Body(BodyWatch::new(Framing::Chunked, u64::MAX))
    }

    #[test]
    fn a_body_is_freed_of_its_framing_however_it_comes() {
        let body = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\nGET";
        for width in [1, 2, 5, 1000] {
            let (content, trailers, rest) = read(body, width, chunked()).unwrap();
            assert_eq!((&content[..], trailers), (&b"abcdefg"[..], vec!["x-sum".to_owned()]));
            assert!(b"GET".starts_with(&rest), "{rest:?}");
            let length = Arriving::Body(BodyWatch::new(Framing::Length(5), u64::MAX));
            let (content, ..) = read(b"hello, world", width, length).unwrap();
            assert_eq!(content, b"hello");
            let (content, ..) = read(b"to the end", width, Arriving::UntilEnd).unwrap();
            assert_eq!(content, b"to the end");
        }
    }

    #[test]
    fn a_body_that_ends_too_early_or_breaks_its_framing_is_broken() {
        for width in [1, 1000] {
            assert!(matches!(read(b"3\r\nab", width, chunked()), Err(Broken::Ended)));
            let broken = read(b"3\r\nabcd", width, chunked());
            assert!(matches!(broken, Err(Broken::Framing(Reason::ChunkEnd))), "{broken:?}");
        }
    }
}
