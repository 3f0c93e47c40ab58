//! What the loop that owns a connection and Pingora's hooks share about one running request.

use std::any::Any;
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use marchproxy_decide::exchange::{Connection, Moment};
use marchproxy_decide::verdict::Reason;
use pingora_core::protocols::Digest;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_http::ResponseHeader;
use tokio::time::Sleep;

use super::table::{Admitted, Listener};

/// How long an interrupted request may take to send its refusal before it is cut.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// One running request, as seen from both sides. On HTTP/1 the requests of a connection use the
/// same one in turn.
pub struct Link {
    /// The place of the connection among those of its listener: it is held as long as anything of
    /// the connection is.
    pub place: Arc<Admitted>,
    /// The connection it came by.
    pub connection: Arc<Connection>,
    head_began: AtomicU64,
    ends_at: AtomicU64,
    idle_for: AtomicU64,
    last_touch: AtomicU64,
    answering: AtomicBool,
    upgrade: AtomicBool,
    tunnel: AtomicBool,
    goes_on: AtomicBool,
    interrupted: AtomicU16,
}

impl Link {
    /// A link for a connection on which nothing has happened yet.
    pub fn new(place: Arc<Admitted>, connection: Arc<Connection>) -> Self {
        Self {
            place,
            connection,
            head_began: AtomicU64::new(0),
            ends_at: AtomicU64::new(u64::MAX),
            idle_for: AtomicU64::new(u64::MAX),
            last_touch: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            upgrade: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            goes_on: AtomicBool::new(false),
            interrupted: AtomicU16::new(0),
        }
    }

    /// The listener that accepted the connection.
    pub fn listener(&self) -> &Arc<Listener> {
        &self.place.listener
    }

    /// Starts anew for the request whose head begins now.
    pub fn begin(&self) {
        self.head_began.store(nanos_now(), Ordering::Relaxed);
        self.ends_at.store(u64::MAX, Ordering::Relaxed);
        self.idle_for.store(u64::MAX, Ordering::Relaxed);
        self.answering.store(false, Ordering::Relaxed);
        self.upgrade.store(false, Ordering::Relaxed);
        self.tunnel.store(false, Ordering::Relaxed);
        self.goes_on.store(false, Ordering::Relaxed);
        self.interrupted.store(0, Ordering::Relaxed);
    }

    /// When the head's first byte arrived (HTTP/1) or the stream was opened (HTTP/2).
    pub fn head_began(&self) -> Moment {
        Moment::from_nanos(self.head_began.load(Ordering::Relaxed))
    }

    /// The request must be over `after` from now.
    pub fn ends_after(&self, after: Duration) {
        let at = nanos_now().saturating_add(nanos(after));
        self.ends_at.store(at, Ordering::Relaxed);
    }

    /// No pause may be longer than `longest`, from now on.
    pub fn idles_at_most(&self, longest: Duration) {
        self.touch();
        self.idle_for.store(nanos(longest), Ordering::Relaxed);
    }

    /// Something arrived or left.
    pub fn touch(&self) {
        self.last_touch.store(nanos_now(), Ordering::Relaxed);
    }

    /// The head of the answer is on its way to the client: no other answer can be sent.
    pub fn set_answering(&self) {
        self.answering.store(true, Ordering::Relaxed);
    }

    /// The request asks for another protocol.
    pub fn set_upgrade(&self) {
        self.upgrade.store(true, Ordering::Relaxed);
    }

