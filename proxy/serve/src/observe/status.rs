//! The status server: a local listener for probes, metrics and a look inside. It is apart from the
//! listeners that serve clients, so that it answers when they cannot.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora_core::apps::ServerApp;
use pingora_core::apps::http_app::{HttpServer, ServeHttp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::stream::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;
/// How long one connection may take, from its beginning to its end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long accepting pauses when file descriptors run out.
const PAUSE: Duration = Duration::from_millis(50);

/// Who knows what the status server tells.
pub trait StatusSource: Send + Sync {
    /// Whether requests should be sent here; if not, why.
    fn ready(&self) -> Result<(), String>;
    /// The metrics in their text format.
    fn metrics(&self) -> Result<Vec<u8>, String>;
    /// A look inside.
    fn status(&self) -> serde_json::Value;
}

/// The application that Pingora serves.
struct Status(Arc<dyn StatusSource>);

/// An answer before it is dressed up.
struct Page {
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
}

/// Serves `/healthz`, `/readyz`, `/metrics` and `/status` for as long as it is polled.
pub async fn serve(listener: TcpListener, state: Arc<dyn StatusSource>) {
    let server = Arc::new(HttpServer::new_app(Status(state)));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    // One that takes too long is cut; nobody is there to be told.
                    let _ = timeout(PATIENCE, serve_connection(server, stream)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the status server cannot accept");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_connection(server: Arc<HttpServer<Status>>, stream: TcpStream) {
    let (_running, shutdown) = watch::channel(false);
    let _ = server.process_new(Box::new(Stream::from(stream)), &shutdown).await;
}

#[async_trait]
impl ServeHttp for Status {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        // One request a connection: nothing can be smuggled behind it, and idle ones hold no place.
        session.set_keepalive(None);
        let head = session.req_header();
        let is_head = head.method == Method::HEAD;
        if !is_head && head.method != Method::GET {
            let page =
                Page::problem(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are served.");
            let mut response = page.into_response(is_head);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        self.page(head.uri.path()).into_response(is_head)
    }
}

impl Status {
    fn page(&self, path: &str) -> Page {
        match path {
            "/healthz" => Page::text(StatusCode::OK, "ok"),
            "/readyz" => match self.0.ready() {
                Ok(()) => Page::text(StatusCode::OK, "ready"),
                Err(why) => Page::text(StatusCode::SERVICE_UNAVAILABLE, &why),
            },
            "/metrics" => match self.0.metrics() {
                Ok(body) => Page::ok("text/plain; version=0.0.4", body),
                Err(why) => Page::problem(StatusCode::INTERNAL_SERVER_ERROR, &why),
            },
            "/status" => {
                let mut body = format!("{:#}", self.0.status()).into_bytes();
                body.push(b'\n');
                Page::ok("application/json", body)
            }
            _ => Page::problem(StatusCode::NOT_FOUND, "There is nothing there."),
        }
    }
}

impl Page {
    fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status: StatusCode::OK, content_type, body }
    }

    fn text(status: StatusCode, line: &str) -> Self {
        let body = format!("{line}\n").into_bytes();
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }

    /// RFC 9457.
    fn problem(status: StatusCode, title: &str) -> Self {
        let problem = serde_json::json!({ "title": title, "status": status.as_u16() });
        let body = format!("{problem}\n").into_bytes();
        Self { status, content_type: "application/problem+json", body }
    }

    /// Without its body for HEAD, yet with its length (RFC 9110, section 9.3.2).
    fn into_response(self, is_head: bool) -> Response<Vec<u8>> {
        let length = HeaderValue::from(self.body.len());
        let body = if is_head { Vec::new() } else { self.body };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
