use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::testing::{at, key};

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rang(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn errand(path: &str) -> Errand {
    Errand { key: key(path), space: Arc::from("app"), variant: Variant::default() }
}

fn lead(flights: &Arc<Flights>, path: &str) -> Leader {
    match flights.join(errand(path), true, at(0)) {
        Joined::Lead(leader) => leader,
        other => panic!("another one leads: {other:?}"),
    }
}

fn wait(flights: &Arc<Flights>, path: &str) -> Waiter {
    match flights.join(errand(path), true, at(0)) {
        Joined::Wait(waiter) => waiter,
        other => panic!("nobody leads: {other:?}"),
    }
}

fn poll(waiter: &mut Waiter, bell: &Arc<Bell>) -> Poll<Next> {
    let waker = Waker::from(Arc::clone(bell));
    waiter.poll(&Context::from_waker(&waker))
}

#[test]
fn one_leads_and_the_others_are_woken_when_it_is_back() {
    let flights = Arc::new(Flights::new());
    let leader = lead(&flights, "/");
    let _other = lead(&flights, "/other");
    let (mut one, mut two) = (wait(&flights, "/"), wait(&flights, "/"));
    let (bell, early, silent) = (Arc::default(), Arc::default(), Arc::default());
    assert!(poll(&mut one, &early).is_pending());
    assert!(poll(&mut one, &bell).is_pending(), "the last waker counts");
    assert!(poll(&mut two, &silent).is_pending());
    drop(two);
    leader.has_stored();
    assert_eq!((bell.rang(), early.rang(), silent.rang()), (1, 0, 0));
    assert_eq!(poll(&mut one, &bell), Poll::Ready(Next::LookAgain));
}

#[test]
fn who_waits_for_one_that_fails_goes_alone() {
    let flights = Arc::new(Flights::new());
    let leader = lead(&flights, "/");
    let mut waiter = wait(&flights, "/");
    let bell = Arc::default();
    assert!(poll(&mut waiter, &bell).is_pending());
    drop(leader);
    assert_eq!(bell.rang(), 1);
    assert_eq!(poll(&mut waiter, &bell), Poll::Ready(Next::GoAlone));
    lead(&flights, "/");
}

#[test]
fn what_is_not_storable_is_not_waited_for_a_while() {
    let flights = Arc::new(Flights::new());
    lead(&flights, "/").gives_up(at(0), Duration::from_secs(10));
    let join = |path, seconds| flights.join(errand(path), true, at(seconds));
    assert!(matches!(join("/", 9), Joined::Alone));
    assert!(matches!(join("/other", 9), Joined::Lead(_)));
    assert!(matches!(join("/", 10), Joined::Lead(_)));
}

#[test]
fn who_may_not_wait_goes_alone() {
    let flights = Arc::new(Flights::new());
    let _leader = lead(&flights, "/");
    assert!(matches!(flights.join(errand("/"), false, at(0)), Joined::Alone));
}

#[test]
fn no_more_wait_than_may() {
    let flights = Arc::new(Flights::new());
    let _leader = lead(&flights, "/");
    let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| wait(&flights, "/")).collect();
    assert!(matches!(flights.join(errand("/"), true, at(0)), Joined::Alone));
    waiting.pop();
    wait(&flights, "/");
}

#[test]
fn nothing_is_left_of_a_flight() {
    let flights = Arc::new(Flights::new());
    for number in 0..100 {
        lead(&flights, &format!("/{number}"));
    }
    assert!(flights.0.iter().all(|part| locked(part).flights.is_empty()));
}
