//! Traces: the spans of recorded requests wait in a bounded queue, and a task on the control thread
//! sends them to a collector. A request never waits for that: when the queue is full, its spans are
//! dropped and counted.

mod collector;
mod exporter;
mod protobuf;
mod span;

use std::sync::Arc;

use marchproxy_conf::model;
use marchproxy_decide::exchange::Exchange;
use prometheus::IntCounter;
use tokio::sync::{mpsc, watch};

use super::Observer;
use crate::certificate::Certificate;
use crate::generation::Generation;
use crate::resolver::Resolver;
pub use collector::Collector;
use exporter::Exporter;
use span::Spans;

/// What became of spans.
#[derive(Clone)]
pub struct Outcomes {
    /// A collector has taken them.
    pub exported: IntCounter,
    /// There was no room in the queue.
    pub dropped: IntCounter,
    /// No collector has taken them.
    pub failed: IntCounter,
}

/// Where spans go. A reload that does not change it keeps it, queue and connection and all; once
/// nobody holds it, what is left in the queue is sent.
pub struct Traces {
    config: model::Traces,
    collector: Arc<Collector>,
    queue: mpsc::Sender<Spans>,
    outcomes: Outcomes,
    /// Told that the end is near; the exporter holds the other side for as long as it runs.
    closing: watch::Sender<bool>,
}

/// Where spans will go once a configuration takes effect.
pub enum Prepared {
    /// Where they go already.
    Kept(Arc<Traces>),
    /// Somewhere else, or in another manner.
    New(Arc<Collector>),
}

impl Prepared {
    /// What `config` asks for; `old` is kept if that is the same, files included. `certificate` is
    /// what is presented to the collector.
    ///
    /// # Errors
    /// What is wrong with the files and variables it names.
    pub fn new(
        config: &model::Traces,
        certificate: Option<&Arc<Certificate>>,
        old: Option<&Arc<Traces>>,
    ) -> Result<Self, String> {
        let collector = Collector::load(config, certificate)?;
        let kept = old.filter(|old| {
            old.config == *config && old.collector.is_still(&collector, config, certificate)
        });
        Ok(match kept {
            Some(kept) => Self::Kept(Arc::clone(kept)),
            None => Self::New(Arc::new(collector)),
        })
    }

    /// Lets spans go there. To be called on the control thread.
    pub fn take_effect(
        self,
        config: &model::Traces,
        resolver: &Arc<Resolver>,
        observer: &Arc<Observer>,
    ) -> Arc<Traces> {
        let collector = match self {
            Self::Kept(kept) => return kept,
            Self::New(collector) => collector,
        };
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let (queue, waiting) = mpsc::channel(size(config.queue).max(1));
        let (closing, is_closing) = watch::channel(false);
        let outcomes = observer.metrics.trace_outcomes();
        let exporter = Exporter {
            collector: Arc::clone(&collector),
            service: config.service.to_string(),
            batch: size(config.batch).max(1),
            waiting,
            is_closing,
            outcomes: outcomes.clone(),
            is_failing: false,
        };
        let (resolver, observer) = (Arc::clone(resolver), Arc::clone(observer));
        tokio::spawn(async move {
            exporter.collector.begin(&resolver, &observer).await;
            exporter.run().await;
        });
        Arc::new(Traces { config: config.clone(), collector, queue, outcomes, closing })
    }
}

impl Traces {
    /// Queues the spans of a request that has ended, if it is recorded.
    pub fn record(&self, generation: &Generation, exchange: &Exchange) {
        let Some(trace) = exchange.trace.as_deref() else { return };
        match self.queue.try_reserve() {
            Ok(place) => {
                let path = exchange.route.and_then(|at| generation.config.routes.get(at));
                let path = path.map(|route| &route.matches.path);
                let tells_query = self.config.query == model::TracedQuery::Told;
                let told = span::Told { snapshot: &generation.snapshot, path, tells_query };
                place.send(span::write(&told, exchange, trace));
            }
            Err(_) => self.outcomes.dropped.inc_by(span::count(trace)),
        }
    }

    /// Sends what is left, each batch once, and ends. Spans of later requests are dropped.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        self.closing.closed().await;
    }
}
