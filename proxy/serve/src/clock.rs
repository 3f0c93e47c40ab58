//! The one clock of the data path, and the timer that goes with it.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use marchproxy_decide::exchange::Moment;
use tokio::time::Sleep;

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Now, on the clock that all moments of this process are of.
pub fn now() -> Moment {
    Moment::from_nanos(nanos(EPOCH.elapsed()))
}

/// The moment `after` another.
pub fn later(from: Moment, after: Duration) -> Moment {
    Moment::from_nanos(from.nanos().saturating_add(nanos(after)))
}

/// Milliseconds since 1970-01-01 UTC.
pub fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// One timer for limits that move: made when first needed, moved only when one comes closer. A
/// connection keeps it from request to request, as most limits end before they are reached.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Resolves at a moment.
    pub async fn until(&mut self, at: Moment) {
        std::future::poll_fn(|context| self.poll(at, context)).await;
    }

    /// Ready at a moment, or after it.
    pub fn poll(&mut self, at: Moment, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = EPOCH.checked_add(Duration::from_nanos(at.nanos())) else {
            return Poll::Pending;
        };
        let at = tokio::time::Instant::from_std(at);
        loop {
            let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if sleep.deadline() > at {
                sleep.as_mut().reset(at);
            }
            ready!(sleep.as_mut().poll(context));
            let rang_at = sleep.deadline();
            self.0 = None;
            if rang_at >= at {
                return Poll::Ready(());
            }
        }
    }
}
