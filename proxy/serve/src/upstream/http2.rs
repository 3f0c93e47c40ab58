//! Exchanges with an endpoint that speaks HTTP/2: streams of shared connections.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Request, Uri, Version};
use marchproxy_decide::verdict::Reason;
use pingora_core::protocols::Stream;
use tokio::time::{sleep, timeout};

use super::allowance::Place;
use super::failure::{Failure, Fate};
use crate::edge::{AnswerHead, Outbound, OutboundBody, Piece};
use crate::http2::{self, Sending};

/// Requests at one time on one connection, unless the endpoint wants fewer.
const STREAMS: usize = 100;
/// What an endpoint may send on one stream before the client has taken it.
const STREAM_WINDOW: u32 = 128 << 10;
/// The same for all streams of a connection: clients that do not read must not stop the others.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
/// How often an endpoint is asked for a sign of life while exchanges run, and how long it may take.
const PING: Duration = Duration::from_secs(10);
/// Bytes in the head of an answer, as HTTP/2 counts them.
const MAX_HEAD: u32 = 128 << 10;

/// A connection that exchanges share.
#[derive(Clone)]
pub struct Shared {
    send: SendRequest<Bytes>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    running: AtomicUsize,
    is_retired: AtomicBool,
}

impl Shared {
    /// Begins to speak HTTP/2 on a new connection.
    ///
    /// # Errors
    /// The endpoint does not.
    pub async fn begin(stream: Stream, place: Place) -> Result<Self, Reason> {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .max_send_buffer_size(http2::SEND_BUFFER);
        let shook = builder.handshake(stream).await;
        let (send, mut connection) = shook.map_err(|_| Reason::UpstreamReset)?;
        let pings = connection.ping_pong();
        let state = Arc::new(State::default());
        let told = Arc::clone(&state);
        // Ends with the connection: when the endpoint closes it, or when nobody holds it any more.
        tokio::spawn(async move {
            let _place = place;
            let watched = Arc::clone(&told);
            tokio::select! {
                _ = connection => {}
                () = is_lost(pings, watched, PING) => {}
            }
            told.is_retired.store(true, Ordering::Relaxed);
        });
        Ok(Self { send, state })
    }

    /// Whether another exchange may begin on it.
    pub fn has_room(&mut self) -> bool {
        let most = STREAMS.min(self.send.current_max_send_streams());
        // An endpoint that is leaving takes no further streams.
        let mut context = Context::from_waker(Waker::noop());
        if matches!(self.send.poll_ready(&mut context), Poll::Ready(Err(_))) {
            self.retire();
        }
        !self.is_retired() && self.state.running.load(Ordering::Relaxed) < most
    }

    /// Lets no further exchange begin on it. Those that run go on.
    pub fn retire(&self) {
        self.state.is_retired.store(true, Ordering::Relaxed);
    }

    /// Whether it is of no use for further exchanges.
    pub fn is_retired(&self) -> bool {
        self.state.is_retired.load(Ordering::Relaxed)
    }

    /// Whether this is the same connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Whether nothing runs on it.
    pub fn is_idle(&self) -> bool {
        self.state.running.load(Ordering::Relaxed) == 0
    }
}

