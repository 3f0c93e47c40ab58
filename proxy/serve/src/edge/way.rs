//! One attempt to have a request answered by an endpoint.

use std::sync::Arc;
use std::time::Duration;

use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;

use super::attempts::Attempts;
use super::relay::Relay;
use super::times::Times;
use super::{Client, Edge, Flow, Outbound, wait};
use crate::clock::{self, Alarm};
use crate::upstream::{Endpoint, Failure, Session, Upstream};

/// Times that a request is tried again because a kept connection turned out to be dead.
pub(super) const STALE_RETRIES: u32 = 3;

/// A request on its way to an upstream.
pub(super) struct Way<'a, C> {
    pub edge: &'a Edge,
    pub client: &'a mut C,
    pub flow: &'a mut Flow,
    pub times: &'a mut Times,
    pub alarm: &'a mut Alarm,
    pub upstream: &'a Arc<Upstream>,
}

impl<C: Client> Way<'_, C> {
    /// Tries an endpoint. After an error the attempts know whether and where to try again.
    pub async fn attempt(
        &mut self,
        attempts: &mut Attempts<'_>,
        outbound: &Outbound,
        mut now: Moment,
    ) -> Result<(), Reason> {
        let endpoint = Arc::clone(&attempts.seat().endpoint);
        self.times.attempts(now);
        let mut stale = 0;
        loop {
            self.flow.tries(&endpoint, now);
            let traced = self.flow.traced(outbound);
            let outbound = traced.as_deref().unwrap_or(outbound);
            let kept = self.edge.pool.take(&endpoint, outbound);
            let is_kept = kept.is_some();
            let mut session = match kept {
                Some(session) => session,
                None => self.connect(&endpoint, outbound, attempts, now).await?,
            };
            if !is_kept {
                now = clock::now();
            }
            self.flow.exchange.marks.connected = Some(now);
            self.times.connected(now);
            attempts.upload.replay.rewind();
            let Err(failure) = self.exchange(&mut session, attempts, outbound).await else {
                let moved = self.times.endpoint_moved();
                self.edge.pool.give_back(self.upstream, &endpoint, outbound, session, moved);
                return Ok(());
            };
            // Others need not wait for what may be dead.
            if failure.reason == Reason::UpstreamTimeout {
                session.give_up();
            }
            if attempts.has_next() {
                return Err(failure.reason);
            }
            now = clock::now();
            let is_stale = is_kept && stale < STALE_RETRIES && attempts.may_go_twice(failure.fate);
            if !is_stale || failure.reason != Reason::UpstreamReset {
                attempts.has_failed(failure, !self.times.blames_client(), now);
                return Err(failure.reason);
            }
            self.flow.attempt_ends(Some(failure.reason));
            stale += 1;
        }
    }

    /// A new connection, unless it takes too long or the client leaves.
    async fn connect(
        &mut self,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
        attempts: &mut Attempts<'_>,
        now: Moment,
    ) -> Result<Session, Reason> {
        let made = self.edge.pool.connect(self.upstream, endpoint, outbound);
        // On the heap: it is large, and most requests need none.
        let made = Box::pin(made);
        let made = wait(self.client, made, self.times.connect_by(now), self.alarm).await;
        made.inspect_err(|reason| {
            attempts.has_no_connection(*reason, clock::now());
        })
    }

    async fn exchange(
        &mut self,
        session: &mut Session,
        attempts: &mut Attempts<'_>,
        outbound: &Outbound,
    ) -> Result<(), Failure> {
        session.start(outbound)?;
        let mut relay = Relay::new(self.client, session, self.flow, self.times, attempts);
        std::future::poll_fn(|context| relay.poll(self.alarm, context)).await
    }

    /// Pauses before the next attempt.
    pub async fn rest(&mut self, pause: Duration) -> Result<(), Reason> {
        if pause.is_zero() {
            return Ok(());
        }
        let over = clock::later(clock::now(), pause).min(self.times.end().0);
        let never = std::future::pending::<Result<(), Reason>>();
        let rested = (over, Reason::UpstreamTimeout);
        match wait(self.client, std::pin::pin!(never), rested, self.alarm).await {
            Err(Reason::ClientGone) => Err(Reason::ClientGone),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
