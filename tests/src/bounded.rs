//! Waiting with a bound: for a future to end, and for a fact to become true.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The bound of a step that normally takes milliseconds; wide, since test machines can be busy.
pub const STEP: Duration = Duration::from_secs(10);

const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Waits for `future`, at most [`STEP`].
///
/// # Panics
/// When the time is over; the message holds `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(STEP, what, future).await
}

/// Waits for `future`, at most `bound`.
///
/// # Panics
/// When the time is over; the message holds `what`.
pub async fn within_time<T>(bound: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(bound, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {bound:?}"),
    }
}

/// Looks again and again until `look` gives something, at most [`STEP`].
///
/// # Panics
/// When the time is over; the message holds `what`.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_in(STEP, what, look).await
}

/// Looks again and again until `look` gives something, at most `bound`.
///
/// # Panics
/// When the time is over; the message holds `what`.
pub async fn eventually_in<T>(
    bound: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + bound;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {bound:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
