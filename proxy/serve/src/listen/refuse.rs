//! Refusing what never became a request.

use std::sync::Arc;
use std::time::SystemTime;

use http::Version;
use marchproxy_decide::answer::wire_refusal;
use marchproxy_decide::exchange::{Exchange, Start};
use marchproxy_decide::verdict::Reason;

use super::guard::{Guard, Transport};
use super::link::{self, Link};
use super::table::View;
use super::worker::Worker;
use crate::generation::Generation;

/// Answers with the refusal that is due for `reason` and records it. The connection must be
/// dropped after it.
pub async fn at_the_wire<S: Transport>(
    guard: &mut Guard<S>,
    link: &Link,
    worker: &Worker,
    reason: Reason,
) {
    let (view, mut exchange) = begun(link, reason);
    let answer = wire_refusal(reason, &exchange.request_id);
    exchange.status = answer.status.as_u16();
    exchange.bytes_out = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(512);
    answer.to_http1(&httpdate::fmt_http_date(SystemTime::now()), true, &mut bytes);
    // The client may be gone: the refusal is recorded all the same.
    let _ = guard.send(&bytes).await;
    link.interrupt(reason);
    record(worker, &view, exchange);
}

/// Records a refusal that Pingora or its HTTP/2 library has answered by themselves.
pub fn recorded(link: &Link, worker: &Worker, reason: Reason) {
    let (view, mut exchange) = begun(link, reason);
    exchange.version = Version::HTTP_2;
    exchange.status = reason.status().as_u16();
    record(worker, &view, exchange);
}

fn begun(link: &Link, reason: Reason) -> (Arc<View>, Exchange) {
    let view = link.listener().view_to_keep();
    let unix_millis = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(0));
    let mut exchange = Exchange::new(Start {
        connection: Arc::clone(&link.connection),
        listener: view.index,
        moment: link.head_began(),
        unix_millis,
        random: std::array::from_fn(|_| fastrand::u64(..)),
    });
    exchange.reason = Some(reason);
    (view, exchange)
}

fn record(worker: &Worker, view: &View, mut exchange: Exchange) {
    exchange.marks.end = Some(link::now());
    let Generation { handles, snapshot, .. } = &*view.generation;
    worker.observer.record(worker.index, handles, snapshot, &exchange, None);
}
