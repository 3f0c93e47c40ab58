/// What the cache has to do with the answer to a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cached {
    /// It came from the cache, fresh.
    Hit,
    /// It came from the cache, where another request had just put it.
    Collapsed,
    /// It came from the cache, stale, as upstream or client allow.
    Stale,
    /// It came from the cache, stale, because the upstream failed.
    StaleOnError,
    /// It came from the cache, and the upstream has said that it still holds.
    Revalidated,
    /// It came from the upstream, and the cache keeps it if it comes whole.
    Miss,
    /// It came from the upstream, and may not be kept.
    Uncacheable,
    /// It went past the cache.
    Pass,
    /// Only the cache was to be asked, and it had nothing.
    Nothing,
}

impl Cached {
    /// All of them, in the order of the docs.
    pub const ALL: [Self; 9] = [
        Self::Hit,
        Self::Collapsed,
        Self::Stale,
        Self::StaleOnError,
        Self::Revalidated,
        Self::Miss,
        Self::Uncacheable,
        Self::Pass,
        Self::Nothing,
    ];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Collapsed => "collapsed",
            Self::Stale => "stale",
            Self::StaleOnError => "stale_on_error",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Uncacheable => "uncacheable",
            Self::Pass => "pass",
            Self::Nothing => "nothing",
        }
    }
}
