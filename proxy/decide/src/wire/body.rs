//! The body of an HTTP/1 request, followed as it streams past (RFC 9112, sections 6 and 7).

mod chunked;
#[cfg(test)]
mod tests;
mod trailer;

use super::head::Framing;
use crate::verdict::Reason;
use chunked::Chunked;

/// How far a piece of bytes brought a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// How many of the bytes belong to this body; the next request begins after them.
    pub taken: usize,
    /// Whether the body ended with them.
    pub done: bool,
}

/// Follows the body of a request without copying it.
#[derive(Clone, Debug)]
pub struct BodyWatch {
    state: State,
    limit: u64,
    content: u64,
}

#[derive(Clone, Debug)]
enum State {
    Length(u64),
    Chunked(Box<Chunked>),
    Done,
    Failed(Reason),
}

impl BodyWatch {
    /// Follows a body that is delimited by `framing` and may hold `limit` bytes of content.
    pub fn new(framing: Framing, limit: u64) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > limit => State::Failed(Reason::BodySize),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Box::default()),
        };
        Self { state, limit, content: 0 }
    }

    /// Follows the next bytes; takes none after the end.
    ///
    /// # Errors
    /// What is wrong with the body: the connection must be closed. The error stays.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Progress, Reason> {
        let taken = match &mut self.state {
            State::Done => 0,
            State::Failed(reason) => return Err(*reason),
            State::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let count = u64::try_from(taken).unwrap_or(u64::MAX);
                *left = left.saturating_sub(count);
                self.content = self.content.saturating_add(count);
                if *left == 0 {
                    self.state = State::Done;
                }
                taken
            }
            State::Chunked(chunked) => match chunked.advance(bytes, self.limit) {
                Ok(progress) => {
                    self.content = chunked.content();
                    if progress.done {
                        self.state = State::Done;
                    }
                    progress.taken
                }
                Err(reason) => {
                    self.state = State::Failed(reason);
                    return Err(reason);
                }
            },
        };
        Ok(Progress { taken, done: self.is_done() })
    }

    /// Whether the whole body has passed.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Content bytes that have passed, without framing.
    pub const fn content(&self) -> u64 {
        self.content
    }

    /// Changes the limit, once the route is known. What has passed already counts.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        let expected = match &self.state {
            State::Length(left) => self.content.saturating_add(*left),
            State::Chunked(chunked) => chunked.announced(),
            State::Done | State::Failed(_) => return,
        };
        if expected > limit {
            self.state = State::Failed(Reason::BodySize);
        }
    }
}
