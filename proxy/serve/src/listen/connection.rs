//! One accepted connection: whose it is, TLS, then the HTTP version it speaks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use marchproxy_decide::exchange::Connection;
use pingora_core::protocols::Ssl;
use pingora_core::protocols::tls::ALPN;
use tokio::time::timeout;

use super::caller::Caller;
use super::http1;
use super::http2;
use super::passthrough;
use super::proxied::{self, Ends, Stop};
use super::socket::Socket;
use super::stream::Stream;
use super::table::Admitted;
use super::worker::Worker;
use crate::drain::Drain;

/// Serves one connection to its end, or until its listener cuts it.
pub async fn serve(stream: Stream, ends: Ends, place: Admitted, worker: Arc<Worker>) {
    let mut cut = place.listener.drain();
    let drain = cut.clone();
    let served = Box::pin(serve_admitted(stream, ends, place, &worker, drain));
    tokio::select! {
        biased;
        () = served => {}
        () = cut.cut() => {}
    }
    worker.closed.fetch_add(1, Ordering::Relaxed);
}

async fn serve_admitted(
    stream: Stream,
    mut ends: Ends,
    mut place: Admitted,
    worker: &Arc<Worker>,
    drain: Drain,
) {
    if place.listener.view().config.proxy_protocol.is_some() {
        let Some(told) = Box::pin(proxied(&stream, ends, &mut place, worker)).await else { return };
        ends = told;
    }
    let place = Arc::new(place);
    let listener = &place.listener;
    let view = listener.view();
    let caller = |tls| {
        let name = Arc::clone(&listener.name);
        let connection = Connection::new(ends.client, ends.local, name, tls);
        Caller::new(Arc::clone(&place), Arc::new(connection))
    };
    let Some(tls) = view.tls.clone() else {
        let http2_only = !view.speaks_http1();
        drop(view);
        let socket = Socket::new(stream, false);
        let caller = caller(None);
        if http2_only {
            return Box::pin(http2::serve(socket, Bytes::new(), &caller, worker, drain)).await;
        }
        return http1::serve(socket, caller, worker, drain).await;
    };
    let patience = view.config.connections.handshake.duration();
    let passes_on = view.passes_on();
    let generation = passes_on.then(|| Arc::clone(&view.generation));
    drop(view);
    let mut socket = Socket::new(stream, true);
    if let Some(generation) = generation {
        let (to, observer) = ((&*generation, ends), &worker.edge.observer);
        let passing = passthrough::pass_on(socket, listener, to, observer);
        let Some(own) = Box::pin(passing).await else { return };
        socket = own;
    }
    let handshake = Box::pin(timeout(patience, tls.handshake(socket))).await;
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(cause)) => {
            return worker.edge.observer.metrics.handshake_failed(&listener.name, cause);
        }
        Err(_) => return worker.edge.observer.metrics.handshake_failed(&listener.name, "timeout"),
    };
    let Ok(facts) = tls.facts(&stream) else { return };
    let caller = caller(Some(facts));
    if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) || tls.is_http2_only() {
        return Box::pin(http2::serve(stream, Bytes::new(), &caller, worker, drain)).await;
    }
    http1::serve(stream, caller, worker, drain).await;
}

/// The ends that a connection has by its PROXY header. `None`: it is to be closed, which is counted.
async fn proxied(
    stream: &Stream,
    ends: Ends,
    place: &mut Admitted,
    worker: &Worker,
) -> Option<Ends> {
    let told = proxied::read(stream, ends, place).await;
    let (name, metrics) = (&place.listener.name, &worker.edge.observer.metrics);
    match told {
        Ok(told) => return Some(told),
        Err(Stop::Refused(refusal)) => metrics.header_refused(name, refusal),
        Err(Stop::Full) => metrics.connection_refused(name),
        Err(Stop::Silent) if place.listener.view().tls.is_some() => {
            metrics.handshake_failed(name, "timeout");
        }
        Err(Stop::Silent | Stop::Gone) => {}
    }
    None
}
