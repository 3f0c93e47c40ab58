//! Stale answers that are used while a fresh one is fetched, for nobody but the cache (RFC 5861,
//! section 3).

use std::task::{Context, Poll};

use http::{HeaderMap, StatusCode};
use marchproxy_cache::Fetch;
use marchproxy_decide::exchange::Cached;
use marchproxy_decide::verdict::{Reason, Verdict};

use super::super::times::Times;
use super::super::{AnswerHead, Client, Edge, Flow, Piece};
use super::state::Caching;
use crate::clock::{self, Alarm};
use crate::observe::metrics::Refreshed;

/// Wants an answer and has no use for it, as long as the cache may have one.
struct Nobody {
    /// Bytes that may still come.
    left: usize,
}

impl Edge {
    /// Fetches what takes the place of a stale answer to `flow`, aside. That it is no client's
    /// request keeps it out of the access log and the metrics of requests.
    pub(super) fn refresh(&self, flow: &Flow, fetch: Box<Fetch>) {
        let Some(rules) = flow.cache_rules() else { return };
        let Some(room) = rules.store.refreshes() else {
            return self.observer.metrics.cache.refreshed(Refreshed::Skipped);
        };
        let mut client = Nobody { left: rules.policy.largest_body };
        let mut own = Flow::begin(self, flow.arrival.clone(), flow.request.clone());
        own.is_own();
        own.caching = Caching::fetching(fetch);
        let (edge, mut drain) = (self.clone(), flow.arrival.drain.clone());
        tokio::spawn(async move {
            let _room = room;
            tokio::select! {
                biased;
                refreshed = edge.fetch(&mut client, &mut own) => {
                    edge.observer.metrics.cache.refreshed(refreshed);
                }
                () = drain.cut() => {}
            }
        });
    }

    async fn fetch(&self, client: &mut Nobody, flow: &mut Flow) -> Refreshed {
        let now = clock::now();
        let Verdict::Pass = flow.check(now) else { return Refreshed::Failed };
        let (mut times, mut alarm) = (Times::new(flow), Alarm::default());
        let done = self.forward(client, flow, &mut times, &mut alarm, now).await;
        let instead = flow.instead(done).map(|stored| stored.cached);
        match (done, instead.or(flow.exchange.cache)) {
            (Ok(()), Some(Cached::Revalidated)) => Refreshed::Revalidated,
            (Ok(()), Some(Cached::Miss)) => Refreshed::Stored,
            (Ok(()), Some(Cached::Uncacheable)) => Refreshed::Uncacheable,
            _ => Refreshed::Failed,
        }
    }
}

impl Client for Nobody {
    fn has_body(&self) -> bool {
        false
    }

    fn is_body_done(&self) -> bool {
        true
    }

    fn poll_body(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece, Reason>> {
        Poll::Ready(Ok(Piece::End(None)))
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn close_after(&mut self) {}

    fn send_interim(&mut self, _: StatusCode, _: HeaderMap) -> Result<(), Reason> {
        Ok(())
    }

    fn begin_answer(&mut self, _: AnswerHead, _: bool) -> Result<(), Reason> {
        Ok(())
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, piece: Piece) -> Result<(), Reason> {
        let Piece::Data(bytes) = piece else { return Ok(()) };
        // What is longer is not kept, and who would take it.
        self.left = self.left.checked_sub(bytes.len()).ok_or(Reason::ClientGone)?;
        Ok(())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Poll::Ready(Ok(()))
    }

    fn abort(&mut self) {}
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn nobody_takes_more_than_can_be_kept() {
        let mut nobody = Nobody { left: 5 };
        let piece = || Piece::Data(Bytes::from_static(b"abc"));
        assert!(nobody.send(piece()).is_ok());
        assert_eq!(nobody.send(piece()), Err(Reason::ClientGone));
    }
}
