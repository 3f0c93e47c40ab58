//! Both bodies of one exchange, each on its way as soon as it comes.

use std::task::{Context, Poll, ready};

use http::StatusCode;
use http::header::SET_COOKIE;
use marchproxy_decide::exchange::{Moment, Scheme};
use marchproxy_decide::request::respond;
use marchproxy_decide::verdict::{Reason, Verdict};

use super::attempts::Attempts;
use super::times::Times;
use super::{AnswerHead, Client, Flow, Piece};
use crate::clock::{self, Alarm};
use crate::upstream::{Failure, Fate, Session};

/// Interim answers to one request.
const MOST_INTERIMS: u8 = 16;

/// How far the request's body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Up {
    /// There is more of it.
    Body,
    /// All of it has been taken from the client.
    Flushing,
    /// The endpoint has all of it, or wants no more.
    Over,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Down {
    Head,
    Body,
    /// All of it has been taken from the endpoint.
    Flushing,
}

/// One exchange between a client and an endpoint.
pub(super) struct Relay<'a, 'b, C> {
    client: &'a mut C,
    session: &'a mut Session,
    flow: &'a mut Flow,
    times: &'a mut Times,
    attempts: &'a mut Attempts<'b>,
    up: Up,
    down: Down,
    is_tunnel: bool,
    interims: u8,
    /// Of this poll, once it has been asked for.
    now: Option<Moment>,
    /// The head of the answer, if it came before the relay.
    head: Option<AnswerHead>,
    /// When the endpoint was last given something of the request.
    asked: Option<Moment>,
    /// Why the endpoint takes no more of the request. It may have answered all the same.
    unsent: Option<Failure>,
}

impl<'a, 'b, C: Client> Relay<'a, 'b, C> {
    /// The session has been told the head of the request.
    pub fn new(
        client: &'a mut C,
        session: &'a mut Session,
        flow: &'a mut Flow,
        times: &'a mut Times,
        attempts: &'a mut Attempts<'b>,
    ) -> Self {
        let (up, down) = (Up::Body, Down::Head);
        Self {
            client,
            session,
            flow,
            times,
            attempts,
            up,
            down,
            is_tunnel: false,
            interims: 0,
            now: None,
            head: None,
            asked: None,
            unsent: None,
        }
    }

    /// The endpoint has all of the request, and has begun to answer with `head`.
    pub fn begin_with(&mut self, head: AnswerHead) {
        self.up = Up::Over;
        self.head = Some(head);
    }

    /// Ready when the client has got its answer, or cannot get it.
    pub fn poll(
        &mut self,
        alarm: &mut Alarm,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        self.now = None;
        self.poll_up(context)?;
        if self.poll_down(context)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let (end, reason) = self.times.next();
        ready!(alarm.poll(end, context));
        // Late as it is, nothing has come of it.
        let is_unknown = reason == Reason::UpstreamTimeout && self.down == Down::Head;
        let fate = if is_unknown { Fate::Unknown } else { Fate::Begun };
        Poll::Ready(Err(Failure { reason, fate }))
    }

    fn poll_up(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        loop {
            match self.up {
                Up::Body => match self.session.poll_room(context) {
                    Poll::Pending => return self.check_client(context),
                    Poll::Ready(Err(failure)) => self.stop_sending(failure),
                    Poll::Ready(Ok(())) => match self.poll_piece(context)? {
                        Poll::Ready(piece) => self.pass_up(piece)?,
                        Poll::Pending => {
                            self.times.client_gives(true);
                            match self.session.poll_flush(context) {
                                Poll::Ready(Err(failure)) => self.stop_sending(failure),
                                _ => return Ok(()),
                            }
                        }
                    },
                },
                Up::Flushing => match self.session.poll_flush(context) {
                    Poll::Pending => return self.check_client(context),
                    Poll::Ready(Ok(())) => {
                        self.up = Up::Over;
                        if self.is_tunnel {
                            // Neither end goes on without the other.
                            self.client.send(Piece::End(None))?;
                            self.down = Down::Flushing;
                        }
                    }
                    Poll::Ready(Err(failure)) => self.stop_sending(failure),
                },
                Up::Over => return self.check_client(context),
            }
        }
    }

