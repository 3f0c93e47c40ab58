/// A moment, on both clocks: what is written in fields is wall time, what passes here is counted on
/// a clock that nobody sets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// Seconds since 1970-01-01 UTC.
    pub unix: u64,
    /// Nanoseconds on a monotonic clock, since a beginning that is the same for the whole process.
    pub nanos: u64,
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Now {
    /// Whole seconds since an `earlier` moment of the monotonic clock; none when that is later.
    pub(crate) const fn seconds_since(self, earlier: u64) -> u64 {
        self.nanos.saturating_sub(earlier) / NANOS_PER_SECOND
    }
}
