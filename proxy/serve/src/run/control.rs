//! What the control thread does: it lets configurations take effect, and ends the process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use super::handing::{Handing, Labelled, News};
use super::load::{self, Fit, Unfit};
use super::log::Log;
use super::status::State;
use super::status_listener::StatusListener;
use super::watch::Watch;
use crate::drain::Phase;
use crate::generation::Generation;
use crate::handover::{Inherited, Label, Successor};
use crate::listen::table::{Failure, Listener, Table, View};
use crate::listen::worker::WorkerHandle;
use crate::local::{self, LocalSocket};
use crate::observe::Observer;
use crate::observe::access_log::Prepared;

/// How often a listener that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long workers may take to write down what was cut.
const RECORD: Duration = Duration::from_secs(1);

/// What the control thread owns.
pub(super) struct Control {
    path: PathBuf,
    log: Log,
    table: Table,
    observer: Arc<Observer>,
    state: Arc<State>,
    current: Arc<Generation>,
    failures: Vec<Failure>,
    workers: usize,
    status: StatusListener,
    watch: Watch,
    handing: Handing,
    local: LocalSocket,
    signals: Signals,
}

/// What a configuration needs beyond what is there.
struct Needs {
    status: Option<StatusListener>,
    access_log: Option<Prepared>,
}

struct Signals {
    hangup: Signal,
    reopen: Signal,
    end: Signal,
    interrupt: Signal,
}

/// What there is to do.
enum Event {
    Hangup,
    Reopen,
    Changed,
    Retry,
    Handing(News),
    End,
}

