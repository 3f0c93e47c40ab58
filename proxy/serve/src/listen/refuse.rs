//! Refusing what never became a request.

use std::time::SystemTime;

use marchproxy_decide::answer::wire_refusal;
use marchproxy_decide::exchange::{Exchange, Start};
use marchproxy_decide::verdict::Reason;

use super::guard::{Guard, Transport};
use super::link::{self, Link};
use super::worker::Worker;

/// Answers with the refusal that is due for `reason` and records it. The connection must be
/// dropped after it.
pub async fn at_the_wire<S: Transport>(
    guard: &mut Guard<S>,
    link: &Link,
    worker: &Worker,
    reason: Reason,
) {
    let view = link.listener.view_to_keep();
    let now = SystemTime::now();
    let unix_millis = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0));
    let mut exchange = Exchange::new(Start {
        connection: std::sync::Arc::clone(&link.connection),
        listener: view.index,
        moment: link.head_began(),
        unix_millis,
        random: std::array::from_fn(|_| fastrand::u64(..)),
    });
    let answer = wire_refusal(reason, &exchange.request_id);
    exchange.reason = Some(reason);
    exchange.status = answer.status.as_u16();
    exchange.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(512);
    answer.to_http1(&httpdate::fmt_http_date(now), true, &mut bytes);
    // The client may be gone: the refusal is recorded all the same.
    let _ = guard.send(&bytes).await;
    link.interrupt(reason);
    exchange.marks.end = Some(link::now());
    worker.observer.record(
        worker.index,
        &view.generation.handles,
        &view.generation.snapshot,
        &exchange,
        None,
    );
}
