//! What is told of bodies that are compressed and decompressed.

use prometheus::IntCounterVec;

use super::build::Builder;

/// What is told of bodies that are compressed and decompressed.
pub struct Recoded {
    bodies: IntCounterVec,
    bytes: IntCounterVec,
}

impl Recoded {
    pub(super) fn new(build: &Builder<'_>) -> Result<Self, String> {
        Ok(Self {
            bodies: build.counters("marchproxy_recoded_bodies_total")?,
            bytes: build.counters("marchproxy_recoded_bytes_total")?,
        })
    }

    /// A body was compressed or decompressed: `work` and `coding` are of few words.
    pub fn count(&self, work: &'static str, coding: &'static str, taken: u64, given: u64) {
        self.bodies.with_label_values(&[work, coding]).inc();
        self.bytes.with_label_values(&[work, coding, "in"]).inc_by(taken);
        self.bytes.with_label_values(&[work, coding, "out"]).inc_by(given);
    }
}
