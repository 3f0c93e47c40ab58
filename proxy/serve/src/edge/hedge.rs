//! Asking a second endpoint when the first takes long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;
use tokio::time::timeout;

use super::attempts::Attempts;
use super::outcome::Lost;
use super::relay::Relay;
use super::way::{STALE_RETRIES, Way};
use super::{AnswerHead, Client, Outbound, OutboundBody, Piece};
use crate::clock::{self, Alarm};
use crate::upstream::{Endpoint, Failure, Fate, Pool, Session, Upstream};

/// An endpoint that has begun to answer.
struct Answer {
    session: Session,
    head: AnswerHead,
    /// When there was a connection to it.
    connected: Moment,
    /// When the head came.
    came: Moment,
}

impl Answer {
    /// Another one is heard.
    fn lost(self) -> Lost {
        Lost::Answered(self.head, self.came.since(self.connected))
    }
}

/// Why an endpoint did not begin to answer.
#[derive(Clone, Copy)]
enum Unanswered {
    /// There is no connection to it.
    NoConnection(Reason),
    /// The exchange failed.
    Failed(Failure),
}

impl Unanswered {
    /// What is noted of the endpoint when another one is heard.
    fn lost(self) -> Lost {
        match self {
            Self::NoConnection(reason) => Lost::Failed(reason),
            // It has said in good order that it takes no more.
            Self::Failed(failure) if failure.fate == Fate::Unprocessed => Lost::Nothing,
            Self::Failed(failure) => Lost::Failed(failure.reason),
        }
    }
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Answer, Unanswered>> + Send + 'a>>;

/// One of those that were asked.
enum Racer<'a> {
    /// It may answer. It was asked then.
    Running(Asking<'a>, Moment),
    /// It has answered, but not well: it is heard if nobody else answers.
    Held(Box<Answer>),
    /// It has failed.
    Failed(Unanswered),
    /// It is the one that is heard, or was never asked.
    Out,
}

/// Who answered, or why nobody did.
enum Race {
    First(Answer),
    Second(Answer),
    Nobody(Unanswered),
}

impl Racer<'_> {
    fn is_running(&self) -> bool {
        matches!(self, Self::Running(..))
    }

    /// What becomes of it when another one is heard.
    fn lost(self) -> Lost {
        match self {
            Self::Running(_, since) => Lost::Waiting(clock::now().since(since)),
            Self::Held(answer) => answer.lost(),
            Self::Failed(why) => why.lost(),
            Self::Out => Lost::Nothing,
        }
    }

    /// Its answer, if it is there and good enough.
    fn poll(
        &mut self,
        unwanted: &[u16],
        context: &mut Context<'_>,
    ) -> Result<Option<Answer>, Unanswered> {
        let Self::Running(asking, _) = self else { return Ok(None) };
        let Poll::Ready(done) = asking.as_mut().poll(context) else { return Ok(None) };
        match done {
            Ok(answer) if is_bad(&answer.head, unwanted) => {
                *self = Self::Held(Box::new(answer));
                Ok(None)
            }
            Ok(answer) => {
                *self = Self::Out;
                Ok(Some(answer))
            }
            Err(why) => {
                *self = Self::Failed(why);
                Err(why)
            }
        }
    }

