//! Bodies that change on their way: compressed, decompressed, or framed for gRPC-Web.
//!
//! It stands between the edge and the client, so that answers of endpoints, of the cache and of the
//! proxy itself are treated alike.

mod change;
mod decode;
mod encode;
mod tally;
mod web;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use marchproxy_decide::coding::{self, Recoding, Wish};
use marchproxy_decide::grpc_web::Call;
use marchproxy_decide::snapshot::RouteRules;
use marchproxy_decide::verdict::Reason;

use super::{AnswerHead, Client, Edge, Flow, Piece};
use crate::generation::Generation;
use crate::observe::Observer;
use change::{Broken, Change, Due};
use decode::Decoding;
use encode::Encoding;
use tally::{Tally, Work};
use web::{FromText, ToWeb};

/// A client whose bodies may change on their way.
pub(super) struct Recoded<'a, C> {
    client: &'a mut C,
    /// On the heap: most requests have none.
    plan: Option<Box<Plan>>,
}

/// What may become of the bodies of one request.
struct Plan {
    generation: Arc<Generation>,
    route: usize,
    observer: Arc<Observer>,
    wish: Wish,
    call: Option<Box<Call>>,
    up: Option<Moving>,
    down: Option<Moving>,
    /// Bytes of the answer's body as the client gets it.
    sent: Arc<AtomicU64>,
}

/// A body on its way.
struct Moving {
    change: Box<dyn Change>,
    /// Something was pushed, and not everything that can come of it has been pulled.
    is_dirty: bool,
    /// All has been pushed: the end that follows, with the trailers that are left.
    end: Option<Piece>,
    is_over: bool,
}

impl<'a, C: Client> Recoded<'a, C> {
    /// The client of a request that has taken its route.
    pub(super) fn new(client: &'a mut C, edge: &Edge, flow: &mut Flow) -> Self {
        let plan = Plan::new(edge, flow).map(Box::new);
        Self { client, plan }
    }
}

impl Plan {
    fn new(edge: &Edge, flow: &mut Flow) -> Option<Self> {
        let generation = &flow.arrival.generation;
        let rules = generation.snapshot.route(&flow.exchange)?;
        if rules.compress.is_none() && rules.decompress.is_none() && rules.grpc_web.is_none() {
            return None;
        }
        let wish = Wish::of(&flow.exchange.method, flow.headers()?).of_someone(flow.is_someones());
        let observer = Arc::clone(&edge.observer);
        let call = flow.exchange.grpc_web.clone();
        let up: Option<Box<dyn Change>> = match (&call, flow.exchange.decode, &rules.decompress) {
            (Some(call), _, _) if call.is_text => Some(Box::new(FromText::default())),
            (None, Some(coding), Some(bounds)) => {
                let tally = Tally::new(&observer, Work::Decode, coding);
                Some(Box::new(Decoding::new(coding, bounds, tally)))
            }
            _ => None,
        };
        let (generation, route) = (Arc::clone(generation), flow.exchange.route?);
        let up = up.map(Moving::new);
        let sent = flow.count_sent();
        Some(Self { generation, route, observer, wish, call, up, down: None, sent })
    }

    fn rules(&self) -> Option<&RouteRules> {
        self.generation.snapshot.routes.get(self.route)
    }

    /// Decides what becomes of an answer's body, and makes its head fit.
    fn begin(&mut self, head: &mut AnswerHead, is_empty: bool) -> Option<Box<dyn Change>> {
        if let Some(call) = &self.call {
            let is_grpc = call.answer(&mut head.headers);
            let is_text = call.wants_text;
            return (is_grpc && !is_empty).then(|| Box::new(ToWeb::new(is_text)) as _);
        }
        if is_empty && !self.wish.is_head() && head.status != StatusCode::NOT_MODIFIED {
            return None;
        }
        let length = head.headers.get(CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        let recoding = coding::answer(self.rules()?, &self.wish, head.status, &mut head.headers);
        if is_empty { None } else { self.change(recoding, length) }
    }

    fn change(&self, recoding: Recoding, length: Option<u64>) -> Option<Box<dyn Change>> {
        let rules = self.rules()?;
        let decoding = recoding.decode.zip(rules.decompress.as_ref()).map(|(coding, bounds)| {
            Decoding::new(coding, bounds, Tally::new(&self.observer, Work::Decode, coding))
        });
        let length = length.filter(|_| decoding.is_none());
        let encoding = recoding.encode.zip(rules.compress.as_ref()).map(|(coding, rules)| {
            let tally = Tally::new(&self.observer, Work::Encode, coding);
            Encoding::new(coding, rules.level, length, tally)
        });
        match (decoding, encoding) {
            (None, None) => None,
            (Some(one), None) => Some(Box::new(one)),
            (None, Some(other)) => Some(Box::new(other)),
            (Some(one), Some(other)) => Some(Box::new(change::Both(one, other))),
        }
    }

    fn count(&self, bytes: usize) {
        let count = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.sent.fetch_add(count, Ordering::Relaxed);
    }
}

impl Moving {
    fn new(change: Box<dyn Change>) -> Self {
        Self { change, is_dirty: false, end: None, is_over: false }
    }

    fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Data(bytes) => {
                self.is_dirty = true;
                self.change.push(bytes);
            }
            Piece::End(trailers) => {
                self.end = Some(Piece::End(self.change.end(trailers)));
            }
        }
    }
}

impl<C: Client> Recoded<'_, C> {
    /// Sends what is due of an answer's body. Ready when there is room for more.
    fn poll_down(&mut self, is_flush: bool, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        let Some(plan) = &mut self.plan else { return self.client.poll_room(context) };
        let Some(down) = plan.down.as_mut().filter(|down| !down.is_over) else {
            return self.client.poll_room(context);
        };
        let due = if down.end.is_some() {
            Due::All
        } else if is_flush && down.is_dirty {
            Due::Flushed
        } else {
            Due::Enough
        };
        loop {
            ready!(self.client.poll_room(context))?;
            let Some(bytes) = down.change.pull(due).map_err(of_answer)? else { break };
            let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            plan.sent.fetch_add(count, Ordering::Relaxed);
            self.client.send(Piece::Data(bytes))?;
        }
        down.is_dirty &= due == Due::Enough;
        if let Some(end) = down.end.take() {
            down.is_over = true;
            self.client.send(end)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: Client> Client for Recoded<'_, C> {
    fn has_body(&self) -> bool {
        self.client.has_body()
    }

    fn is_body_done(&self) -> bool {
        let up = self.plan.as_ref().and_then(|plan| plan.up.as_ref());
        self.client.is_body_done() && up.is_none_or(|up| up.is_over || !self.client.has_body())
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Reason>> {
        let up = self.plan.as_mut().and_then(|plan| plan.up.as_mut());
        let Some(up) = up.filter(|up| !up.is_over) else { return self.client.poll_body(context) };
        loop {
            let due = if up.end.is_some() { Due::All } else { Due::Flushed };
            if let Some(bytes) = up.change.pull(due).map_err(of_request)? {
                return Poll::Ready(Ok(Piece::Data(bytes)));
            }
            if let Some(end) = up.end.take() {
                up.is_over = true;
                return Poll::Ready(Ok(end));
            }
            up.push(ready!(self.client.poll_body(context))?);
        }
    }

    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.client.poll_gone(context)
    }

    fn close_after(&mut self) {
        self.client.close_after();
    }

    fn send_interim(&mut self, status: StatusCode, headers: HeaderMap) -> Result<(), Reason> {
        self.client.send_interim(status, headers)
    }

    fn begin_answer(&mut self, mut head: AnswerHead, is_empty: bool) -> Result<(), Reason> {
        if let Some(plan) = &mut self.plan {
            let change = plan.begin(&mut head, is_empty);
            plan.down = change.map(Moving::new);
        }
        self.client.begin_answer(head, is_empty)
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        self.poll_down(false, context)
    }

    fn send(&mut self, piece: Piece) -> Result<(), Reason> {
        let Some(plan) = &mut self.plan else { return self.client.send(piece) };
        if let Some(down) = &mut plan.down {
            down.push(piece);
            return Ok(());
        }
        if let Piece::Data(bytes) = &piece {
            plan.count(bytes.len());
        }
        self.client.send(piece)
    }

    /// Whoever flushes has nothing more for now: what is held back to be compressed with what
    /// follows goes as well, so that nobody waits for it.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.plan.as_ref().is_some_and(|plan| plan.down.is_some()) {
            ready!(self.poll_down(true, context))?;
        }
        self.client.poll_flush(context)
    }

    fn abort(&mut self) {
        self.client.abort();
    }
}

fn of_answer(broken: Broken) -> Reason {
    match broken {
        Broken::Malformed => Reason::UpstreamMalformed,
        Broken::TooLong => Reason::UpstreamDecodedSize,
        Broken::Internal => Reason::Internal,
    }
}

fn of_request(broken: Broken) -> Reason {
    match broken {
        Broken::Malformed => Reason::ContentCoding,
        Broken::TooLong => Reason::DecodedSize,
        Broken::Internal => Reason::Internal,
    }
}
