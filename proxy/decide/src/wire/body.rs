//! The body of an HTTP/1 message, followed as it streams past (RFC 9112, sections 6 and 7).

mod chunked;
#[cfg(test)]
mod tests;
mod trailer;

use super::head::Framing;
use crate::verdict::Reason;
use chunked::Chunked;
pub(crate) use trailer::is_forbidden as is_forbidden_trailer;

/// How far a piece of bytes brought a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// How many of the bytes belong to this body; the next request begins after them.
    pub taken: usize,
    /// Whether the body ended with them.
    pub done: bool,
}

/// What the next bytes of a body are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// So many bytes of framing come first.
    pub framing: usize,
    /// So many bytes of content come after them.
    pub content: usize,
    /// Whether the body ends with them.
    pub done: bool,
}

/// Follows the body of a message without copying it.
#[derive(Clone, Debug)]
pub struct BodyWatch {
    state: State,
    limit: u64,
    content: u64,
    trailers: Vec<u8>,
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
        Self { state, limit, content: 0, trailers: Vec::new() }
    }

    /// Follows the next bytes; takes none after the end.
    ///
    /// # Errors
    /// What is wrong with the body: the connection must be closed. The error stays.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Progress, Reason> {
        let mut taken = 0_usize;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let step = self.step(rest)?;
            taken = taken.saturating_add(step.framing).saturating_add(step.content);
            if step.done || taken >= bytes.len() {
                return Ok(Progress { taken, done: step.done });
            }
        }
    }

    /// Goes as far as the end of the next piece of content.
    ///
    /// # Errors
    /// What is wrong with the body: the connection must be closed. The error stays.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, Reason> {
        let (framing, content) = match &mut self.state {
            State::Done => (0, 0),
            State::Failed(reason) => return Err(*reason),
            State::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let count = u64::try_from(taken).unwrap_or(u64::MAX);
                *left = left.saturating_sub(count);
                self.content = self.content.saturating_add(count);
                if *left == 0 {
                    self.state = State::Done;
                }
                (0, taken)
            }
            State::Chunked(chunked) => match chunked.step(bytes, self.limit) {
                Ok(step) => {
                    self.content = chunked.content();
                    if step.done {
                        self.trailers = chunked.take_trailers();
                        self.state = State::Done;
                    }
                    (step.framing, step.content)
                }
                Err(reason) => {
                    self.state = State::Failed(reason);
                    return Err(reason);
                }
            },
        };
        Ok(Step { framing, content, done: self.is_done() })
    }

    /// The lines of the trailer section, once the body is over; each ends with CR LF.
    pub fn take_trailers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.trailers)
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
