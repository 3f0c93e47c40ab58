//! A request on its way to the origin, and what its answer means for the store.

use std::sync::Arc;

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::entry::{Entry, Head, Place};
use crate::filling::{Filling, Origin};
use crate::flight::Leader;
use crate::hit::Hit;
use crate::now::Now;
use crate::policy::{Policy, Refusal, Timing, Wish};
use crate::status::Forward;
use crate::store::Store;
use crate::validator::Validators;

/// What 304 does not change: it describes the body that is stored (RFC 9111, section 3.2).
static UNCHANGED: [HeaderName; 5] =
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, TRANSFER_ENCODING];

/// A request that goes to the origin. Dropped, it lets those go who wait for it.
#[derive(Debug)]
pub struct Fetch {
    pub(crate) store: Arc<Store>,
    pub(crate) leader: Option<Leader>,
    pub(crate) place: Place,
    pub(crate) policy: Arc<Policy>,
    /// The fields as the client sent them: by these, answers are chosen.
    pub(crate) request: HeaderMap,
    pub(crate) wish: Wish,
    /// What is stored, but must be validated.
    pub(crate) stale: Option<Arc<Entry>>,
    pub(crate) why: Forward,
    pub(crate) mark: u64,
    pub(crate) asked: Now,
}

/// What to do with the origin's answer.
#[derive(Debug)]
pub enum Answered {
    /// It goes to the client, and its body into the filling, too.
    Store(Box<Filling>),
    /// It goes to the client only.
    Pass(Refusal),
    /// It is not for the client, who gets this instead: what was stored is good, or the origin has
    /// failed and something stale may stand in for its answer.
    Use(Hit),
    /// It is 304 about something that was not asked for: nothing can be made of it. What was stored
    /// is removed, so that the next request is not conditional.
    Contradicts,
}

impl Fetch {
    /// Why it goes to the origin.
    pub const fn why(&self) -> Forward {
        self.why
    }

    /// Whether others may be waiting for it.
    pub const fn is_leading(&self) -> bool {
        self.leader.is_some()
    }

    /// Makes the request that is sent conditional, where something is stored that can be validated
    /// (RFC 9111, section 4.3.1); the client's own conditions go then: they are for what is found.
    pub fn prepare(&self, headers: &mut HeaderMap) {
        let validators = self.stale.as_ref().and_then(|stale| stale.validators());
        if validators.is_some() || !self.wish.is_conditional {
            headers.remove(IF_NONE_MATCH);
            headers.remove(IF_MODIFIED_SINCE);
        }
        if let Some(validators) = validators {
            validators.ask(headers);
        }
    }

    /// The head of the origin's final answer came, with these fields, before anything was done to
    /// them.
    pub fn answered(self, status: StatusCode, headers: &HeaderMap, now: Now) -> Answered {
        if let Some(stale) = &self.stale {
            if status == StatusCode::NOT_MODIFIED
                && let Some(validators) = stale.validators()
            {
                let stale = Arc::clone(stale);
                return self.freshen(&stale, &validators, headers, now);
            }
            if matches!(status.as_u16(), 500 | 502 | 503 | 504)
                && stale.head.terms.may_hide_failure(&self.wish, now)
            {
                return Answered::Use(self.hit(Arc::clone(stale), now));
            }
        }
        let asker = (&self.wish, &self.request);
        match Head::new(
            self.place.clone(),
            &self.policy,
            asker,
            (status, headers),
            self.timing(now),
        ) {
            Ok(head) => self.fill(head, now),
            Err(refusal) => self.refused(status, refusal, now),
        }
    }

    /// The origin could not be reached, or broke off before an answer: what may stand in for it
    /// (RFC 5861, section 4).
    pub fn failed(self, now: Now) -> Option<Hit> {
        let stale = self.stale.as_ref()?;
        let may = stale.head.terms.may_hide_failure(&self.wish, now);
        may.then(|| self.hit(Arc::clone(stale), now))
    }

    /// Gives up for reasons of its own, such as that the client has left: of those who wait, one
    /// goes to the origin instead. Merely dropped, it sends all of them there.
    pub fn hand_over(self) {
        if let Some(leader) = self.leader {
            leader.hands_over();
        }
    }

    fn hit(&self, entry: Arc<Entry>, now: Now) -> Hit {
        Hit::new(entry, &self.wish, &self.request, now)
    }

    const fn timing(&self, now: Now) -> Timing {
        Timing { asked: self.asked, answered: now }
    }

    fn fill(self, head: Head, now: Now) -> Answered {
        let unstorable_for = self.policy.unstorable_for;
        let origin = Origin {
            store: self.store,
            leader: self.leader,
            request: self.request,
            mark: self.mark,
            largest: self.policy.largest_body,
            unstorable_for,
            now,
        };
        match Filling::new(origin, head) {
            Ok(filling) => Answered::Store(Box::new(filling)),
            Err((refusal, leader)) => {
                if let Some(leader) = leader
                    && refusal.is_lasting()
                {
                    leader.gives_up(now, unstorable_for);
                }
                Answered::Pass(refusal)
            }
        }
    }

    fn refused(mut self, status: StatusCode, refusal: Refusal, now: Now) -> Answered {
        if !status.is_server_error() && status != StatusCode::NOT_MODIFIED {
            self.is_unwanted(now);
        }
        Answered::Pass(refusal)
    }

    /// The origin does not want its answer kept, nor what it said before.
    fn is_unwanted(&mut self, now: Now) {
        if let Some(stale) = &self.stale {
            self.store.remove(stale);
        }
        if let Some(leader) = self.leader.take() {
            leader.gives_up(now, self.policy.unstorable_for);
        }
    }

    /// RFC 9111, sections 3.2 and 4.3.4.
    fn freshen(
        mut self,
        stale: &Arc<Entry>,
        validators: &Validators,
        headers: &HeaderMap,
        now: Now,
    ) -> Answered {
        if !validators.agree_with(headers) {
            self.store.remove(stale);
            return Answered::Contradicts;
        }
        let merged = merged(&stale.head.fields, headers);
        let head = Head::new(
            stale.head.place.clone(),
            &self.policy,
            (&self.wish, &self.request),
            (stale.head.status, &merged),
            self.timing(now),
        );
        let Ok(mut head) = head else {
            // The client may have it all the same: the origin has just said so.
            self.is_unwanted(now);
            let once = stale.with_fields(&self.policy, &merged, now);
            return Answered::Use(self.hit(Arc::new(once), now));
        };
        if !self.policy.tags.as_ref().is_some_and(|name| headers.contains_key(name)) {
            head.tags.clone_from(&stale.head.tags);
        }
        let entry = Arc::new(head.with_body(Arc::clone(&stale.body), stale.length));
        let replaced = self.store.replace(stale, Arc::clone(&entry), self.mark);
        if replaced.is_ok()
            && let Some(leader) = self.leader.take()
        {
            leader.has_stored();
        }
        Answered::Use(self.hit(entry, now))
    }
}

/// The stored fields, with those of a 304 in their place.
fn merged(stored: &HeaderMap, headers: &HeaderMap) -> HeaderMap {
    let mut merged = stored.clone();
    // What came without a date is as old as its coming.
    merged.remove(DATE);
    let is_new = |name: &HeaderName| !UNCHANGED.contains(name);
    for name in headers.keys().filter(|name| is_new(name)) {
        merged.remove(name);
        for value in headers.get_all(name) {
            merged.append(name.clone(), value.clone());
        }
    }
    merged
}