/// Resolves when the endpoint has gone without a word, while exchanges run. It is asked `every` so
/// often.
async fn is_lost(pings: Option<PingPong>, state: Arc<State>, every: Duration) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(every).await;
        let is_idle = state.running.load(Ordering::Relaxed) == 0;
        if !is_idle && !matches!(timeout(every, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// One exchange: a stream.
pub struct Http2 {
    shared: Shared,
    response: Option<ResponseFuture>,
    sending: Option<Sending>,
    receiving: Option<RecvStream>,
    has_answered: bool,
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.shared.state.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Http2 {
    /// An exchange on `shared`.
    pub fn new(shared: Shared) -> Self {
        shared.state.running.fetch_add(1, Ordering::Relaxed);
        Self { shared, response: None, sending: None, receiving: None, has_answered: false }
    }

    pub(super) fn start(&mut self, outbound: &Outbound) -> Result<(), Failure> {
        let host = outbound.headers.get(HOST).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let uri = Uri::builder()
            .scheme(outbound.manner.scheme)
            .authority(host)
            .path_and_query(outbound.target.as_str())
            .build()
            .map_err(|_| Reason::Internal)?;
        let mut request = Request::new(());
        *request.method_mut() = outbound.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        let mut headers = outbound.headers.clone();
        for name in [HOST, CONNECTION, UPGRADE] {
            headers.remove(name);
        }
        *request.headers_mut() = headers;
        let is_end = outbound.body == OutboundBody::None;
        let sent = self.shared.send.send_request(request, is_end);
        // Nothing has been sent yet.
        let (response, stream) =
            sent.map_err(|error| Failure { fate: Fate::Unprocessed, ..self.failure(&error) })?;
        self.response = Some(response);
        self.sending = (!is_end).then(|| Sending::new(stream));
        Ok(())
    }

    pub(super) fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.poll_sending(context, Sending::poll_room)
    }

    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.poll_sending(context, Sending::poll_flush)
    }

    fn poll_sending(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Sending, &mut Context<'_>) -> Poll<Result<(), h2::Error>>,
    ) -> Poll<Result<(), Failure>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let sent = ready!(poll(sending, context));
        Poll::Ready(sent.map_err(|error| self.failure(&error)))
    }

    pub(super) fn send(&mut self, piece: Piece) -> Result<(), Failure> {
        match &mut self.sending {
            Some(sending) => sending.add(piece).map_err(|error| self.failure(&error)),
            None if matches!(piece, Piece::End(_)) => Ok(()),
            None => Err(Reason::Internal.into()),
        }
    }

    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<AnswerHead, Failure>> {
        let Some(response) = &mut self.response else {
            return Poll::Ready(Err(Reason::Internal.into()));
        };
        if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(context) {
            self.has_answered = true;
            let (parts, ()) = interim.into_parts();
            return Poll::Ready(Ok(head_of(parts)));
        }
        Poll::Ready(match ready!(Pin::new(response).poll(context)) {
            Ok(answer) => {
                self.has_answered = true;
                let (parts, body) = answer.into_parts();
                self.receiving = Some(body);
                Ok(head_of(parts))
            }
            Err(error) => Err(self.failure(&error)),
        })
    }

    pub(super) fn is_answer_over(&self) -> bool {
        self.receiving.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    pub(super) fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Failure>> {
        let Some(receiving) = &mut self.receiving else {
            return Poll::Ready(Err(Reason::Internal.into()));
        };
        let piece = ready!(http2::poll_piece(receiving, context));
        Poll::Ready(piece.map_err(|error| self.failure(&error)))
    }

    /// The connection it ran on.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn failure(&self, error: &h2::Error) -> Failure {
        if error.is_go_away() || error.is_io() {
            self.shared.retire();
        }
        // RFC 9113, sections 6.8 and 8.7: the endpoint says that it has done nothing.
        let is_unprocessed = error.is_remote()
            && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
        let fate = if self.has_answered {
            Fate::Begun
        } else if is_unprocessed {
            Fate::Unprocessed
        } else if error.is_io() {
            Fate::Unknown
        } else {
            Fate::Begun
        };
        // What our own side found wrong with what came.
        let is_malformed = !error.is_remote()
            && matches!(
                error.reason(),
                Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::COMPRESSION_ERROR)
            );
        let reason = if is_malformed { Reason::UpstreamMalformed } else { Reason::UpstreamReset };
        Failure { reason, fate }
    }
}

fn head_of(parts: http::response::Parts) -> AnswerHead {
    let http::response::Parts { status, headers, .. } = parts;
    AnswerHead { status, version: Version::HTTP_2, phrase: None, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(100);

    /// Whether an endpoint is taken to be lost within ten questions.
    async fn is_lost_with(running: usize, speaks: bool) -> bool {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let endpoint = tokio::spawn(async move {
            if speaks {
                let mut connection = h2::server::handshake(theirs).await.unwrap();
                while connection.accept().await.is_some() {}
            } else {
                let _silent = theirs;
                std::future::pending::<()>().await;
            }
        });
        let (_send, mut connection) = h2::client::handshake(ours).await.unwrap();
        let pings = connection.ping_pong();
        let connection = tokio::spawn(connection);
        let state = State { running: AtomicUsize::new(running), ..State::default() };
        let lost = timeout(EVERY * 10, is_lost(pings, Arc::new(state), EVERY)).await.is_ok();
        endpoint.abort();
        connection.abort();
        lost
    }

    fn outbound() -> Outbound {
        Outbound {
            method: http::Method::GET,
            target: "/".to_owned(),
            headers: http::HeaderMap::from_iter([(HOST, http::HeaderValue::from_static("a"))]),
            body: OutboundBody::None,
            is_websocket: false,
            manner: crate::edge::Manner { scheme: "http", keeps_connection: true, announced: None },
        }
    }

    #[tokio::test]
    async fn a_connection_that_the_endpoint_leaves_has_no_room_while_its_last_stream_runs() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let endpoint = tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let _unanswered = connection.accept().await.unwrap().unwrap();
            connection.graceful_shutdown();
            while connection.accept().await.is_some() {}
        });
        let mut shared = Shared::begin(Box::new(ours), None).await.unwrap();
        assert!(shared.has_room());
        let mut exchange = Http2::new(shared.clone());
        assert!(exchange.start(&outbound()).is_ok());
        let full = async {
            while shared.has_room() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), full).await.unwrap();
        assert!(!shared.is_idle());
        endpoint.abort();
    }

    #[tokio::test]
    async fn a_silent_endpoint_is_lost_while_exchanges_run() {
        let lost =
            tokio::join!(is_lost_with(1, false), is_lost_with(0, false), is_lost_with(1, true));
        assert_eq!(lost, (true, false, false));
    }
}
