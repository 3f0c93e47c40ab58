//! What changes a body.

use bytes::Bytes;
use http::HeaderMap;

/// How much of what was pushed is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    /// What is worth sending.
    Enough,
    /// Everything: nothing more comes for now.
    Flushed,
    /// Everything, and the end.
    All,
}

/// Why a body cannot be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Broken {
    /// It is not what it is said to be.
    Malformed,
    /// It would be longer than allowed.
    TooLong,
    /// It is our own fault.
    Internal,
}

/// Changes one body, piece by piece. What waits in it is bounded by what was pushed last, so pieces
/// are pushed only when nothing more can be pulled.
pub(super) trait Change: Send {
    /// Takes a piece.
    fn push(&mut self, bytes: Bytes);

    /// The next piece of what comes of it, never an empty one; `None`: all that is due has come.
    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken>;

    /// All has been pushed, and these are the trailers; gives those that are still to be sent.
    fn end(&mut self, trailers: Option<Box<HeaderMap>>) -> Option<Box<HeaderMap>> {
        trailers
    }
}

/// One change after another.
pub(super) struct Both<One, Other>(pub One, pub Other);

impl<One: Change, Other: Change> Change for Both<One, Other> {
    fn push(&mut self, bytes: Bytes) {
        self.0.push(bytes);
    }

    fn pull(&mut self, due: Due) -> Result<Option<Bytes>, Broken> {
        loop {
            if let Some(bytes) = self.1.pull(Due::Enough)? {
                return Ok(Some(bytes));
            }
            match self.0.pull(due)? {
                Some(bytes) => self.1.push(bytes),
                None => return self.1.pull(due),
            }
        }
    }
}
