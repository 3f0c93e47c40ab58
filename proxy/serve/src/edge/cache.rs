//! Answers that are kept and given to others who ask for the same: [`marchproxy_cache`] decides, this
//! carries it out.
//!
//! A request is looked up before it is forwarded. When it is forwarded, the relay shows the answer to
//! the cache on its way to the client, and may be told that the client gets another one.

mod refresh;
mod rules;
mod state;

use std::task::{Context, Poll};

use http::Version;
use marchproxy_cache::{CacheStatus, Forward, Hit, Look, Next, Waiter};
use marchproxy_decide::exchange::{Cached, Moment};
use marchproxy_decide::request::respond;
use marchproxy_decide::verdict::Reason;

use super::times::Times;
use super::{AnswerHead, Client, Edge, Flow, Piece, take_rest, wait};
use crate::clock::{self, Alarm};
pub use rules::{CacheRules, CacheStore};
pub use state::Caching;
use state::{NAME, Stored, tell};

impl Edge {
    /// Serves a request whose route has a cache: from there, or as the upstream answers.
    pub(super) async fn serve_cached<C: Client>(
        &self,
        client: &mut C,
        flow: &mut Flow,
        times: &mut Times,
        alarm: &mut Alarm,
        mut now: Moment,
    ) -> Result<(), Reason> {
        if let Some(stored) = self.look(client, flow, alarm, &mut now).await? {
            return give(client, flow, stored, times, alarm).await;
        }
        let done = self.forward(client, flow, times, alarm, now).await;
        match flow.instead(done) {
            Some(stored) => give(client, flow, stored, times, alarm).await,
            None => done,
        }
    }

    /// Looks for an answer in the cache, and waits where another request is fetching it; `None`: the
    /// request is to be forwarded. `now` goes on with the time that was waited.
    async fn look<C: Client>(
        &self,
        client: &mut C,
        flow: &mut Flow,
        alarm: &mut Alarm,
        now: &mut Moment,
    ) -> Result<Option<Stored>, Reason> {
        let by = flow.cache_rules().map_or(*now, |rules| clock::later(*now, rules.wait));
        let mut may_wait = by > *now;
        let mut has_waited = false;
        loop {
            let Some(look) = flow.look(client.has_body(), may_wait) else { return Ok(None) };
            match look {
                Look::Pass(why) => flow.passes_cache(why),
                Look::Fetch(fetch) => flow.fetches(fetch),
                Look::OnlyIfCached => {
                    flow.exchange.cache = Some(Cached::Nothing);
                    return Err(Reason::NotCached);
                }
                Look::Hit(hit, refresh) => {
                    if let Some(fetch) = refresh {
                        self.refresh(flow, fetch);
                    }
                    return Ok(Some(Stored::found(hit, has_waited)));
                }
                Look::Wait(waiter) => {
                    has_waited = true;
                    may_wait = has_news(client, waiter, by, alarm).await?;
                    *now = clock::now();
                    continue;
                }
            }
            return Ok(None);
        }
    }
}

/// Waits for another request; `false`: it has been in vain, or took too long.
async fn has_news<C: Client>(
    client: &mut C,
    mut waiter: Waiter,
    by: Moment,
    alarm: &mut Alarm,
) -> Result<bool, Reason> {
    let next = std::future::poll_fn(|context| waiter.poll(context).map(Ok));
    match wait(client, next, (by, Reason::UpstreamTimeout), alarm).await {
        Ok(next) => Ok(next == Next::LookAgain),
        Err(Reason::UpstreamTimeout) => Ok(false),
        Err(reason) => Err(reason),
    }
}

impl Stored {
    fn found(hit: Hit, has_waited: bool) -> Self {
        let (cached, told) = if has_waited {
            let told = CacheStatus::forwarded(NAME, Forward::UriMiss).collapsed();
            (Cached::Collapsed, told)
        } else {
            let cached = if hit.remaining() > 0 { Cached::Hit } else { Cached::Stale };
            (cached, CacheStatus::hit(NAME, &hit))
        };
        Self { hit, cached, told }
    }
}

/// Sends an answer from the cache.
async fn give<C: Client>(
    client: &mut C,
    flow: &mut Flow,
    stored: Stored,
    times: &Times,
    alarm: &mut Alarm,
) -> Result<(), Reason> {
    let Stored { hit, cached, told } = stored;
    let mut headers = hit.fields();
    tell(&told, &mut headers);
    let exchange = &mut flow.exchange;
    exchange.cache = Some(cached);
    exchange.status = hit.status().as_u16();
    let snapshot = &flow.arrival.generation.snapshot;
    respond::prepare(snapshot, exchange, Version::HTTP_11, &mut headers);
    std::future::poll_fn(|context| {
        take_rest(client, flow, context);
        Poll::Ready(())
    })
    .await;
    if !client.is_body_done() {
        client.close_after();
    }
    let (status, version) = (hit.status(), Version::HTTP_11);
    let head = AnswerHead { status, version, phrase: None, headers };
    client.begin_answer(head, hit.body().is_empty())?;
    let data = hit.body().iter().map(|piece| Piece::Data(piece.clone()));
    let mut pieces = data.chain([Piece::End(None)]);
    let mut by = times.answer_by();
    std::future::poll_fn(|context| {
        if let Poll::Ready(sent) = poll_send(client, flow, &mut pieces, context, || {
            by = times.answer_by();
        }) {
            return Poll::Ready(sent);
        }
        alarm.poll(by, context).map(|()| Err(Reason::ClientSlow))
    })
    .await
}

/// Ready when the client has all pieces. `moves` is told each time that it has taken some.
fn poll_send<C: Client>(
    client: &mut C,
    flow: &mut Flow,
    pieces: &mut dyn Iterator<Item = Piece>,
    context: &mut Context<'_>,
    mut moves: impl FnMut(),
) -> Poll<Result<(), Reason>> {
    loop {
        std::task::ready!(client.poll_room(context))?;
        let Some(piece) = pieces.next() else { return client.poll_flush(context) };
        if let Piece::Data(bytes) = &piece {
            flow.answer_passes(bytes.len());
        }
        client.send(piece)?;
        moves();
    }
}
