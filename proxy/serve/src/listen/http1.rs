//! One HTTP/1 connection: its requests in turn.

mod client;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use marchproxy_decide::exchange::Moment;
use marchproxy_decide::verdict::Reason;
use marchproxy_decide::wire::head::{HeadFacts, HeadScanner, Inspected};
use tokio::time::{Instant, timeout_at};

use super::caller::Caller;
use super::http2;
use super::refuse;
use super::transport::Transport;
use super::worker::Worker;
use crate::clock::{self, Alarm};
use crate::drain::{Drain, Phase};
use crate::edge::{Arrival, Client, Request};
use client::Http1Client;

/// The client connection preface of HTTP/2 (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// While draining, an idle connection is kept this long for a request that may be on its way.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// What came.
enum Next {
    Request(HeadFacts),
    /// Nothing that could be read, although there seemed to be something.
    Nothing,
    Http2,
    Refused(Reason),
    Closed,
}

/// Serves the requests of one connection until either side ends it.
pub async fn serve<S>(stream: S, caller: Caller, worker: &Arc<Worker>, mut drain: Drain)
where
    S: Transport + 'static,
{
    let mut client = Box::new(Http1Client::new(stream, caller.clone()));
    let mut alarm = Alarm::default();
    let mut first = true;
    loop {
        if !wait_for_request(&mut client, &caller, &mut drain, &mut alarm, first).await {
            return client.close();
        }
        let began = clock::now();
        match read_head(&mut client, &caller).await {
            Next::Request(facts) => {
                let Some(request) = client.take_request(&facts) else {
                    return refuse(*client, &caller, worker, began, Reason::Internal);
                };
                let arrival = caller.arrival(began);
                if !run(&mut client, request, arrival, worker, &drain, &mut alarm).await {
                    return;
                }
            }
            Next::Nothing => continue,
            Next::Http2 if first => {
                let Some((stream, came)) = client.into_parts() else { return };
                return Box::pin(http2::serve(stream, came, &caller, worker, drain)).await;
            }
            Next::Http2 => {
                return refuse(*client, &caller, worker, began, Reason::RequestLine);
            }
            Next::Refused(reason) => {
                return refuse(*client, &caller, worker, began, reason);
            }
            Next::Closed => return,
        }
        first = false;
    }
}

/// Waits until a request begins. `false`: none came in time, or none is to come.
async fn wait_for_request<S: Transport>(
    client: &mut Http1Client<S>,
    caller: &Caller,
    drain: &mut Drain,
    alarm: &mut Alarm,
    first: bool,
) -> bool {
    if client.has_something() {
        return true;
    }
    client.trim();
    let view = caller.listener().view();
    let patience =
        if first { view.config.requests.head_time } else { view.config.connections.keep_alive }
            .duration();
    drop(view);
    let mut until = clock::later(clock::now(), patience);
    loop {
        tokio::select! {
            biased;
            readable = client.readable() => return readable.is_ok(),
            () = alarm.until(until) => return false,
            phase = drain.changed() => match phase {
                Phase::Serve => {}
                Phase::Drain => until = until.min(clock::later(clock::now(), DRAIN_GRACE)),
                Phase::Cut => return false,
            },
        }
    }
}

/// Reads one request head, whole and within its limits.
async fn read_head<S: Transport>(client: &mut Http1Client<S>, caller: &Caller) -> Next {
    let view = caller.listener().view();
    let head_time = view.config.requests.head_time.duration();
    let limits = view.head;
    let mut scanner = HeadScanner::new();
    let speaks_http2 = view.speaks_http2();
    drop(view);
    // The first read finds something at once: only a head that comes in pieces needs a timer.
    let mut until = None;
    loop {
        let waiting = client.waiting();
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
        let began = !waiting.is_empty();
        let read = if let Some(read) = client.read_more().now_or_never() {
            Ok(read)
        } else if !client.has_something() {
            return Next::Nothing;
        } else {
            let until = *until.get_or_insert_with(|| Instant::now() + head_time);
            timeout_at(until, client.read_more()).await
        };
        match read {
            Ok(Ok(count)) if count > 0 => {}
            Err(_) if began => return Next::Refused(Reason::HeadTime),
            Ok(_) | Err(_) => return Next::Closed,
        }
    }
}

/// Serves one request whose head has been read. `false`: it was the last one.
async fn run<S>(
    client: &mut Http1Client<S>,
    request: Request,
    arrival: Arrival,
    worker: &Arc<Worker>,
    drain: &Drain,
    alarm: &mut Alarm,
) -> bool
where
    S: Transport + 'static,
{
    if drain.is_on() {
        client.close_after();
    }
    // In a box: it would take its room for as long as the connection idles.
    Box::pin(worker.edge.serve(client, request, arrival, alarm)).await;
    let goes_on = client.is_reusable();
    if goes_on {
        client.next_request();
    } else {
        client.close();
    }
    goes_on
}

/// Answers with the refusal that is due for `reason`, records it, and ends the connection.
fn refuse<S: Transport>(
    client: Http1Client<S>,
    caller: &Caller,
    worker: &Arc<Worker>,
    began: Moment,
    reason: Reason,
) {
    let arrival = caller.arrival(began);
    let bytes = refuse::at_the_wire(&worker.edge, arrival, client.waiting(), reason);
    client.end_with(&bytes);
}