    /// The next piece of the request's body.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        if !self.is_tunnel {
            let upload = &mut *self.attempts.upload;
            return upload.poll(self.client, self.flow, context).map_err(Failure::from);
        }
        let piece = ready!(self.client.poll_body(context))?;
        if let Piece::Data(bytes) = &piece {
            // A tunnel carries what is no body, however long.
            self.flow.body_passes(bytes.len());
        }
        Poll::Ready(Ok(piece))
    }

    fn check_client(&mut self, context: &mut Context<'_>) -> Result<(), Failure> {
        // The end of a tunnel is found by reading.
        let is_gone = !self.is_tunnel && self.client.poll_gone(context).is_ready();
        if is_gone { Err(Reason::ClientGone.into()) } else { Ok(()) }
    }

    fn endpoint_moves(&mut self) -> Moment {
        let now = *self.now.get_or_insert_with(clock::now);
        self.times.endpoint_moves(now);
        now
    }

    fn stop_sending(&mut self, failure: Failure) {
        self.times.client_gives(false);
        self.unsent = Some(failure);
        self.up = Up::Over;
    }

    /// What became of the request when both directions failed.
    fn worse(&mut self, failure: Failure) -> Failure {
        match self.unsent {
            Some(unsent) => Failure { fate: unsent.fate.max(failure.fate), ..failure },
            None => failure,
        }
    }

    fn pass_up(&mut self, piece: Piece) -> Result<(), Failure> {
        self.times.client_gives(false);
        // Only from here on is it the endpoint that is waited for.
        self.asked = Some(self.endpoint_moves());
        if let Piece::End(_) = &piece {
            self.up = Up::Flushing;
            self.times.is_sent();
            if self.is_tunnel {
                return Ok(());
            }
        }
        match self.session.send(piece) {
            // The endpoint may have answered although it takes no more.
            Err(failure) if failure.reason != Reason::Internal => {
                self.stop_sending(failure);
                Ok(())
            }
            sent => sent,
        }
    }

    fn poll_down(&mut self, context: &mut Context<'_>) -> Result<Poll<()>, Failure> {
        loop {
            match self.down {
                Down::Head => match self.poll_head(context) {
                    Poll::Pending => {
                        // Interim answers may still be on their way.
                        let _ = self.client.poll_flush(context)?;
                        return Ok(Poll::Pending);
                    }
                    Poll::Ready(Err(failure)) => return Err(self.worse(failure)),
                    Poll::Ready(Ok(head)) if head.is_interim() => self.interim(head)?,
                    Poll::Ready(Ok(head)) => {
                        self.answer(head)?;
                        // A tunnel's way up is open now.
                        if self.is_tunnel {
                            self.poll_up(context)?;
                        }
                    }
                },
                Down::Body => {
                    if self.client.poll_room(context)?.is_pending() {
                        self.times.client_takes(true);
                        return Ok(Poll::Pending);
                    }
                    match self.session.poll_body(context)? {
                        Poll::Ready(piece) => self.pass_down(piece)?,
                        Poll::Pending => {
                            let is_blocked = self.client.poll_flush(context)?.is_pending();
                            self.times.client_takes(is_blocked);
                            return Ok(Poll::Pending);
                        }
                    }
                }
                Down::Flushing => {
                    let flushed = self.client.poll_flush(context)?;
                    self.times.client_takes(flushed.is_pending());
                    return Ok(flushed);
                }
            }
        }
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<AnswerHead, Failure>> {
        match self.head.take() {
            Some(head) => Poll::Ready(Ok(head)),
            None => self.session.poll_head(context),
        }
    }

    fn pass_down(&mut self, piece: Piece) -> Result<(), Failure> {
        self.times.client_takes(false);
        match &piece {
            Piece::Data(bytes) => {
                self.endpoint_moves();
                self.flow.answer_passes(bytes.len());
                self.flow.caching.add(bytes);
            }
            Piece::End(trailers) => {
                if let Some(trailers) = trailers {
                    respond::check_trailers(trailers)?;
                }
                self.flow.ends_for_cache(trailers.is_some());
                self.down = Down::Flushing;
            }
        }
        Ok(self.client.send(piece)?)
    }

    fn check(&mut self, head: &AnswerHead) -> Result<(), Failure> {
        // Interim answers are none: `first_byte` goes on.
        if !head.is_interim() {
            let now = self.endpoint_moves();
            self.flow.exchange.marks.first_byte = Some(now);
        }
        match respond::check(&self.flow.exchange, head.status, head.version, &head.headers) {
            Verdict::Refuse(reason) => Err(reason.into()),
            Verdict::Pass | Verdict::Answer(_) => Ok(()),
        }
    }

    /// Tells of an answer; whether another is sought.
    fn is_unwanted(&mut self, head: &AnswerHead) -> bool {
        let now = self.endpoint_moves();
        let began = self.asked.or(self.flow.exchange.marks.connected).unwrap_or(now);
        self.attempts.has_answer(head, now.since(began), now)
    }

    fn interim(&mut self, mut head: AnswerHead) -> Result<(), Failure> {
        self.interims = self.interims.saturating_add(1);
        if self.interims > MOST_INTERIMS {
            return Err(Reason::UpstreamMalformed.into());
        }
        self.check(&head)?;
        respond::prepare_interim(&mut head.headers);
        Ok(self.client.send_interim(head.status, head.headers)?)
    }

    fn answer(&mut self, mut head: AnswerHead) -> Result<(), Failure> {
        self.check(&head)?;
        self.flow.attempt_answers(&head);
        if self.is_unwanted(&head) {
            return Err(Failure { reason: Reason::UpstreamReset, fate: Fate::Begun });
        }
        if self.flow.is_answered_by_cache(&mut head)? {
            // Nothing of it is for the client; what is left of it goes with the connection.
            self.down = Down::Flushing;
            return Ok(());
        }
        let exchange = &mut self.flow.exchange;
        exchange.status = head.status.as_u16();
        let snapshot = &self.flow.arrival.generation.snapshot;
        respond::prepare(snapshot, exchange, head.version, &mut head.headers);
        if let Some(cookie) = self.attempts.cookie(exchange.scheme == Scheme::Https) {
            head.headers.append(SET_COOKIE, cookie);
        }
        self.is_tunnel = head.status == StatusCode::SWITCHING_PROTOCOLS;
        self.times.has_head(self.is_tunnel);
        if self.is_tunnel {
            self.session.open_tunnel();
            self.up = Up::Body;
        } else if !self.client.is_body_done() {
            self.client.close_after();
        }
        let is_empty = self.session.is_answer_over() && !self.is_tunnel;
        self.down = Down::Body;
        Ok(self.client.begin_answer(head, is_empty)?)
    }
}
