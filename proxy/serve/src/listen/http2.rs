//! One HTTP/2 connection: its streams side by side.
//!
//! Pingora's own loop has no limit on the time to the preface and the first request, and forgets
//! how many malformed streams a connection has sent; so the loop is ours, and each stream is given
//! to Pingora as a session of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use marchproxy_decide::verdict::Reason;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, handshake};
use pingora_core::protocols::{Digest, IO};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::drain::{Drain, Phase};
use super::gather::Gather;
use super::link::{Alarm, Link, carry};
use super::refuse;
use super::worker::Worker;

/// Malformed streams of one connection before it is closed.
const MALFORMED_STREAMS: u32 = 32;
/// How long a client that has been told to leave may take.
const LEAVING: Duration = Duration::from_secs(1);
/// What may wait for a slow client on one stream, beyond the client's window.
const SEND_BUFFER: usize = 64 << 10;
/// What a client may send on one stream before we have passed it on.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;

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

/// Serves one connection until either side ends it. `origin` names the connection.
pub async fn serve<S: IO + 'static>(
    stream: Box<S>,
    origin: &Link,
    worker: &Worker,
    mut drain: Drain,
) {
    let view = origin.listener().view();
    let preface_time = view.config.requests.head_time.duration();
    let keep_alive = view.config.connections.keep_alive.duration();
    let options =
        options(view.config.connections.http2_streams, view.config.requests.head_size.bytes());
    drop(view);

    let digest = digest(&*stream);
    let stream = Box::new(Gather::new(stream));
    let Ok(Ok(mut h2)) = timeout(preface_time, handshake(stream, Some(options))).await else {
        return;
    };
    let running = Arc::new(Running::default());
    let mut malformed = 0_u32;
    let mut patience = preface_time;
    let mut leaving = false;
    loop {
        let link = Arc::new(Link::new(Arc::clone(&origin.place), Arc::clone(&origin.connection)));
        let digest = Digest { proxy_digest: Some(carry(&link)), ..digest.clone() };
        let accepted = tokio::select! {
            biased;
            accepted = HttpSession::from_h2_conn(&mut h2, Arc::new(digest)) => accepted,
            phase = drain.changed() => {
                if phase == Phase::Cut {
                    return;
                }
                h2.graceful_shutdown();
                continue;
            }
            () = running.idle(patience) => {
                if std::mem::replace(&mut leaving, true) {
                    return;
                }
                // A request may be on its way: the client is told before it is left.
                h2.graceful_shutdown();
                patience = LEAVING;
                continue;
            }
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => {
                patience = if leaving { LEAVING } else { keep_alive };
                link.begin();
                serve_stream(session, link, worker, drain.clone(), running.start());
            }
            Ok(Some(H2Accept::Rejected)) => {
                link.begin();
                refuse::recorded(&link, worker, Reason::ClientProtocol);
                malformed = malformed.saturating_add(1);
                if malformed >= MALFORMED_STREAMS {
                    return;
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// What all streams of a connection have in common.
fn digest(stream: &impl IO) -> Digest {
    Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: None,
        socket_digest: stream.get_socket_digest(),
    }
}

fn serve_stream(
    session: HttpSession,
    link: Arc<Link>,
    worker: &Worker,
    mut drain: Drain,
    running: RunningGuard,
) {
    let proxy = Arc::clone(&worker.proxy);
    tokio::spawn(async move {
        let _running = running;
        let shutdown = drain.shutdown().clone();
        let session = ServerSession::new_http2(session);
        let mut alarm = Alarm::default();
        tokio::select! {
            biased;
            _ = link.run(&mut alarm, proxy.process_new_http(session, &shutdown)) => {}
            () = drain.cut() => {}
        }
    });
}

fn options(streams: u32, head_size: u64) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(streams)
        // Our own limit is kept where a refusal can be sent and recorded; this one is for floods.
        .max_header_list_size(u32::try_from(head_size.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    options
}
