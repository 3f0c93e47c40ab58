//! The local listener for health, metrics and state.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::{Response, StatusCode, header};
use pingora_core::apps::ServerApp;
use pingora_core::apps::http_app::{HttpServer, ServeHttp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::stream::Stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::generation::Generation;
use crate::listen::table::{Failure, Listener};
use crate::observe::Observer;

/// Connections to the status listener at one time.
const CONNECTIONS: usize = 64;

/// What the status listener tells.
pub(super) struct State {
    observer: Arc<Observer>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    generation: Option<Arc<Generation>>,
    listeners: Vec<Arc<Listener>>,
    failures: Vec<Failure>,
    last_reload_error: Option<String>,
    draining: bool,
}

impl State {
    pub(super) fn new(observer: Arc<Observer>) -> Self {
        Self { observer, facts: Mutex::default() }
    }

    /// This is what serves now.
    pub(super) fn serving<'a>(
        &self,
        generation: &Arc<Generation>,
        failures: &[Failure],
        listeners: impl Iterator<Item = &'a Arc<Listener>>,
    ) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.generation = Some(Arc::clone(generation));
        facts.failures = failures.to_vec();
        facts.listeners = listeners.cloned().collect();
        facts.last_reload_error = None;
    }

    /// A reload was refused.
    pub(super) fn refused(&self, error: String) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).last_reload_error = Some(error);
    }

    /// The process comes to its end.
    pub(super) fn draining(&self) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).draining = true;
    }

    fn ready(&self) -> Result<(), &'static str> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        match (facts.draining, facts.failures.is_empty()) {
            (true, _) => Err("draining\n"),
            (false, false) => Err("a listener cannot be opened\n"),
            (false, true) => Ok(()),
        }
    }

    fn describe(&self) -> Value {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(generation) = &facts.generation else { return Value::Null };
        let open = facts.listeners.iter().map(|listener| {
            json!({
                "name": &*listener.name,
                "address": listener.address.to_string(),
                "connections": listener.connections(),
            })
        });
        let failed = facts.failures.iter().map(|failure| {
            json!({
                "name": failure.name,
                "address": failure.address.to_string(),
                "error": failure.error,
            })
        });
        let upstreams = generation.upstreams.iter().map(|upstream| {
            let endpoints = upstream.endpoints();
            let endpoints: Vec<Value> = endpoints
                .iter()
                .map(|endpoint| json!({ "address": &*endpoint.label, "weight": endpoint.weight() }))
                .collect();
            json!({ "name": &*upstream.name, "endpoints": endpoints })
        });
        json!({
            "pid": std::process::id(),
            "generation": generation.snapshot.generation,
            "digest": generation.snapshot.digest,
            "listeners": open.chain(failed).collect::<Vec<_>>(),
            "upstreams": upstreams.collect::<Vec<_>>(),
            "last_reload_error": facts.last_reload_error,
        })
    }
}

struct App(Arc<State>);

#[async_trait]
impl ServeHttp for App {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let (status, kind, body) = match session.req_header().uri.path() {
            "/healthz" => (StatusCode::OK, TEXT, b"ok\n".to_vec()),
            "/readyz" => match self.0.ready() {
                Ok(()) => (StatusCode::OK, TEXT, b"ready\n".to_vec()),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, why.as_bytes().to_vec()),
            },
            "/metrics" => match self.0.observer.metrics.render() {
                Ok(text) => (StatusCode::OK, "text/plain; version=0.0.4", text),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.into_bytes()),
            },
            "/status" => {
                (StatusCode::OK, "application/json", self.0.describe().to_string().into_bytes())
            }
            _ => (StatusCode::NOT_FOUND, TEXT, b"not found\n".to_vec()),
        };
        let length = body.len();
        let response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, length);
        response.body(body).unwrap_or_default()
    }
}

/// Serves the status listener.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let app = Arc::new(HttpServer::new_app(App(state)));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (_end, shutdown) = watch::channel(false);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
        tokio::spawn(async move {
            let _place = place;
            app.process_new(Box::new(Stream::from(stream)), &shutdown).await;
        });
    }
}
