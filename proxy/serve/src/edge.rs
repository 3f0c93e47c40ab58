//! One request's way: through the checkpoints, to an endpoint, and back to the client.
//!
//! Nothing here decides: the checkpoints do. And nothing here knows how the client or the endpoint
//! speaks: [`Client`] and [`Session`] do.

mod attempts;
mod cache;
mod client;
mod flow;
mod hedge;
mod message;
mod mirror;
mod outcome;
mod recode;
mod relay;
mod replay;
mod times;
mod upload;
mod way;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::header::{DATE, EXPECT};
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use marchproxy_decide::answer::{Answer, refusal};
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::{Reason, Verdict};

use crate::clock::{self, Alarm};
use crate::observe::Observer;
use crate::upstream::Pool;
use attempts::Attempts;
pub use cache::{CacheRules, CacheStore};
pub use client::Client;
pub use flow::{Arrival, Flow};
pub use message::{AnswerHead, Manner, Outbound, OutboundBody, Piece, Request};
use mirror::Mirror;
use recode::Recoded;
use replay::Replay;
use times::Times;
use upload::Upload;
use way::Way;

/// How much of a body that nobody wants is taken.
const MOST_UNWANTED: usize = 64 << 10;

/// What the requests of one worker share.
#[derive(Clone)]
pub struct Edge {
    /// Where everything that happens is counted and written.
    pub observer: Arc<Observer>,
    /// The worker's position.
    pub worker: usize,
    /// Its connections to endpoints.
    pub pool: Arc<Pool>,
    /// How many copies for second upstreams it sends.
    pub mirrors: Arc<AtomicUsize>,
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
        let client = &mut Recoded::new(client, self, &mut flow);
        let mut times = Times::new(&flow);
        let done = match verdict {
            Verdict::Pass if flow.cache_rules().is_some() => {
                self.serve_cached(client, &mut flow, &mut times, alarm, now).await
            }
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
        let mut outbound = flow.outbound(&upstream, client.has_body()).ok_or(Reason::Internal)?;
        times.know(&upstream, now);
        let buffer = flow.request_buffer();
        let kept = upstream.config.retry.buffer.bytes().max(buffer);
        // A copy asks as the client did.
        let mirror = Mirror::begin(self, flow, &outbound);
        flow.ask_for_cache(&mut outbound);
        let mut upload = Upload { replay: Replay::new(kept), mirror };
        if buffer > 0 && outbound.body != OutboundBody::None {
            let taken = (&mut upload, buffer);
            gather(client, flow, &mut outbound, taken, (times, alarm)).await?;
            now = clock::now();
        }
        let _pass = if let Some(pass) = upstream.gate.try_enter() {
            pass
        } else {
            let entering = std::pin::pin!(upstream.gate.enter());
            let pass = wait(client, entering, times.end(), alarm).await?;
            // What was waited here is not the endpoint's time.
            now = clock::now();
            pass
        };
        let (end, sent) = (times.end().0, (&outbound, &mut upload));
        let mut attempts = Attempts::begin(&upstream, &self.observer, flow, sent, (end, now))?;
        let hedge = flow.hedge().filter(|_| hedge::is_possible(&outbound));
        let mut way = Way { edge: self, client, flow, times, alarm, upstream: &upstream };
        let mut began = now;
        loop {
            let done = match hedge {
                Some(after) => Box::pin(way.hedged(&mut attempts, &outbound, began, after)).await,
                None => way.attempt(&mut attempts, &outbound, began).await,
            };
            way.flow.attempt_ends(done.err());
            let Err(reason) = done else { return Ok(()) };
            let Some(pause) = attempts.go_on() else { return Err(reason) };
            way.rest(pause).await?;
            began = clock::now();
        }
    }
}

/// Takes the body of a request, `most` of it or a little more, before an endpoint is asked: a slow
/// client holds none then.
async fn gather<C: Client>(
    client: &mut C,
    flow: &mut Flow,
    outbound: &mut Outbound,
    (upload, most): (&mut Upload, u64),
    (times, alarm): (&mut Times, &mut Alarm),
) -> Result<(), Reason> {
    // Nobody else is there to ask for it (RFC 9110, section 10.1.1).
    if outbound.headers.remove(EXPECT).is_some() {
        client.send_interim(StatusCode::CONTINUE, HeaderMap::new())?;
    }
    let mut room = most;
    std::future::poll_fn(|context| {
        while room > 0 {
            let Poll::Ready(held) = upload.hold(client, flow, context)? else {
                let _ = client.poll_flush(context)?;
                times.client_gives(true);
                let (end, reason) = times.next();
                return alarm.poll(end, context).map(|()| Err(reason));
            };
            times.client_gives(false);
            let Some(length) = held else { break };
            room = room.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Poll::Ready(Ok(()))
    })
    .await
}

/// Waits for something, unless it takes too long or the client leaves.
async fn wait<C: Client, T>(
    client: &mut C,
    mut awaited: impl Future<Output = Result<T, Reason>> + Unpin,
    (by, late): (Moment, Reason),
    alarm: &mut Alarm,
) -> Result<T, Reason> {
    std::future::poll_fn(|context: &mut Context<'_>| {
        if let Poll::Ready(done) = Pin::new(&mut awaited).poll(context) {
            return Poll::Ready(done);
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        alarm.poll(by, context).map(|()| Err(late))
    })
    .await
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
