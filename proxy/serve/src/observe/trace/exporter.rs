//! The task that sends spans, batch by batch, and tries again for a while.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Outcomes;
use super::collector::{Collector, Fault};
use super::span::{self, Spans};

/// How long a batch that is not full waits for more.
const DELAY: Duration = Duration::from_secs(1);
/// The first pause before trying again; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// Pauses grow this often.
const DOUBLINGS: u32 = 5;
/// How long one batch is tried. Later ones wait meanwhile, as far as the queue has room.
const GIVE_UP: Duration = Duration::from_mins(1);

/// Sends what waits.
pub(super) struct Exporter {
    pub collector: Arc<Collector>,
    /// What the proxy is called.
    pub service: String,
    /// Requests that are sent at once.
    pub batch: usize,
    pub waiting: mpsc::Receiver<Spans>,
    /// The end is near: nothing is tried again.
    pub is_closing: watch::Receiver<bool>,
    pub outcomes: Outcomes,
    /// The running spell of failures has been logged.
    pub is_failing: bool,
}

impl Exporter {
    /// Sends until nobody can queue any more, or until it is told to close and the queue is empty.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            let count = batch.iter().fold(0_u64, |count, spans| count.saturating_add(spans.count));
            let message = Bytes::from(span::message(&self.service, batch.iter()));
            drop(batch);
            self.deliver(&message, count).await;
        }
    }

    /// Waits for a first one, however long, and then a moment for others.
    async fn gather(&mut self) -> Option<Vec<Spans>> {
        let first = tokio::select! {
            biased;
            spans = self.waiting.recv() => spans?,
            () = closes(&mut self.is_closing) => {
                self.waiting.close();
                self.waiting.recv().await?
            }
        };
        let mut batch = vec![first];
        let until = Instant::now() + DELAY;
        while batch.len() < self.batch {
            tokio::select! {
                biased;
                spans = self.waiting.recv() => match spans {
                    Some(spans) => batch.push(spans),
                    None => break,
                },
                () = closes(&mut self.is_closing) => self.waiting.close(),
                () = sleep_until(until) => break,
            }
        }
        Some(batch)
    }

    async fn deliver(&mut self, message: &Bytes, count: u64) {
        let give_up = Instant::now() + GIVE_UP;
        let mut failures = 0;
        loop {
            let is_last = *self.is_closing.borrow();
            let fault = match self.collector.send(message).await {
                Ok(rejected) => return self.taken(count, rejected),
                Err(fault) => fault,
            };
            self.tell(&fault);
            let pause = fault.again.map(|least| least.max(pause(failures, fastrand::f64())));
            let again = pause.and_then(|pause| Instant::now().checked_add(pause));
            let again = again.filter(|again| !is_last && *again < give_up);
            let Some(again) = again else {
                return self.outcomes.failed.inc_by(count);
            };
            failures = failures.saturating_add(1);
            tokio::select! {
                () = sleep_until(again) => {}
                () = closes(&mut self.is_closing) => {}
            }
        }
    }

    fn taken(&mut self, count: u64, rejected: u64) {
        let rejected = rejected.min(count);
        self.outcomes.exported.inc_by(count.saturating_sub(rejected));
        self.outcomes.failed.inc_by(rejected);
        if rejected > 0 {
            tracing::warn!(rejected, "the collector of traces rejects spans");
        }
        if std::mem::take(&mut self.is_failing) {
            tracing::info!("the collector of traces takes spans again");
        }
    }

    /// Says, once until it works again, that spans are not taken.
    fn tell(&mut self, fault: &Fault) {
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(why = %fault.why, "the collector of traces takes no spans");
        }
    }
}

/// Resolves when the end is near. When nobody is left who could say so, nobody can queue either.
async fn closes(is_closing: &mut watch::Receiver<bool>) {
    if is_closing.wait_for(|is_closing| *is_closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Twice as long after each failure; `random`, from 0 to 1, makes it up to half as long.
fn pause(failures: u32, random: f64) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(DOUBLINGS)).mul_f64(1.0 - random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        assert_eq!(pause(0, 0.0), Duration::from_millis(500));
        assert_eq!(pause(0, 1.0), Duration::from_millis(250));
        assert_eq!(pause(3, 0.0), Duration::from_secs(4));
        assert_eq!(pause(u32::MAX, 0.0), Duration::from_secs(16));
    }
}
