//! One HTTP/2 connection: its streams side by side.

mod client;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::caller::Caller;
use super::gather::Gather;
use super::worker::Worker;
use crate::clock::{self, Alarm};
use crate::drain::{Drain, Phase};
use crate::edge::Arrival;
use crate::http2::SEND_BUFFER;
use client::Http2Client;

/// Streams of one connection that broke the rules, before it is closed.
const MALFORMED_STREAMS: usize = 32;
/// How long a client that has been told to leave may take.
const LEAVING: Duration = Duration::from_secs(1);
/// What a client may send on one stream before we have passed it on.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection: some uploads that do not get on must not stop the others.
const CONNECTION_WINDOW: u32 = 16 * STREAM_WINDOW;

/// Streams of one connection that are being served.
#[derive(Default)]
struct Running {
    count: AtomicUsize,
    none_left: Notify,
}

struct RunningGuard(Arc<Running>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.none_left.notify_one();
        }
    }
}

impl Running {
    fn start(self: &Arc<Self>) -> RunningGuard {
        self.count.fetch_add(1, Ordering::Relaxed);
        RunningGuard(Arc::clone(self))
    }

    /// Resolves when nothing has run for `patience`.
    async fn idle(&self, patience: Duration) {
        loop {
            while self.count.load(Ordering::Relaxed) > 0 {
                self.none_left.notified().await;
            }
            sleep(patience).await;
            if self.count.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

/// Serves one connection, of which `came` has been read already, until either side ends it.
pub async fn serve<S>(
    stream: S,
    came: Bytes,
    caller: &Caller,
    worker: &Arc<Worker>,
    mut drain: Drain,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let view = caller.listener().view();
    let preface_time = view.config.requests.head_time.duration();
    let keep_alive = view.config.connections.keep_alive.duration();
    let answer_idle = view.config.requests.answer_idle.duration();
    let builder =
        builder(view.config.connections.http2_streams, view.config.requests.head_size.bytes());
    drop(view);

    let stream = Gather::new(stream, came);
    let Ok(Ok(mut h2)) = timeout(preface_time, builder.handshake(stream)).await else { return };
    let running = Arc::new(Running::default());
    let mut patience = preface_time;
    let mut is_leaving = false;
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = h2.accept() => accepted,
            phase = drain.changed() => {
                if phase == Phase::Cut {
                    return;
                }
                h2.graceful_shutdown();
                continue;
            }
            () = running.idle(patience) => {
                // Streams that are not over have the end of an answer to send.
                let next = if h2.has_streams() { answer_idle } else { LEAVING };
                if is_leaving && next <= patience {
                    return;
                }
                // A request may be on its way: the client is told before it is left.
                h2.graceful_shutdown();
                is_leaving = true;
                patience = next;
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        patience = if is_leaving { LEAVING } else { keep_alive };
        let arrival = caller.arrival(clock::now());
        let (worker, drain, guard) = (Arc::clone(worker), drain.clone(), running.start());
        tokio::spawn(serve_stream(request, respond, arrival, worker, drain, guard));
    }
}

async fn serve_stream(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    arrival: Arrival,
    worker: Arc<Worker>,
    mut drain: Drain,
    running: RunningGuard,
) {
    let _running = running;
    let (mut client, request) = Http2Client::new(request, respond);
    let mut alarm = Alarm::default();
    tokio::select! {
        biased;
        () = worker.edge.serve(&mut client, request, arrival, &mut alarm) => {}
        () = drain.cut() => return,
    }
    client.finish().await;
}

fn builder(streams: u32, head_size: u64) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(streams)
        // Our own limit is kept where a refusal can be sent and recorded; this one is for floods.
        .max_header_list_size(u32::try_from(head_size.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(MALFORMED_STREAMS))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}
