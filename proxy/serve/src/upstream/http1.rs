//! One exchange with an endpoint that speaks HTTP/1.1.

use std::io;
use std::task::{Context, Poll, ready};

use http::header::TE;
use http::{Method, StatusCode};
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::answer::{AnswerFacts, AnswerFraming, AnswerScanner};
use marchproxy_decide::wire::body::BodyWatch;
use marchproxy_decide::wire::head::Framing;
use pingora_core::protocols::Stream;

use super::allowance::Place;
use super::failure::{Failure, Fate};
use crate::edge::{AnswerHead, Outbound, OutboundBody, Piece};
use crate::http1::{Arriving, Broken, Incoming, Leaving, Outgoing, fields};

/// One exchange with an endpoint that speaks HTTP/1.1.
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of an exchange")]
pub struct Http1 {
    stream: Stream,
    place: Place,
    incoming: Incoming,
    outgoing: Outgoing,
    scanner: AnswerScanner,
    is_head_request: bool,
    is_sent: bool,
    has_answered: bool,
    keep_alive: bool,
}

impl Http1 {
    /// On a connection that nothing runs on.
    pub fn new(stream: Stream, place: Place) -> Self {
        Self {
            stream,
            place,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            scanner: AnswerScanner::new(),
            is_head_request: false,
            is_sent: false,
            has_answered: false,
            keep_alive: false,
        }
    }

    pub(super) fn start(&mut self, outbound: &Outbound) {
        self.is_head_request = outbound.method == Method::HEAD;
        self.keep_alive = outbound.manner.keeps_connection && !outbound.is_websocket;
        let leaving = match outbound.body {
            OutboundBody::None => Leaving::Nothing,
            OutboundBody::Length(length) => Leaving::Length(length),
            OutboundBody::Unknown => Leaving::Chunks,
        };
        let into = self.outgoing.head(leaving);
        into.reserve(1024);
        fields::write_request_line(&outbound.method, &outbound.target, into);
        fields::write(&outbound.headers, into);
        if outbound.body == OutboundBody::Unknown {
            fields::write_line("transfer-encoding", b"chunked", into);
        }
        // RFC 9110, section 10.1.4: `TE` belongs to the connection.
        let option: Option<&[u8]> =
            match (outbound.manner.keeps_connection, outbound.headers.contains_key(TE)) {
                _ if outbound.is_websocket => None,
                (true, true) => Some(b"te"),
                (false, true) => Some(b"te, close"),
                (false, false) => Some(b"close"),
                (true, false) => None,
            };
        if let Some(option) = option {
            fields::write_line("connection", option, into);
        }
        into.extend_from_slice(b"\r\n");
    }

    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.outgoing.has_room() { Poll::Ready(Ok(())) } else { self.poll_flush(context) }
    }

    pub(super) fn send(&mut self, piece: Piece) -> Result<(), Failure> {
        self.is_sent = matches!(piece, Piece::End(_));
        if self.outgoing.add(piece) { Ok(()) } else { Err(Reason::Internal.into()) }
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let sent = ready!(self.outgoing.poll_send(&mut self.stream, context));
        Poll::Ready(sent.map_err(|_| self.failure(Reason::UpstreamReset)))
    }

    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<AnswerHead, Failure>> {
        loop {
            match self.scanner.inspect(self.incoming.waiting()) {
                Ok(Some(facts)) => return Poll::Ready(self.take_head(&facts)),
                Ok(None) => {}
                Err(reason) => return Poll::Ready(Err(reason.into())),
            }
            match ready!(self.incoming.poll_read(&mut self.stream, context)) {
                Ok(1..) => self.has_answered = true,
                Ok(0) => return Poll::Ready(Err(self.failure(Reason::UpstreamReset))),
                Err(error) => return Poll::Ready(Err(self.failure(reason_of(&error)))),
            }
        }
    }

    fn take_head(&mut self, facts: &AnswerFacts) -> Result<AnswerHead, Failure> {
        self.scanner = AnswerScanner::new();
        let head = self.incoming.take_head(facts.length, Arriving::Head);
        let malformed = || Failure::from(Reason::UpstreamMalformed);
        let status = StatusCode::from_u16(facts.status).map_err(|_| malformed())?;
        let lines = head.slice(facts.fields_start.min(head.len())..);
        let headers = fields::read(&lines, facts.fields).ok_or_else(malformed)?;
        let phrase = head.get(facts.phrase.clone()).unwrap_or_default();
        let is_usual = status.canonical_reason().is_some_and(|usual| usual.as_bytes() == phrase);
        let phrase = (!is_usual && !phrase.is_empty()).then(|| head.slice_ref(phrase));
        let answer = AnswerHead { status, version: facts.version, phrase, headers };
        if !answer.is_interim() {
            let body = self.body_after(status, facts.framing);
            self.keep_alive &= facts.keep_alive && !matches!(body, Arriving::UntilEnd);
            self.incoming.expect(body);
        }
        Ok(answer)
    }

    /// RFC 9112, section 6.3.
    fn body_after(&self, status: StatusCode, framing: AnswerFraming) -> Arriving {
        let has_none = self.is_head_request
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        match framing {
            _ if has_none => Arriving::Over,
            AnswerFraming::Length(0) => Arriving::Over,
            AnswerFraming::Length(length) => {
                Arriving::Body(BodyWatch::new(Framing::Length(length), u64::MAX))
            }
            AnswerFraming::Chunked => Arriving::Body(BodyWatch::new(Framing::Chunked, u64::MAX)),
            AnswerFraming::Close => Arriving::UntilEnd,
        }
    }

    pub(super) fn is_answer_over(&self) -> bool {
        self.incoming.is_over()
    }

    pub(super) fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        let piece = ready!(self.incoming.poll_piece(&mut self.stream, context));
        Poll::Ready(piece.map_err(|broken| match broken {
            Broken::Io(error) => reason_of(&error).into(),
            Broken::Ended => Reason::UpstreamReset.into(),
            Broken::Framing(_) => Reason::UpstreamMalformed.into(),
        }))
    }

    pub(super) fn open_tunnel(&mut self) {
        self.keep_alive = false;
        self.incoming.expect(Arriving::UntilEnd);
        self.outgoing.expect(Leaving::UntilEnd);
    }

    /// The connection, if another exchange can follow on it.
    pub(super) fn into_idle(self) -> Option<(Stream, Place)> {
        let is_clean =
            self.is_sent && self.outgoing.is_empty() && self.incoming.waiting().is_empty();
        (self.keep_alive && is_clean && self.incoming.is_over())
            .then_some((self.stream, self.place))
    }

    fn failure(&self, reason: Reason) -> Failure {
        Failure { reason, fate: if self.has_answered { Fate::Begun } else { Fate::Unknown } }
    }
}

fn reason_of(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::TimedOut => Reason::UpstreamTimeout,
        _ => Reason::UpstreamReset,
    }
}
