//! What is told of the cache.

use marchproxy_decide::exchange::Cached;
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::build::Builder;

/// What is told of the cache.
pub struct Cache {
    answers: IntCounterVec,
    passes: IntCounterVec,
    refusals: IntCounterVec,
    refreshes: IntCounterVec,
    bytes: IntGauge,
    entries: IntGauge,
    evictions: IntCounter,
}

/// What the answers of one route count with, in the order of [`Cached::ALL`].
pub struct Answers([IntCounter; Cached::ALL.len()]);

/// What became of a stale answer that was to be refreshed while it was used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refreshed {
    /// A new one took its place.
    Stored,
    /// The upstream said that it still holds.
    Revalidated,
    /// What came may not be kept.
    Uncacheable,
    /// Nothing came.
    Failed,
    /// Too many were being refreshed already.
    Skipped,
}

impl Refreshed {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Revalidated => "revalidated",
            Self::Uncacheable => "uncacheable",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl Answers {
    /// Counts an answer.
    pub fn count(&self, cached: Cached) {
        debug_assert_eq!(Cached::ALL.get(cached as usize), Some(&cached));
        if let Some(counter) = self.0.get(cached as usize) {
            counter.inc();
        }
    }
}

impl Cache {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self, String> {
        Ok(Self {
            answers: build.counters("marchproxy_cache_answers_total")?,
            passes: build.counters("marchproxy_cache_passes_total")?,
            refusals: build.counters("marchproxy_cache_refusals_total")?,
            refreshes: build.counters("marchproxy_cache_refreshes_total")?,
            bytes: build.gauge("marchproxy_cache_bytes")?,
            entries: build.gauge("marchproxy_cache_entries")?,
            evictions: build.counter("marchproxy_cache_evictions_total")?,
        })
    }

    /// What the answers of a route count with.
    pub fn answers(&self, route: &str) -> Answers {
        let counter = |cached: Cached| self.answers.with_label_values(&[route, cached.as_str()]);
        Answers(Cached::ALL.map(counter))
    }

    /// A request went past the cache; the reason is one of few words.
    pub fn passed(&self, reason: &'static str) {
        self.passes.with_label_values(&[reason]).inc();
    }

    /// An answer was not kept; the reason is one of few words.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// A stale answer was to be refreshed while it was used.
    pub fn refreshed(&self, refreshed: Refreshed) {
        self.refreshes.with_label_values(&[refreshed.as_str()]).inc();
    }

    /// So many bytes are taken by so many answers.
    pub fn holds(&self, bytes: usize, entries: usize) {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// So many answers more had to go for others.
    pub fn evicted(&self, count: u64) {
        self.evictions.inc_by(count);
    }

    /// Nothing more is told of a route.
    pub(super) fn forget(&self, route: &str) {
        for cached in Cached::ALL {
            let _ = self.answers.remove_label_values(&[route, cached.as_str()]);
        }
    }
}
