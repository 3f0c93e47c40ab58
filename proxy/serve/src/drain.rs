//! How a connection learns that its listener, or the process, is coming to its end.

use tokio::sync::watch;

/// How far a listener's end has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// It serves.
    Serve,
    /// Running requests go on; connections end after them.
    Drain,
    /// What still runs is cut.
    Cut,
}

/// One listener's side: sets the phase.
#[derive(Debug)]
pub struct DrainSender {
    phase: watch::Sender<Phase>,
}

/// A connection's side: learns of it.
#[derive(Clone, Debug)]
pub struct Drain {
    phase: watch::Receiver<Phase>,
}

impl DrainSender {
    /// Serving.
    pub fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Serve) }
    }

    /// Goes to `phase`.
    pub fn set(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// A connection's side.
    pub fn subscribe(&self) -> Drain {
        let mut phase = self.phase.subscribe();
        // What was set before counts as seen otherwise, and a connection that was accepted last
        // would not end before it is cut.
        if *phase.borrow() != Phase::Serve {
            phase.mark_changed();
        }
        Drain { phase }
    }
}

impl Drain {
    /// Resolves when the phase has changed since this was last asked; at once, when a connection
    /// that has not asked yet is past [`Phase::Serve`]. Never resolves once the listener is gone.
    pub async fn changed(&mut self) -> Phase {
        if self.phase.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.phase.borrow_and_update()
    }

    /// Resolves when what still runs is cut.
    pub async fn cut(&mut self) {
        if self.phase.wait_for(|phase| *phase == Phase::Cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether what still runs is being cut.
    pub fn is_cut(&self) -> bool {
        *self.phase.borrow() == Phase::Cut
    }

    /// Whether connections are to end.
    pub fn is_on(&self) -> bool {
        *self.phase.borrow() != Phase::Serve
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_connection_that_comes_late_learns_of_the_drain() {
        let sender = DrainSender::new();
        let mut early = sender.subscribe();
        assert_eq!(early.changed().now_or_never(), None);
        sender.set(Phase::Drain);
        let mut late = sender.subscribe();
        for drain in [&mut early, &mut late] {
            assert_eq!(drain.changed().now_or_never(), Some(Phase::Drain));
            assert_eq!(drain.changed().now_or_never(), None, "once");
        }
    }
}
