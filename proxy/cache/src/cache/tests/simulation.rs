//! An origin whose resources change, aloud and silently, and clients that ask at random: nobody gets
//! what is another resource's or variant's, what was superseded longer ago than the origin allowed,
//! or what was there before a change that the cache was told of.

use std::collections::HashMap;

use fastrand::Rng;
use http::{Method, StatusCode};

use crate::store::Limits;
use crate::testing::{World, at, headers, key, text};
use crate::{Answered, Fetch, Filling, Hit, Look, Policy};

const SEEDS: u64 = 60;
const STEPS: u64 = 600;

/// A resource at the origin.
#[derive(Default)]
struct Resource {
    version: u64,
    /// When each version was superseded.
    superseded: HashMap<u64, u64>,
    /// The cache was told of the change to this one.
    told: u64,
}

struct Simulation {
    random: Rng,
    world: World,
    now: u64,
    resources: Vec<Resource>,
    /// Answers that are on their way.
    pending: Vec<Filling>,
    hits: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            world: World::within(Policy::default(), Limits { bytes: 40_000, variants: 2 }),
            now: 0,
            resources: (0..6).map(|_| Resource::default()).collect(),
            pending: Vec::new(),
            hits: 0,
        }
    }

    fn step(&mut self) {
        if self.pending.len() > 2 {
            self.go_on();
        }
        self.now += u64::from(self.random.u8(..6) == 0);
        let resource = self.random.usize(..self.resources.len());
        match self.random.u8(..20) {
            0 if self.random.bool() => self.change(resource, true),
            1 if self.random.bool() => self.change(resource, false),
            2..6 => self.go_on(),
            _ => self.get(resource),
        }
    }

    fn change(&mut self, resource: usize, is_told: bool) {
        let changed = &mut self.resources[resource];
        changed.superseded.insert(changed.version, self.now);
        changed.version += 1;
        if is_told {
            changed.told = changed.version;
            let (key, none) = (key(&format!("/{resource}")), headers(&[]));
            let same = |path: &str| path.starts_with('/').then(|| path.to_owned());
            self.world.cache.invalidate(&key, &Method::PUT, StatusCode::OK, &none, &same);
        }
    }

    /// One of the answers on their way comes to its end, or breaks off.
    fn go_on(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let filling = self.pending.swap_remove(self.random.usize(..self.pending.len()));
        if self.random.u8(..4) > 0 {
            // It may have been purged meanwhile.
            let _ = filling.complete();
        }
    }

    fn get(&mut self, resource: usize) {
        let variant = self.random.u8(..3).to_string();
        let request = [("x", variant.as_str())];
        match self.world.get(&format!("/{resource}"), &request, at(self.now)) {
            Look::Hit(hit, refresh) => {
                self.check(&hit, resource, &variant);
                if let Some(refresh) = refresh {
                    self.answer(*refresh, resource, &variant);
                }
            }
            Look::Fetch(fetch) => self.answer(*fetch, resource, &variant),
            Look::Wait(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// The origin answers, with 304 where it may.
    fn answer(&mut self, fetch: Fetch, resource: usize, variant: &str) {
        let version = self.resources[resource].version;
        let lifetime = self.random.u64(1..20);
        let tag = format!("\"{variant}:{version}\"");
        let control = format!("max-age={lifetime}, stale-while-revalidate={}", lifetime / 2);
        let mut answer = vec![("cache-control", control.as_str()), ("vary", "x")];
        if self.random.bool() {
            answer.push(("etag", tag.as_str()));
        }
        let mut sent = headers(&[]);
        fetch.prepare(&mut sent);
        let is_same = sent.get("if-none-match").is_some_and(|asked| *asked == tag);
        let status = if is_same { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        match fetch.answered(status, &headers(&answer), at(self.now)) {
            Answered::Store(mut filling) => {
                filling.add(format!("{resource} {variant} {version}").as_bytes());
                self.pending.push(*filling);
            }
            Answered::Use(hit) => self.check(&hit, resource, variant),
            Answered::Pass(_) => {}
            Answered::Contradicts => panic!("the origin did not"),
        }
    }

    fn check(&mut self, hit: &Hit, resource: usize, variant: &str) {
        self.hits += 1;
        let text = text(hit);
        let mut parts = text.split(' ');
        assert_eq!(parts.next(), Some(resource.to_string().as_str()), "another resource's");
        assert_eq!(parts.next(), Some(variant), "another variant's");
        let version: u64 = parts.next().unwrap().parse().unwrap();
        let resource = &self.resources[resource];
        assert!(version >= resource.told, "from before a change that was told");
        if let Some(superseded) = resource.superseded.get(&version) {
            let lifetime = hit.age().checked_add_signed(hit.remaining()).unwrap();
            let most = lifetime + lifetime / 2;
            assert!(self.now - superseded <= most, "superseded {superseded}, now {}", self.now);
        }
    }
}

#[test]
fn nobody_gets_what_is_not_for_them_or_no_longer_true() {
    let mut hits = 0;
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| {
            let mut simulation = Simulation::new(seed);
            (0..STEPS).for_each(|_| simulation.step());
            simulation.pending.clear();
            simulation.world.cache.purge_all();
            assert_eq!(simulation.world.cache.figures().bytes, 0);
            simulation.hits
        });
        hits += run.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(hits > SEEDS * STEPS / 4, "{hits} hits prove little");
}
