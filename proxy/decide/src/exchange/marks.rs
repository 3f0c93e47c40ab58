use std::time::Duration;

/// A moment on a monotonic clock: nanoseconds since a beginning that is the same for all moments
/// of one process.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// The moment `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long after `earlier` this is; nothing when it is before it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// When what happened to a request; what did not happen (yet) is `None`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks {
    /// Its first byte came.
    pub start: Moment,
    /// Its head was complete.
    pub head: Option<Moment>,
    /// The last attempt to reach an endpoint began.
    pub connecting: Option<Moment>,
    /// A connection to an endpoint was there, new or kept.
    pub connected: Option<Moment>,
    /// The first byte of the upstream's answer came.
    pub first_byte: Option<Moment>,
    /// The last byte of the answer was sent, or the exchange was given up.
    pub end: Option<Moment>,
}

impl Marks {
    /// Marks of an exchange that begins now.
    pub fn starting(start: Moment) -> Self {
        Self { start, ..Self::default() }
    }

    /// From the first byte to the end of the head.
    pub fn head_took(&self) -> Option<Duration> {
        Some(self.head?.since(self.start))
    }

    /// From the last attempt's beginning to a connection.
    pub fn connect_took(&self) -> Option<Duration> {
        Some(self.connected?.since(self.connecting?))
    }

    /// From a connection to the first byte of the answer.
    pub fn first_byte_took(&self) -> Option<Duration> {
        Some(self.first_byte?.since(self.connected?))
    }

    /// From the first byte of the request to the end.
    pub fn total(&self) -> Option<Duration> {
        Some(self.end?.since(self.start))
    }
}
