//! A simulated endpoint: how long it takes, and what is wrong with it when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{MILLISECOND, Numbers};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    None,
    /// No connection can be made, and those that are there break.
    Killed,
    /// It takes requests and never answers.
    Frozen,
    /// Every answer takes so much longer.
    Slower(u64),
    /// So many of a hundred answers are 500, in no time.
    Errors(u64),
}

/// What becomes of a request that a server is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    NoConnection,
    Broken,
    Status(u16),
    Never,
}

/// A server that works on a few requests at a time, in the order they come.
#[derive(Clone, Debug)]
pub struct Server {
    /// When each of its workers is free.
    free: BinaryHeap<Reverse<u64>>,
    /// What is wrong from when on, in the order of time.
    script: Vec<(u64, Fault)>,
}

impl Server {
    pub fn new(workers: usize, script: Vec<(u64, Fault)>) -> Self {
        Self { free: vec![Reverse(0); workers].into(), script }
    }

    /// One that is killed and started again and again, at random: up so long on average, then down.
    pub fn flapping(workers: usize, up: u64, down: u64, until: u64, chance: &mut Numbers) -> Self {
        let (mut at, mut script) = (chance(2 * up), Vec::new());
        while at < until {
            script.push((at, Fault::Killed));
            at += down / 2 + chance(down);
            script.push((at, Fault::None));
            at += up / 2 + chance(up);
        }
        Self::new(workers, script)
    }

    pub fn fault(&self, now: u64) -> Fault {
        let next = self.script.partition_point(|(from, _)| *from <= now);
        next.checked_sub(1).map_or(Fault::None, |at| self.script[at].1)
    }

    /// Takes a request; what becomes of it, and when.
    pub fn take(&mut self, now: u64, chance: &mut Numbers) -> (Reply, u64) {
        let connected = now + MILLISECOND / 5;
        let more = match self.fault(now) {
            Fault::Killed => return (Reply::NoConnection, connected),
            Fault::Frozen => return (Reply::Never, connected),
            Fault::Errors(percent) if chance(100) < percent => {
                return (Reply::Status(500), connected);
            }
            Fault::Slower(more) => more,
            Fault::Errors(_) | Fault::None => 0,
        };
        let Reverse(free) = self.free.pop().unwrap();
        // From 5 to 15 ms, and four times that for one of fifty.
        let takes =
            (5 * MILLISECOND + chance(10 * MILLISECOND)) << (2 * u64::from(chance(50) == 0));
        let done = free.max(connected) + takes;
        self.free.push(Reverse(done));
        // What is slower waits, for what is behind it, and does not work.
        let end = done + more;
        match self.fault(end) {
            Fault::Killed => (Reply::Broken, end),
            Fault::Frozen => (Reply::Never, end),
            _ => (Reply::Status(200), end),
        }
    }
}
