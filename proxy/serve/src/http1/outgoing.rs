//! What leaves on an HTTP/1 stream: gathered, so that head and body leave in one system call.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::fields;
use crate::edge::Piece;

/// Pieces up to this many bytes are copied behind what is gathered; larger ones are sent from where
/// they are.
const SMALL: usize = 8 << 10;
/// How much is gathered before it is sent.
const ENOUGH: usize = 16 << 10;

/// How the body that leaves is delimited.
#[derive(Clone, Copy, Debug, Default)]
pub enum Leaving {
    /// There is none.
    #[default]
    Nothing,
    /// By its length, of which so much is left.
    Length(u64),
    /// In chunks.
    Chunks,
    /// By the end of the stream.
    UntilEnd,
}

/// The sending half of an HTTP/1 stream. Holds buffers only while there is something in them.
#[derive(Debug, Default)]
pub struct Outgoing {
    gathered: Vec<u8>,
    sent: usize,
    /// Follows what is gathered.
    large: Bytes,
    /// Follows `large`.
    after: &'static [u8],
    leaving: Leaving,
    /// Something was written and not flushed.
    is_unflushed: bool,
}

impl Outgoing {
    /// Where a head is written to, before anything of its body; `then` is how that is delimited.
    pub fn head(&mut self, then: Leaving) -> &mut Vec<u8> {
        self.leaving = then;
        &mut self.gathered
    }

    /// Says how what comes now is delimited.
    pub fn expect(&mut self, then: Leaving) {
        self.leaving = then;
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.sent >= self.gathered.len() && self.large.is_empty() && self.after.is_empty()
    }

    /// Gives back what holds nothing.
    pub fn trim(&mut self) {
        if self.is_empty() {
            self.gathered = Vec::new();
            self.sent = 0;
        }
    }

    /// Takes out what has not been sent yet.
    pub fn take_unsent(&mut self) -> Vec<u8> {
        let mut unsent = std::mem::take(&mut self.gathered);
        unsent.drain(..self.sent.min(unsent.len()));
        unsent.extend_from_slice(&self.large);
        unsent.extend_from_slice(self.after);
        *self = Self::default();
        unsent
    }

    /// Whether the body that leaves ends with the stream, so that its end would look like the body's.
    pub fn ends_with_stream(&self) -> bool {
        matches!(self.leaving, Leaving::UntilEnd)
    }

    /// Whether another piece can be added.
    pub fn has_room(&self) -> bool {
        self.large.is_empty() && self.after.is_empty() && self.gathered.len() < ENOUGH
    }

    /// Adds a piece of the body. `false`: it is longer, or shorter, than was said in the head.
    pub fn add(&mut self, piece: Piece) -> bool {
        match piece {
            Piece::Data(bytes) => self.add_content(bytes),
            Piece::End(trailers) => {
                if matches!(self.leaving, Leaving::Chunks) {
                    self.gathered.extend_from_slice(b"0\r\n");
                    if let Some(trailers) = trailers {
                        fields::write(&trailers, &mut self.gathered);
                    }
                    self.gathered.extend_from_slice(b"\r\n");
                }
                !matches!(self.leaving, Leaving::Length(1..))
            }
        }
    }

    fn add_content(&mut self, bytes: Bytes) -> bool {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match &mut self.leaving {
            Leaving::Nothing => return false,
            Leaving::Length(left) => match left.checked_sub(count) {
                Some(less) => *left = less,
                None => return false,
            },
            Leaving::Chunks => {
                // Writing to memory does not fail.
                let _ = write!(self.gathered, "{count:x}\r\n");
            }
            Leaving::UntilEnd => {}
        }
        let after: &[u8] = if matches!(self.leaving, Leaving::Chunks) { b"\r\n" } else { b"" };
        if bytes.len() <= SMALL {
            self.gathered.extend_from_slice(&bytes);
            self.gathered.extend_from_slice(after);
        } else {
            self.large = bytes;
            self.after = after;
        }
        true
    }

