//! Which names are told of, so that what a reload takes away does not stay for ever.

use std::collections::HashSet;
use std::sync::Arc;

use marchproxy_decide::snapshot::Snapshot;

/// The names of one kind of thing.
#[derive(Default)]
pub(super) struct Names {
    /// Metrics may exist for these.
    known: HashSet<Arc<str>>,
    /// In the configuration that is served.
    served: HashSet<Arc<str>>,
    /// In the configuration that is about to be served.
    proposed: HashSet<Arc<str>>,
}

/// All names.
#[derive(Default)]
pub(super) struct Labels {
    pub(super) routes: Names,
    pub(super) upstreams: Names,
    pub(super) listeners: Names,
    pub(super) policies: Names,
    /// Those with OCSP answers.
    pub(super) certificates: Names,
}

impl Names {
    /// Lets `forget` try each name that is known and not served; it says whether it did.
    pub(super) fn forget(&mut self, mut forget: impl FnMut(&str) -> bool) {
        let served = &self.served;
        self.known.retain(|name| served.contains(name) || !forget(name));
    }

    fn propose(&mut self, names: impl Iterator<Item = Arc<str>>) {
        self.proposed = names.collect();
        self.known.extend(self.proposed.iter().cloned());
    }

    /// These, and no others, are served from now on.
    pub(super) fn replace(&mut self, names: impl Iterator<Item = Arc<str>>) {
        self.propose(names);
        self.accept();
    }

    fn accept(&mut self) {
        self.served = std::mem::take(&mut self.proposed);
    }
}

impl Labels {
    /// Metrics are made for `snapshot`.
    pub(super) fn propose(&mut self, snapshot: &Snapshot) {
        self.routes.propose(snapshot.routes.iter().map(|route| Arc::clone(&route.name)));
        self.upstreams.propose(snapshot.upstreams.iter().map(|to| Arc::clone(&to.name)));
        self.listeners.propose(snapshot.listeners.iter().map(|from| Arc::clone(&from.name)));
        self.policies.propose(snapshot.policies.iter().map(|policy| Arc::clone(&policy.name)));
    }

    /// What was proposed last is served.
    pub(super) fn accept(&mut self) {
        for names in
            [&mut self.routes, &mut self.upstreams, &mut self.listeners, &mut self.policies]
        {
            names.accept();
        }
    }

    /// What was proposed last is not served.
    pub(super) fn reject(&mut self) {
        for names in
            [&mut self.routes, &mut self.upstreams, &mut self.listeners, &mut self.policies]
        {
            names.proposed.clear();
        }
    }
}
