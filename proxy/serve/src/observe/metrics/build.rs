//! Makes metrics as the table says, and registers them.

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::table::{self, Entry, Kind};

/// Bounds of durations, in seconds.
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// Makes and registers.
pub(super) struct Builder<'a>(pub(super) &'a Registry);

impl Builder<'_> {
    pub(super) fn counter(&self, name: &str) -> Result<IntCounter, String> {
        let entry = table::find(name, Kind::Counter)?;
        self.register(entry, IntCounter::with_opts(opts(entry)))
    }

    pub(super) fn counters(&self, name: &str) -> Result<IntCounterVec, String> {
        let entry = table::find(name, Kind::Counter)?;
        self.register(entry, IntCounterVec::new(opts(entry), entry.labels))
    }

    pub(super) fn gauge(&self, name: &str) -> Result<IntGauge, String> {
        let entry = table::find(name, Kind::Gauge)?;
        self.register(entry, IntGauge::with_opts(opts(entry)))
    }

    pub(super) fn gauges(&self, name: &str) -> Result<IntGaugeVec, String> {
        let entry = table::find(name, Kind::Gauge)?;
        self.register(entry, IntGaugeVec::new(opts(entry), entry.labels))
    }

    pub(super) fn histograms(&self, name: &str) -> Result<HistogramVec, String> {
        let entry = table::find(name, Kind::Histogram)?;
        let opts = HistogramOpts::from(opts(entry)).buckets(SECONDS.to_vec());
        self.register(entry, HistogramVec::new(opts, entry.labels))
    }

    fn register<C>(&self, entry: &Entry, made: prometheus::Result<C>) -> Result<C, String>
    where
        C: Collector + Clone + 'static,
    {
        let fault = |error: prometheus::Error| format!("cannot make {}: {error}", entry.name);
        let collector = made.map_err(fault)?;
        self.0.register(Box::new(collector.clone())).map_err(fault)?;
        Ok(collector)
    }
}

fn opts(entry: &Entry) -> Opts {
    Opts::new(entry.name, entry.meaning)
}
