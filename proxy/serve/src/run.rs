//! The process that serves: workers, listeners, signals, reloads, the end.

mod load;
mod status;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::generation::Generation;
use crate::handover::{self, Inherited};
use crate::listen::drain::Phase;
use crate::listen::table::{Failure, Listener, Table, View};
use crate::listen::tls::ServerTls;
use crate::listen::worker::WorkerHandle;
use crate::observe::Observer;
use status::State;

/// How often a listener that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the control thread owns.
struct Control {
    table: Table,
    observer: Arc<Observer>,
    state: Arc<State>,
    current: Arc<Generation>,
    failures: Vec<Failure>,
    tls: HashMap<String, Arc<ServerTls>>,
}

/// Serves the configuration at `path` until told to end; `take_over` names the process whose
/// sockets are taken over.
pub fn run(path: &Path, take_over: Option<&str>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let inherited = take_over.map(handover::take_over).transpose();
    let (inherited, handle) = match inherited {
        Ok(Some((inherited, handle))) => (inherited, Some(handle)),
        Ok(None) => (Inherited { listeners: HashMap::new(), status: None }, None),
        Err(error) => return fail(&error.to_string()),
    };
    let outcome = runtime.block_on(async {
        let mut control = Control::start(path, inherited).await?;
        if let Some(handle) = handle {
            let ready = tokio::task::spawn_blocking(move || handle.ready()).await;
            ready.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        control.serve(path).await;
        control.observer.access_log.close();
        Ok::<(), String>(())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

impl Control {
    async fn start(path: &Path, inherited: Inherited) -> Result<Self, String> {
        let parts = load::load(path, 1, &[]).await?;
        let workers = worker_count(parts.config.process.workers);
        let observer = Arc::new(Observer::new(workers, &parts.config.access_log)?);
        let generation = parts.counted(&observer);
        let handles = (0..workers)
            .map(|index| WorkerHandle::start(index, Arc::clone(&observer)))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| error.to_string())?;
        let state = Arc::new(State::new(Arc::clone(&observer)));
        let mut control = Self {
            table: Table::new(handles, inherited.listeners),
            observer,
            state: Arc::clone(&state),
            current: Arc::clone(&generation),
            failures: Vec::new(),
            tls: HashMap::new(),
        };
        control.apply(generation)?;
        let address = control.current.config.status.address.get();
        let socket = match inherited.status {
            Some(socket) => TcpListener::from_std(socket),
            None => TcpListener::bind(address).await,
        };
        let socket = socket.map_err(|error| format!("status listener {address}: {error}"))?;
        tokio::spawn(crate::observe::status::serve(socket, state));
        Ok(control)
    }

    /// Lets a configuration serve. On an error nothing has changed.
    fn apply(&mut self, generation: Arc<Generation>) -> Result<(), String> {
        let mut views = Vec::new();
        let mut all_tls = HashMap::new();
        let mut replacements = Vec::new();
        for (index, config) in generation.config.listeners.iter().enumerate() {
            let rules = generation.snapshot.listeners.get(index).ok_or("a listener is missing")?;
            let name = config.name.to_string();
            let tls = match &config.tls {
                None => None,
                Some(tls) => {
                    let certificates = load::certificates(&generation.config, tls)?;
                    let kept = self.tls.get(&name).filter(|kept| kept.fits(tls, config.protocol));
                    let kept = match kept {
                        Some(kept) => Arc::clone(kept),
                        None => Arc::new(
                            ServerTls::new(tls, config.protocol, &certificates)
                                .map_err(|error| format!("listener `{name}`: {error}"))?,
                        ),
                    };
                    replacements.push((Arc::clone(&kept), certificates));
                    all_tls.insert(name, Arc::clone(&kept));
                    Some(kept)
                }
            };
            let (config, head) = (config.clone(), rules.head);
            views.push(View { config, generation: Arc::clone(&generation), index, head, tls });
        }
        for (tls, certificates) in replacements {
            tls.replace(&certificates).map_err(|error| error.to_string())?;
        }
        let (removed, failures) = self.table.apply(views);
        let drain = generation.config.process.drain.duration();
        for listener in removed {
            tokio::spawn(cut_after(listener, drain));
        }
        for Failure { name, address, error } in &failures {
            tracing::error!(listener = name, %address, error, "cannot listen; will be tried again");
        }
        let names: Vec<String> = failures.iter().map(|failure| failure.name.clone()).collect();
        self.observer.metrics.listener_failures(&names);
        if let Err(error) = self.observer.access_log.set_target(&generation.config.access_log) {
            tracing::error!(error, "cannot open the access log; the old one is written on");
        }
        self.failures = failures;
        self.tls = all_tls;
        self.state.serving(&generation, &self.failures, self.table.listeners());
        self.observer.metrics.reloaded(generation.snapshot.generation);
        self.current = generation;
        Ok(())
    }

    async fn reload(&mut self, path: &Path) {
        let next = self.current.snapshot.generation.saturating_add(1);
        let result = match load::load(path, next, &self.current.upstreams).await {
            Ok(parts) => self.apply(parts.counted(&self.observer)),
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => tracing::info!(generation = next, "configuration reloaded"),
            Err(error) => {
                self.observer.metrics.reload_failed();
                tracing::error!("reload refused, the old configuration goes on\n{error}");
                self.state.refused(error);
            }
        }
    }

    async fn serve(&mut self, path: &Path) {
        let (Ok(mut hangup), Ok(mut end), Ok(mut interrupt)) = (
            signal(SignalKind::hangup()),
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) else {
            return tracing::error!("cannot listen for signals");
        };
        loop {
            let retries = !self.failures.is_empty();
            tokio::select! {
                _ = hangup.recv() => {
                    if let Err(error) = self.observer.access_log.reopen() {
                        tracing::error!(error, "cannot open the access log again");
                    }
                    self.reload(path).await;
                }
                () = sleep(RETRY), if retries => {
                    let current = Arc::clone(&self.current);
                    if let Err(error) = self.apply(current) {
                        tracing::error!(error, "cannot try a listener again");
                    }
                }
                _ = end.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        self.drain().await;
    }

    /// Lets running requests end, within the bound of the configuration.
    async fn drain(&mut self) {
        self.state.draining();
        let listeners = self.table.close();
        let bound = self.current.config.process.drain.duration();
        let until = Instant::now().checked_add(bound).unwrap_or_else(Instant::now);
        while listeners.iter().any(|listener| listener.connections() > 0) {
            let step = Duration::from_millis(20);
            tokio::select! {
                () = sleep_until(until) => break,
                () = sleep(step) => {}
            }
        }
        for listener in &listeners {
            listener.end(Phase::Cut);
        }
    }
}

async fn cut_after(listener: Arc<Listener>, bound: Duration) {
    sleep(bound).await;
    listener.end(Phase::Cut);
}

fn worker_count(configured: u32) -> usize {
    match usize::try_from(configured) {
        Ok(0) | Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
        Ok(count) => count,
    }
}