    fn take_held(&mut self) -> Option<Answer> {
        match std::mem::replace(self, Self::Out) {
            Self::Held(answer) => Some(*answer),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Whether a request may be asked twice at the same time.
pub(super) fn is_possible(outbound: &Outbound) -> bool {
    outbound.body == OutboundBody::None && outbound.method.is_idempotent() && !outbound.is_websocket
}

impl Attempts<'_> {
    /// No endpoint has begun to answer, for this reason. They know then whether to try again.
    fn has_nobody(&mut self, why: Unanswered) -> Reason {
        let now = clock::now();
        match why {
            Unanswered::NoConnection(reason) => {
                self.has_no_connection(reason, now);
                reason
            }
            Unanswered::Failed(failure) => {
                self.has_failed(failure, true, now);
                failure.reason
            }
        }
    }
}

impl<C: Client> Way<'_, C> {
    /// Tries an endpoint, and another besides when it takes longer than `after`. After an error the
    /// attempts know whether and where to try again.
    pub(super) async fn hedged(
        &mut self,
        attempts: &mut Attempts<'_>,
        outbound: &Outbound,
        began: Moment,
        after: Duration,
    ) -> Result<(), Reason> {
        self.times.attempts(began);
        // There is no body: a copy is complete with its head.
        attempts.upload.mirror.copy(&Piece::End(None));
        let first = Arc::clone(&attempts.seat().endpoint);
        self.flow.tries(&first, began);
        let traced = self.flow.traced(outbound);
        let first_outbound = traced.as_deref().unwrap_or(outbound);
        let (pool, upstream) = (&self.edge.pool, self.upstream);
        let limit = self.times.answer_limit(began);
        let asking: Asking<'_> = Box::pin(ask(pool, upstream, &first, first_outbound));
        let mut racers = [Racer::Running(asking, began), Racer::Out];
        let mut second: Option<Arc<Endpoint>> = None;
        let unwanted = &*upstream.config.retry.statuses;
        let hedge_at = clock::later(began, after);
        let mut is_hedged = false;
        let race = loop {
            let by = if is_hedged { limit } else { (hedge_at.min(limit.0), limit.1) };
            let raced = race(self.client, &mut racers, unwanted, by, self.alarm).await?;
            if let Some(race) = raced {
                break race;
            }
            if is_hedged || clock::now() >= limit.0 {
                let failure = Failure { reason: limit.1, fate: Fate::Unknown };
                let held = held(&mut racers);
                break held.unwrap_or(Race::Nobody(Unanswered::Failed(failure)));
            }
            is_hedged = true;
            let now = clock::now();
            if let Some(endpoint) = attempts.hedge(now) {
                self.flow.tries(&endpoint, now);
                second = Some(Arc::clone(&endpoint));
                let traced = self.flow.traced(outbound);
                let asking = Box::pin(async move {
                    let outbound = traced.as_deref().unwrap_or(outbound);
                    ask(pool, upstream, &endpoint, outbound).await
                });
                racers[1] = Racer::Running(asking, now);
            }
        };
        let [one, other] = racers;
        let (answer, endpoint) = match (race, second) {
            (Race::First(answer), _) => {
                attempts.drop_second(&other.lost());
                (answer, Arc::clone(&first))
            }
            (Race::Second(answer), Some(second)) => {
                attempts.take_second(&one.lost());
                (answer, second)
            }
            (Race::Second(_), None) => return Err(Reason::Internal),
            (Race::Nobody(last), _) => {
                attempts.drop_second(&other.lost());
                // What is noted of the first is what became of that.
                let why = if let Racer::Failed(own) = one { own } else { last };
                return Err(attempts.has_nobody(why));
            }
        };
        self.answered(attempts, &endpoint, outbound, answer).await
    }

    async fn answered(
        &mut self,
        attempts: &mut Attempts<'_>,
        endpoint: &Arc<Endpoint>,
        outbound: &Outbound,
        answer: Answer,
    ) -> Result<(), Reason> {
        let Answer { mut session, head, connected, .. } = answer;
        self.flow.hears(endpoint);
        self.flow.exchange.marks.connected = Some(connected);
        self.times.connected(clock::now());
        self.times.is_sent();
        let mut relay = Relay::new(self.client, &mut session, self.flow, self.times, attempts);
        relay.begin_with(head);
        let done = std::future::poll_fn(|context| relay.poll(self.alarm, context)).await;
        match done {
            Ok(()) => {
                let moved = self.times.endpoint_moved();
                self.edge.pool.give_back(self.upstream, endpoint, outbound, session, moved);
                Ok(())
            }
            Err(failure) => {
                if !attempts.has_next() {
                    let is_its_fault = !self.times.blames_client();
                    attempts.has_failed(failure, is_its_fault, clock::now());
                }
                Err(failure.reason)
            }
        }
    }
}

/// Ready with who answers first, and well; with nothing when the time is over. One that fails leaves
/// the other in the race, and one that answers badly waits for it.
async fn race<C: Client>(
    client: &mut C,
    racers: &mut [Racer<'_>; 2],
    unwanted: &[u16],
    (by, _): (Moment, Reason),
    alarm: &mut Alarm,
) -> Result<Option<Race>, Reason> {
    std::future::poll_fn(|context: &mut Context<'_>| {
        let mut failed = None;
        for (racer, wins) in racers.iter_mut().zip([Race::First, Race::Second]) {
            match racer.poll(unwanted, context) {
                Ok(Some(answer)) => return Poll::Ready(Ok(Some(wins(answer)))),
                Ok(None) => {}
                Err(why) => failed = Some(why),
            }
        }
        if !racers.iter().any(Racer::is_running)
            && let Some(race) = held(racers).or(failed.map(Race::Nobody))
        {
            return Poll::Ready(Ok(Some(race)));
        }
        if client.poll_gone(context).is_ready() {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        alarm.poll(by, context).map(|()| Ok(None))
    })
    .await
}

/// An answer that was not good enough.
fn held(racers: &mut [Racer<'_>; 2]) -> Option<Race> {
    let [one, other] = racers;
    one.take_held().map(Race::First).or_else(|| other.take_held().map(Race::Second))
}

/// Whether an answer is no better than none as long as another may come.
fn is_bad(head: &AnswerHead, unwanted: &[u16]) -> bool {
    let is_refusal = head.status == StatusCode::TOO_MANY_REQUESTS;
    is_refusal || head.status.is_server_error() || unwanted.contains(&head.status.as_u16())
}

/// Sends a request without a body and waits for the head of its answer.
async fn ask(
    pool: &Pool,
    upstream: &Arc<Upstream>,
    endpoint: &Arc<Endpoint>,
    outbound: &Outbound,
) -> Result<Answer, Unanswered> {
    let mut stale = 0;
    loop {
        let kept = pool.take(endpoint, outbound);
        let is_kept = kept.is_some();
        let session = if let Some(session) = kept {
            session
        } else {
            // On the heap: it is large, and most requests need none.
            let made = Box::pin(pool.connect(upstream, endpoint, outbound));
            let made = timeout(upstream.config.timeouts.connect.duration(), made).await;
            made.unwrap_or(Err(Reason::ConnectTimeout)).map_err(Unanswered::NoConnection)?
        };
        let connected = clock::now();
        match head_of(session, outbound).await {
            Ok((session, head)) => {
                return Ok(Answer { session, head, connected, came: clock::now() });
            }
            Err(failure) => {
                let may_go_again = is_kept && failure.fate < Fate::Begun && stale < STALE_RETRIES;
                if !may_go_again {
                    return Err(Unanswered::Failed(failure));
                }
                stale += 1;
            }
        }
    }
}

async fn head_of(
    mut session: Session,
    outbound: &Outbound,
) -> Result<(Session, AnswerHead), Failure> {
    session.start(outbound)?;
    session.send(Piece::End(None))?;
    std::future::poll_fn(|context| session.poll_flush(context)).await?;
    loop {
        let head = std::future::poll_fn(|context| session.poll_head(context)).await?;
        // Hints would have to come from the one who answers in the end.
        if !head.is_interim() {
            return Ok((session, head));
        }
    }
}
