//! One HTTP/1 connection: its requests in turn.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::body::BodyWatch;
use marchproxy_decide::wire::head::{Framing, HeadFacts, HeadScanner, Inspected};
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use tokio::time::{Instant, timeout_at};

use super::drain::{Drain, Phase};
use super::guard::{Guard, Remains, Transport};
use super::http2;
use super::link::{Alarm, Link, carry};
use super::refuse;
use super::worker::Worker;

/// The client connection preface of HTTP/2 (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// While draining, an idle connection is kept this long for a request that may be on its way.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// What came instead of a further request head.
enum Next {
    Request(HeadFacts),
    Http2,
    Refused(Reason),
    Closed,
}

/// Serves the requests of one connection until either side ends it.
pub async fn serve<S>(stream: S, link: Arc<Link>, worker: &Worker, mut drain: Drain)
where
    S: Transport + 'static,
{
    let mut guard = Box::new(Guard::new(stream, Arc::clone(&link), carry(&link)));
    let mut alarm = Alarm::default();
    let mut first = true;
    loop {
        if !wait_for_request(&mut guard, &link, &mut drain, &mut alarm, first).await {
            return;
        }
        match read_head(&mut guard, &link).await {
            Next::Request(facts) => {
                let running = run(guard, &link, worker, &drain, &mut alarm, &facts);
                let Some(back) = running.await else { return };
                guard = back;
            }
            Next::Http2 if first => {
                return Box::pin(http2::serve(guard, &link, worker, drain)).await;
            }
            Next::Http2 => {
                return refuse::at_the_wire(&mut guard, &link, worker, Reason::RequestLine).await;
            }
            Next::Refused(reason) => {
                return refuse::at_the_wire(&mut guard, &link, worker, reason).await;
            }
            Next::Closed => return,
        }
        first = false;
    }
}

/// Waits until a request begins. `false`: none came in time, or none is to come.
async fn wait_for_request<S: Transport>(
    guard: &mut Guard<S>,
    link: &Link,
    drain: &mut Drain,
    alarm: &mut Alarm,
    first: bool,
) -> bool {
    if guard.has_something() {
        return true;
    }
    guard.trim();
    let view = link.listener().view();
    let patience =
        if first { view.config.requests.head_time } else { view.config.connections.keep_alive }
            .duration();
    let Some(mut until) = Instant::now().checked_add(patience) else { return false };
    drop(view);
    loop {
        tokio::select! {
            biased;
            readable = guard.readable() => return readable.is_ok(),
            () = alarm.until(until) => return false,
            phase = drain.changed() => match phase {
                Phase::Serve => {}
                Phase::Drain => until = until.min(grace_end()),
                Phase::Cut => return false,
            },
        }
    }
}

fn grace_end() -> Instant {
    let now = Instant::now();
    now.checked_add(DRAIN_GRACE).unwrap_or(now)
}

/// Reads one request head, whole and within its limits.
async fn read_head<S: Transport>(guard: &mut Guard<S>, link: &Link) -> Next {
    link.begin();
    let view = link.listener().view();
    let until = Instant::now().checked_add(view.config.requests.head_time.duration());
    let limits = view.head;
    let mut scanner = HeadScanner::new();
    let speaks_http2 = view.speaks_http2();
    drop(view);
    loop {
        let waiting = guard.waiting();
        let preface_so_far = waiting.get(..waiting.len().min(PREFACE.len())).unwrap_or_default();
        if speaks_http2 && !waiting.is_empty() && PREFACE.starts_with(preface_so_far) {
            if preface_so_far.len() == PREFACE.len() {
                return Next::Http2;
            }
        } else {
            match scanner.inspect(waiting, &limits) {
                Inspected::Complete(facts) => return Next::Request(facts),
                Inspected::Refused(reason) => return Next::Refused(reason),
                Inspected::Incomplete => {}
            }
        }
        let began = !guard.waiting().is_empty();
        let read = match until {
            Some(until) => timeout_at(until, guard.read_more()).await,
            None => Ok(guard.read_more().await),
        };
        match read {
            Ok(Ok(count)) if count > 0 => {}
            Err(_) if began => return Next::Refused(Reason::HeadTime),
            Ok(_) | Err(_) => return Next::Closed,
        }
    }
}

/// Lets Pingora run one request whose head has been read. Gives the stream back when it can be
/// used for another one.
async fn run<S>(
    mut guard: Box<Guard<S>>,
    link: &Arc<Link>,
    worker: &Worker,
    drain: &Drain,
    alarm: &mut Alarm,
    facts: &HeadFacts,
) -> Option<Box<Guard<S>>>
where
    S: Transport + 'static,
{
    let head = guard.take_head(facts.length, body_watch(facts.framing));
    let remains = guard.remains();
    let mut session = ServerSession::new_http1(guard);
    session.set_pipelined_prefix(head);
    let request = worker.proxy.process_new_http(session, drain.shutdown());
    let Some(reused) = link.run(alarm, request).await? else {
        return after_failure(&remains, link);
    };
    let (stream, _) = reused.consume();
    let mut guard = stream.into_any().downcast::<Guard<S>>().ok()?;
    guard.next_request().then_some(guard)
}

/// A guard for the stream that Pingora dropped, if it may be used again.
fn after_failure<S: Transport>(remains: &Remains<S>, link: &Arc<Link>) -> Option<Box<Guard<S>>> {
    let (stream, waiting) = remains.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let mut guard = Box::new(Guard::new(stream, Arc::clone(link), carry(link)));
    guard.put_back(waiting);
    Some(guard)
}

/// The content's own limit depends on the route and is kept where the body is forwarded.
fn body_watch(framing: Framing) -> Option<BodyWatch> {
    match framing {
        Framing::None | Framing::Length(0) => None,
        Framing::Length(_) | Framing::Chunked => Some(BodyWatch::new(framing, u64::MAX)),
    }
}