impl Control {
    /// Serves the configuration at `path`, as far as its ports are free.
    pub(super) async fn start(path: &Path, inherited: Inherited, log: Log) -> Result<Self, Unfit> {
        let signals = Signals::catch().map_err(Unfit::Broken)?;
        let mut files = Vec::new();
        let fit = load::load(path, 1, None, &mut files).await?;
        log.set_level(fit.config.process.log);
        let workers = worker_count(fit.config.process.workers);
        let observer = Observer::new(workers, &fit.config.access_log).map_err(Unfit::Broken)?;
        let observer = Arc::new(observer);
        let handles = (0..workers)
            .map(|index| WorkerHandle::start(index, Arc::clone(&observer)))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(|error| Unfit::Broken(format!("cannot start a worker: {error}")))?;
        let state = Arc::new(State::new(Arc::clone(&observer)));
        let address = fit.config.status.address.get();
        let status = StatusListener::open(address, inherited.status, Arc::clone(&state))
            .map_err(Unfit::Broken)?;
        let current = fit.take_effect(&observer);
        let mut control = Self {
            path: path.to_owned(),
            log,
            table: Table::new(handles, inherited.listeners),
            observer,
            state,
            current: Arc::clone(&current),
            failures: Vec::new(),
            workers,
            status,
            watch: Watch::new(),
            handing: Handing::none(),
            local: LocalSocket::none(),
            signals,
        };
        control.watch.follow(files);
        control.apply(current).await;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, workers, status = %address, "serving");
        Ok(control)
    }

    /// The process before this one has gone.
    pub(super) fn succeeded(&mut self) {
        self.table.adopt_files();
    }

    /// Serves until told to end.
    pub(super) async fn serve(&mut self) {
        self.offer().await;
        loop {
            match self.next().await {
                Event::Hangup => {
                    self.reopen();
                    self.reload().await;
                }
                Event::Reopen => self.reopen(),
                Event::Changed => self.reload().await,
                Event::Retry => {
                    self.open_listeners().await;
                }
                Event::Handing(News::Wanted(stream)) => self.hand_over(stream),
                Event::Handing(News::Ended(None)) => {}
                Event::Handing(News::Ended(Some(successor))) => {
                    return self.leave_to(successor).await;
                }
                Event::End => return,
            }
        }
    }

    /// Lets other processes of this user find this one, under names after the status listener.
    async fn offer(&mut self) {
        let address = self.status.address;
        self.handing = Handing::offer(address).await;
        let state = Arc::clone(&self.state);
        self.local = LocalSocket::open(&local::name(address), move |order| state.follow(order));
    }

    fn reopen(&self) {
        if let Err(error) = self.observer.access_log.reopen() {
            tracing::error!(error, "cannot open the access log again");
        }
    }

    async fn next(&mut self) -> Event {
        // What is being handed over must not change; reloads wait until that has come to its end.
        let may_change = !self.handing.is_running();
        let retries = may_change && !self.failures.is_empty();
        let Self { signals, handing, watch, .. } = self;
        tokio::select! {
            biased;
            _ = signals.end.recv() => Event::End,
            _ = signals.interrupt.recv() => Event::End,
            news = handing.news() => Event::Handing(news),
            _ = signals.hangup.recv(), if may_change => Event::Hangup,
            _ = signals.reopen.recv() => Event::Reopen,
            () = watch.changed(), if may_change => Event::Changed,
            () = sleep(RETRY), if retries => Event::Retry,
        }
    }

    /// Loads the configuration again. All or nothing: when it is not fit to serve, that is told and
    /// everything stays as it was.
    async fn reload(&mut self) {
        let begin = Instant::now();
        self.watch.look();
        let mut files = Vec::new();
        let number = self.current.snapshot.generation.saturating_add(1);
        let fit = load::load(&self.path, number, Some(&self.current), &mut files).await;
        self.watch.follow(files);
        let fit = fit.map_err(|unfit| unfit.to_string());
        match fit.and_then(|fit| Ok((self.needs_of(&fit)?, fit))) {
            Ok((needs, fit)) => {
                self.take_effect(fit, needs).await;
                tracing::info!(generation = number, took = ?begin.elapsed(), "reloaded");
            }
            Err(why) => self.refuse(why),
        }
    }

    fn refuse(&self, why: String) {
        tracing::error!("the configuration was not reloaded, the one before goes on:\n{why}");
        self.observer.metrics.reload_failed();
        self.state.refused(why);
    }

    /// Opens what the process itself needs for a configuration and does not have.
    fn needs_of(&self, fit: &Fit) -> Result<Needs, String> {
        let address = fit.config.status.address.get();
        let is_there = address == self.status.address;
        let status = (!is_there)
            .then(|| StatusListener::open(address, None, Arc::clone(&self.state)))
            .transpose()?;
        let access_log = self.observer.access_log.prepare(&fit.config.access_log)?;
        Ok(Needs { status, access_log })
    }

    async fn take_effect(&mut self, fit: Fit, needs: Needs) {
        self.log.set_level(fit.config.process.log);
        if worker_count(fit.config.process.workers) != self.workers {
            tracing::warn!(
                "process.workers: {} threads go on; the change takes effect with \
                 `marchproxy upgrade` or a restart",
                self.workers
            );
        }
        let generation = fit.take_effect(&self.observer);
        if let Some(target) = needs.access_log {
            self.observer.access_log.go_over(target);
        }
        if let Some(moved) = needs.status {
            self.status = moved;
            self.offer().await;
        }
        self.apply(generation).await;
    }

    /// Lets a configuration serve.
    async fn apply(&mut self, generation: Arc<Generation>) {
        self.observer.metrics.certificates(&generation.certificates);
        self.observer.metrics.reloaded(generation.snapshot.generation);
        self.state.reloaded();
        self.current = generation;
        for listener in self.open_listeners().await {
            tokio::spawn(cut_after(listener, self.current.config.process.drain.duration()));
        }
    }

    /// Makes the open listeners those of the configuration. Gives those that it has no more.
    async fn open_listeners(&mut self) -> Vec<Arc<Listener>> {
        let (removed, failures) = self.table.apply(views(&self.current)).await;
        for failure in failures.iter().filter(|failure| !self.failures.contains(failure)) {
            let Failure { name, address, error } = failure;
            tracing::error!(listener = name, %address, error, "cannot listen; will try again");
        }
        for Failure { name, address, .. } in &self.failures {
            if self.table.listeners().any(|open| *open.name == **name) {
                tracing::info!(listener = name, %address, "listens now");
            }
        }
        let names: Vec<String> = failures.iter().map(|failure| failure.name.clone()).collect();
        self.observer.metrics.listener_failures(&names);
        self.failures = failures;
        self.state.serving(&self.current, &self.failures, self.table.listeners());
        removed
    }

    fn hand_over(&mut self, stream: UnixStream) {
        let listeners = self
            .table
            .sockets()
            .map(|(address, socket)| Ok((Label::Listener(address), socket.try_clone_to_owned()?)));
        let status = self.status.socket.try_clone();
        let status = status.map(|socket| (Label::Status(self.status.address), socket.into()));
        match listeners.chain([status]).collect::<std::io::Result<Vec<Labelled>>>() {
            Ok(sockets) => self.handing.begin(stream, sockets),
            Err(error) => tracing::warn!(%error, "the sockets cannot be handed over"),
        }
    }

    /// Stops accepting, in favour of another process.
    async fn leave_to(&mut self, successor: Successor) {
        tracing::info!(pid = successor.pid(), "another process has taken over");
        self.handing = Handing::none();
        self.local = LocalSocket::none();
        self.table.leave_files();
        self.table.close();
        self.status.stop();
        if let Err(error) = successor.bye().await {
            tracing::debug!(%error, "the new process did not wait for a farewell");
        }
    }

    /// Lets running requests end, within the bound of the configuration or until told again, and
    /// writes the last lines.
    pub(super) async fn end(mut self) {
        self.state.draining();
        self.table.close();
        let (bound, began) = (self.current.config.process.drain.duration(), Instant::now());
        tracing::info!(connections = self.table.left(), ?bound, "draining");
        tokio::select! {
            () = sleep(bound) => {}
            () = over(&self.table) => {}
            _ = self.signals.end.recv() => {}
            _ = self.signals.interrupt.recv() => {}
        }
        if !self.table.is_over() {
            tracing::warn!(connections = self.table.left(), "cut");
        }
        self.table.cut();
        // What is cut is recorded by its worker.
        let _ = timeout(RECORD, over(&self.table)).await;
        self.observer.access_log.close();
        if let Some(traces) = &self.current.traces {
            let left = bound.saturating_sub(began.elapsed()).max(RECORD);
            if timeout(left, traces.close()).await.is_err() {
                tracing::warn!("the collector of traces does not take the last spans");
            }
        }
        tracing::info!("ended");
    }
}

async fn over(table: &Table) {
    while !table.is_over() {
        sleep(Duration::from_millis(10)).await;
    }
}

impl Signals {
    fn catch() -> Result<Self, String> {
        let catch =
            |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        Ok(Self {
            hangup: catch(SignalKind::hangup())?,
            // What log rotation sends to nginx; uncaught it would end the process.
            reopen: catch(SignalKind::user_defined1())?,
            end: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }
}

fn views(generation: &Arc<Generation>) -> Vec<View> {
    let listeners = generation.config.listeners.iter().zip(&generation.snapshot.listeners);
    let listeners = listeners.zip(&generation.tls).enumerate();
    listeners
        .map(|(index, ((config, rules), tls))| View {
            config: config.clone(),
            generation: Arc::clone(generation),
            index,
            head: rules.head,
            tls: tls.clone(),
        })
        .collect()
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
