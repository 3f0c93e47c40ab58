//! One request's way: through the checkpoints, to an endpoint, and back to the client.
//!
//! Nothing here decides: the checkpoints do. And nothing here knows how the client or the endpoint
//! speaks: [`Client`] and [`Session`] do.

mod client;
mod flow;
mod message;
mod relay;
mod times;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::header::DATE;
use http::{HeaderValue, Version};
use marchproxy_decide::answer::{Answer, refusal};
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::{Reason, Verdict};

use crate::clock::{self, Alarm};
use crate::observe::Observer;
use crate::upstream::{Failure, Fate, Pool, Session};
pub use client::Client;
pub use flow::{Arrival, Flow};
pub use message::{AnswerHead, Outbound, OutboundBody, Piece, Request};
use relay::Relay;
use times::Times;

/// How much of a body that nobody wants is taken.
const MOST_UNWANTED: usize = 64 << 10;
/// Times that a request is tried again because a kept connection turned out to be dead.
const STALE_RETRIES: u32 = 3;

/// What the requests of one worker share.
pub struct Edge {
    /// Where everything that happens is counted and written.
    pub observer: Arc<Observer>,
    /// The worker's position.
    pub worker: usize,
    /// Its connections to endpoints.
    pub pool: Pool,
}

impl Edge {
    /// Serves one request, whatever comes of it. The client is left as it is then: whether its
    /// connection can be used again is for whoever owns it.
    pub async fn serve<C: Client>(
        &self,
        client: &mut C,
        request: Request,
        arrival: Arrival,
        alarm: &mut Alarm,
    ) {
        let mut flow = Flow::begin(self, arrival, Some(request));
        let now = clock::now();
        let verdict = flow.check(now);
        let mut times = Times::new(&flow);
        let done = match verdict {
            Verdict::Pass => self.forward(client, &mut flow, &mut times, alarm, now).await,
            Verdict::Answer(answer) => send(client, &mut flow, *answer, &times, alarm).await,
            Verdict::Refuse(reason) => Err(reason),
        };
        if let Err(reason) = done {
            flow.refuse(reason);
            if reason.is_log_only() || flow.has_begun() {
                client.abort();
            } else {
                let answer = refusal(&flow.arrival.generation.snapshot, &flow.exchange, reason);
                if reason.closes() {
                    client.close_after();
                }
                // The client may be gone by now: nothing is left to be told to anyone.
                if send(client, &mut flow, answer, &times, alarm).await.is_err() {
                    client.abort();
                }
            }
        }
        flow.finish();
    }

    async fn forward<C: Client>(
        &self,
        client: &mut C,
        flow: &mut Flow,
        times: &mut Times,
        alarm: &mut Alarm,
        mut now: Moment,
    ) -> Result<(), Reason> {
        let upstream = Arc::clone(flow.upstream().ok_or(Reason::Internal)?);
        let outbound = flow.outbound(&upstream, client.has_body()).ok_or(Reason::Internal)?;
        times.know(&upstream, now);
        let mut stale = 0;
        loop {
            let endpoint = flow.pick(&upstream, now)?;
            let kept = self.pool.take(&endpoint, outbound.is_websocket);
            let is_kept = kept.is_some();
            let mut session = if let Some(session) = kept {
                session
            } else {
                let by = times.connect_by(now);
                let made = self.pool.connect(&upstream, &endpoint, outbound.is_websocket);
                let session = connect(client, Box::pin(made), by, alarm).await?;
                now = clock::now();
                session
            };
            flow.exchange.marks.connected = Some(now);
            times.connected(now);
            let done = match session.start(&outbound) {
                Ok(()) => {
                    let mut relay = Relay::new(client, &mut session, flow, times);
                    std::future::poll_fn(|context| relay.poll(alarm, context)).await
                }
                Err(failure) => Err(failure),
            };
            match done {
                Ok(()) => {
                    self.pool.give_back(&upstream, &endpoint, session, times.endpoint_moved());
                    return Ok(());
                }
                Err(failure) => {
                    // Others need not wait for what may be dead.
                    if failure.reason == Reason::UpstreamTimeout {
                        session.give_up();
                    }
                    let may_go_again = is_kept && stale < STALE_RETRIES;
                    if !may_go_again || !may_go_twice(failure, &outbound, client) {
                        return Err(failure.reason);
                    }
                    stale = stale.saturating_add(1);
                    now = clock::now();
                }
            }
        }
    }
}

/// A new connection, unless it takes too long or the client leaves.
async fn connect<C: Client>(
    client: &mut C,
    mut made: Pin<Box<impl Future<Output = Result<Session, Reason>>>>,
    (by, late): (Moment, Reason),
    alarm: &mut Alarm,
) -> Result<Session, Reason> {
    std::future::poll_fn(|context: &mut Context<'_>| {
        if let Poll::Ready(made) = made.as_mut().poll(context) {
            return Poll::Ready(made);
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        alarm.poll(by, context).map(|()| Err(late))
    })
    .await
}

/// Whether a request that failed may be sent a second time.
fn may_go_twice<C: Client>(failure: Failure, outbound: &Outbound, client: &C) -> bool {
    let is_safe = match failure.fate {
        Fate::Unprocessed => true,
        // RFC 9110, section 9.2.2.
        Fate::Unknown => outbound.method.is_idempotent(),
        Fate::Begun => false,
    };
    is_safe && !client.has_given_body()
}

/// Takes what has come of a body that nobody wants: when that is all of it, and little, the
/// connection can go on.
fn take_rest<C: Client>(client: &mut C, flow: &mut Flow, context: &mut Context<'_>) {
    let mut taken = 0_usize;
    while !client.is_body_done() && taken <= MOST_UNWANTED {
        match client.poll_body(context) {
            Poll::Ready(Ok(Piece::Data(bytes))) => {
                taken = taken.saturating_add(bytes.len());
                flow.body_passes(bytes.len());
            }
            Poll::Ready(Ok(Piece::End(_)) | Err(_)) | Poll::Pending => return,
        }
    }
}

/// Sends an answer of the proxy's own.
async fn send<C: Client>(
    client: &mut C,
    flow: &mut Flow,
    answer: Answer,
    times: &Times,
    alarm: &mut Alarm,
) -> Result<(), Reason> {
    let Answer { status, mut headers, body } = answer;
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
        headers.insert(DATE, date);
    }
    flow.exchange.status = status.as_u16();
    flow.exchange.bytes_out = u64::try_from(body.len()).unwrap_or(u64::MAX);
    std::future::poll_fn(|context| {
        take_rest(client, flow, context);
        Poll::Ready(())
    })
    .await;
    if !client.is_body_done() {
        client.close_after();
    }
    let head = AnswerHead { status, version: Version::HTTP_11, phrase: None, headers };
    client.begin_answer(head, body.is_empty())?;
    if !body.is_empty() {
        client.send(Piece::Data(body))?;
    }
    client.send(Piece::End(None))?;
    let end = times.answer_by();
    std::future::poll_fn(|context| {
        if let Poll::Ready(flushed) = client.poll_flush(context) {
            return Poll::Ready(flushed);
        }
        alarm.poll(end, context).map(|()| Err(Reason::ClientSlow))
    })
    .await
}
