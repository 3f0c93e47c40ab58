//! What the process says of itself, on standard error.

use std::io;

use marchproxy_conf::model::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// The log; its level can change.
pub(super) struct Log(Handle<Targets, Registry>);

impl Log {
    /// Starts it. Until a configuration is known, the default level holds.
    pub(super) fn start() -> Self {
        let (filter, handle) = reload::Layer::new(targets(LogLevel::default()));
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
        // A second start in one process keeps the log of the first.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        Self(handle)
    }

    /// Writes what is at least this severe from now on.
    pub(super) fn set_level(&self, level: LogLevel) {
        let _ = self.0.reload(targets(level));
    }
}

/// What libraries say of single requests is in the access log already, as reasons; only a
/// developer wants to hear of it again.
fn targets(level: LogLevel) -> Targets {
    let (own, libraries) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::OFF),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::OFF),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::OFF),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
    };
    Targets::new().with_target("marchproxy", own).with_default(libraries)
}