    /// The connection has been upgraded; from here on only pauses are bounded.
    pub fn set_tunnel(&self) {
        self.ends_at.store(u64::MAX, Ordering::Relaxed);
        self.tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether the connection has been upgraded.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Relaxed)
    }

    /// A refusal has been sent whole, and the client may send its next request on this connection.
    pub fn set_going_on(&self) {
        self.goes_on.store(true, Ordering::Relaxed);
    }

    /// Whether the connection can be used again after a failure.
    pub fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::Relaxed)
    }

    /// Ends the running request for `reason`. The first reason stays.
    pub fn interrupt(&self, reason: Reason) {
        let code = (reason as u16).saturating_add(1);
        let _ = self.interrupted.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why the running request was ended from outside, if it was.
    pub fn interrupted(&self) -> Option<Reason> {
        let index = usize::from(self.interrupted.load(Ordering::Relaxed)).checked_sub(1)?;
        Reason::ALL.get(index).copied()
    }

    /// Runs the request, and cuts it when its time is over. While no answer has begun, it is first
    /// interrupted, so that Pingora fails and a refusal can still be sent; else, or when that takes
    /// too long, it is dropped and `None` comes back.
    pub async fn run<T>(&self, alarm: &mut Alarm, request: impl Future<Output = T>) -> Option<T> {
        let mut request = pin!(request);
        let mut refusing = false;
        std::future::poll_fn(move |context| {
            loop {
                let outer = POLLED.replace(self.polled());
                let polled = request.as_mut().poll(context);
                POLLED.set(outer);
                if let Poll::Ready(result) = polled {
                    return Poll::Ready(Some(result));
                }
                let Some(end) = self.end() else { return Poll::Pending };
                ready!(alarm.poll(end, context));
                // It may have moved while it was waited for.
                if self.end().is_none_or(|end| end > Instant::now()) {
                    continue;
                }
                self.interrupt(Reason::UpstreamTimeout);
                if refusing || self.answering.load(Ordering::Relaxed) {
                    return Poll::Ready(None);
                }
                refusing = true;
                self.ends_after(REFUSAL_TIME);
                self.idle_for.store(u64::MAX, Ordering::Relaxed);
            }
        })
        .await
    }

    fn polled(&self) -> Polled {
        Polled {
            is_interrupted: self.interrupted().is_some(),
            is_upgrade: self.upgrade.load(Ordering::Relaxed),
        }
    }

    /// How long until the whole request's time is over; `None` while no limit is known.
    pub fn time_left(&self) -> Option<Duration> {
        let end = self.ends_at.load(Ordering::Relaxed);
        (end != u64::MAX).then(|| Duration::from_nanos(end.saturating_sub(nanos_now())))
    }

    /// When something of the request is over its time; `None` while no limit is known.
    fn end(&self) -> Option<Instant> {
        let idle_for = self.idle_for.load(Ordering::Relaxed);
        let idle_end = self.last_touch.load(Ordering::Relaxed).saturating_add(idle_for);
        let end = self.ends_at.load(Ordering::Relaxed).min(idle_end);
        if end == u64::MAX { None } else { EPOCH.checked_add(Duration::from_nanos(end)) }
    }
}

/// What a stream may ask of the request that is being polled. Streams to endpoints serve one request
/// after another, and know none of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Polled {
    /// It has been interrupted.
    pub is_interrupted: bool,
    /// It asks for another protocol.
    pub is_upgrade: bool,
}

thread_local! {
    static POLLED: Cell<Polled> =
        const { Cell::new(Polled { is_interrupted: false, is_upgrade: false }) };
}

/// The request that is being polled on this thread.
pub fn polled() -> Polled {
    POLLED.get()
}

/// One timer for limits that move: made when first needed, moved only when one comes closer. A
/// connection keeps it from request to request, as most limits end before they are reached.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Resolves at a moment.
    pub async fn until(&mut self, at: tokio::time::Instant) {
        std::future::poll_fn(|context| self.poll(at.into_std(), context)).await;
    }

    fn poll(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
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

/// Wraps a link so that Pingora carries it: its digest of a CONNECT proxy, of which a downstream
/// connection has none, has room for data of ours.
pub fn carry(link: &Arc<Link>) -> Arc<ProxyDigest> {
    let unused = Box::new(ResponseHeader::from(http::Response::new(()).into_parts().0));
    let data: Box<dyn Any + Send + Sync> = Box::new(Arc::clone(link));
    Arc::new(ProxyDigest::new(unused, Some(data)))
}

/// Finds the link that [`carry`] wrapped.
pub fn carried(digest: &Digest) -> Option<&Arc<Link>> {
    digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Now, on the clock that all moments of this process are of.
pub fn now() -> Moment {
    Moment::from_nanos(nanos_now())
}

fn nanos_now() -> u64 {
    nanos(EPOCH.elapsed())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