    /// Sends all that is there.
    pub fn poll_send(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let gathered = self.gathered.get(self.sent..).unwrap_or_default();
            let parts =
                [IoSlice::new(gathered), IoSlice::new(&self.large), IoSlice::new(self.after)];
            let stream = Pin::new(&mut *stream);
            let count = if self.large.is_empty() && self.after.is_empty() {
                ready!(stream.poll_write(context, gathered))?
            } else if stream.is_write_vectored() {
                ready!(stream.poll_write_vectored(context, &parts))?
            } else {
                let first = parts.iter().find(|part| !part.is_empty());
                ready!(stream.poll_write(context, first.map_or(&[], |part| part)))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_unflushed = true;
            self.forget(count);
        }
        if self.is_unflushed {
            ready!(Pin::new(stream).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets the first `count` bytes, which have been sent.
    fn forget(&mut self, count: usize) {
        let of_gathered = count.min(self.gathered.len().saturating_sub(self.sent));
        self.sent = self.sent.saturating_add(of_gathered);
        let count = count.saturating_sub(of_gathered);
        let of_large = count.min(self.large.len());
        self.large.advance(of_large);
        self.after = self.after.get(count.saturating_sub(of_large)..).unwrap_or_default();
        if self.sent >= self.gathered.len() {
            self.gathered.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes so many bytes at a time.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.0);
            let taken = bytes.get(..count).unwrap_or_default().to_vec();
            self.1.extend(taken);
            Poll::Ready(Ok(count))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            self.poll_write(context, &all)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn sent(outgoing: &mut Outgoing, width: usize) -> Vec<u8> {
        let mut stream = Narrow(width, Vec::new());
        let mut context = Context::from_waker(Waker::noop());
        assert!(outgoing.poll_send(&mut stream, &mut context).is_ready());
        stream.1
    }

    #[test]
    fn everything_leaves_in_order_however_narrow_the_stream() {
        let large = vec![b'x'; SMALL + 1];
        for width in [1, 3, 4096, usize::MAX] {
            let mut outgoing = Outgoing::default();
            outgoing.head(Leaving::Chunks).extend_from_slice(b"head\r\n\r\n");
            assert!(outgoing.add(Piece::Data(Bytes::from_static(b"small"))));
            assert!(outgoing.has_room());
            assert!(outgoing.add(Piece::Data(large.clone().into())));
            assert!(!outgoing.has_room());
            let mut bytes = sent(&mut outgoing, width);
            assert!(outgoing.is_empty() && outgoing.has_room());
            assert!(outgoing.add(Piece::End(None)));
            bytes.extend(sent(&mut outgoing, width));
            let expected = [b"head\r\n\r\n5\r\nsmall\r\n2001\r\n", &large[..], b"\r\n0\r\n\r\n"];
            assert_eq!(bytes, expected.concat());
        }
    }

    #[test]
    fn nothing_slips_in_front_of_the_end_of_a_chunk() {
        let mut outgoing = Outgoing::default();
        outgoing.expect(Leaving::Chunks);
        assert!(outgoing.add(Piece::Data(vec![b'x'; SMALL + 1].into())));
        outgoing.forget("2001\r\n".len() + SMALL + 1);
        assert!(!outgoing.has_room());
        outgoing.forget(1);
        assert!(!outgoing.has_room() && !outgoing.is_empty());
        assert_eq!(sent(&mut outgoing, 1), b"\n");
        assert!(outgoing.has_room());
    }

    #[test]
    fn a_body_is_as_long_as_was_said() {
        let mut outgoing = Outgoing::default();
        outgoing.expect(Leaving::Length(3));
        assert!(outgoing.add(Piece::Data(Bytes::from_static(b"ab"))));
        assert!(!outgoing.add(Piece::End(None)));
        assert!(!outgoing.add(Piece::Data(Bytes::from_static(b"cd"))));
        outgoing.expect(Leaving::Nothing);
        assert!(!outgoing.add(Piece::Data(Bytes::from_static(b"a"))));
        assert!(outgoing.add(Piece::End(None)));
    }

    #[test]
    fn what_was_not_sent_can_be_taken_out() {
        let mut outgoing = Outgoing::default();
        outgoing.head(Leaving::Chunks).extend_from_slice(b"head");
        assert!(outgoing.add(Piece::Data(vec![b'x'; SMALL + 1].into())));
        outgoing.forget(6);
        let unsent = outgoing.take_unsent();
        assert_eq!(unsent.len(), "head2001\r\n\r\n".len() - 6 + SMALL + 1);
        assert!(unsent.starts_with(b"01\r\nxxx") && unsent.ends_with(b"xxx\r\n"));
        assert!(outgoing.is_empty());
    }
}
