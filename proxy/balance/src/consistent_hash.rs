//! Consistent hash: the same key goes to the same endpoint, and few keys move when one goes or comes.

mod bound;

pub use bound::Bound;

/// As many as 1,000 endpoints need for shares that are mostly within 5 % of their weight.
const SLOTS: usize = 1 << SLOT_BITS;
const SLOT_BITS: u32 = 18;

/// Darts for each slot. So many leave one slot of 3,000 empty.
const DARTS: f64 = 8.0;

const TWO_TO_32: f64 = 4_294_967_296.0;

/// How many slots of a key are looked at before any endpoint that has room will do.
const STEPS: usize = 64;

/// A circle of slots, each owned by an endpoint.
///
/// Each endpoint throws darts at the slots, as many in a time as its weight, and a slot belongs to
/// whoever hits it first. Where an endpoint's darts go depends on nothing but its identity. So when one
/// goes, just its own slots get other owners, when one comes, just those it hits first, and a changed
/// weight moves slots only to or from that endpoint: no other key moves. Proxies that know the same
/// endpoints agree, in whatever order they know them.
///
/// The tables one knows do less: when one of 1,000 endpoints goes, Maglev of 262,147 slots moves six
/// times its share; a ring needs points in proportion to the weights, and to keep them few must scale
/// them, which moves keys of all endpoints when the sum of the weights changes.
///
/// Slots are as many for one endpoint as for a thousand, since a change of their number would move
/// most keys. An endpoint's share is off by a factor of about `sqrt(1 / 2n)` for `n` slots due: 0.4 %
/// among ten endpoints, 4 % among a thousand. One whose weight is worth less than a slot may get none.
#[derive(Clone, Debug)]
pub struct ConsistentHash {
    owners: Vec<u32>,
    /// The positions of all endpoints with a weight.
    members: Vec<u32>,
}

impl ConsistentHash {
    /// For endpoints with these identities (as [`hash`](crate::hash()) makes them) and weights. An endpoint
    /// of weight 0 is never picked, nor perhaps one with the identity of another.
    ///
    /// Takes some 20 ms and for a moment 3 MB, of which 1 MB stays.
    pub fn new(endpoints: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let members: Vec<Member> = (0..).zip(endpoints).filter_map(Member::new).collect();
        Self {
            owners: owners(&members),
            members: members.iter().map(|member| member.position).collect(),
        }
    }

    /// The position of the endpoint for a key with this hash; `None` when there is none with room.
    /// Past endpoints that are full it goes to that of the next slot, so that the keys of a full one
    /// are spread over the others by weight.
    pub fn pick(&self, key_hash: u64, is_full: impl Fn(usize) -> bool) -> Option<usize> {
        let has_room = |owner: &u32| usize::try_from(*owner).ok().filter(|at| !is_full(*at));
        let home = slot(key_hash);
        let slots = (home..home.saturating_add(STEPS)).map(|slot| slot % SLOTS);
        slots.filter_map(|slot| self.owners.get(slot)).find_map(has_room).or_else(|| {
            let (before, after) =
                self.members.split_at_checked(home % self.members.len().max(1))?;
            after.iter().chain(before).find_map(has_room)
        })
    }
}

/// An endpoint with a weight.
struct Member {
    position: u32,
    identity: u64,
    weight: f64,
}

impl Member {
    fn new((position, (identity, weight)): (u32, (u64, u32))) -> Option<Self> {
        (weight > 0).then_some(Self { position, identity, weight: f64::from(weight) })
    }

    /// Throws the darts of so long a time. The first comes at a moment of the endpoint's own, lest
    /// endpoints of the same weight throw at the same time.
    fn throw(&self, end: f64, hits: &mut Hits) {
        let mut state = self.identity;
        let mut random = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed(state)
        };
        let mut dart = f64::from(u32::try_from(random() >> 32).unwrap_or(0)) / TWO_TO_32;
        let last = end * self.weight;
        while dart < last {
            hits.hit(slot(random()), dart / self.weight, self.position);
            dart += 1.0;
        }
    }
}

/// Who hit each slot first, and when.
struct Hits {
    times: Vec<f64>,
    owners: Vec<u32>,
}

impl Hits {
    fn hit(&mut self, slot: usize, time: f64, by: u32) {
        if let Some(first) = self.times.get_mut(slot)
            && time < *first
            && let Some(owner) = self.owners.get_mut(slot)
        {
            (*first, *owner) = (time, by);
        }
    }

    /// The owners, where a slot that nobody hit goes with the one before it.
    fn filled(self) -> Vec<u32> {
        let hits = || self.times.iter().zip(&self.owners);
        let owner = |(time, owner): (&f64, &u32)| time.is_finite().then_some(*owner);
        let mut before = hits().rev().find_map(owner);
        let mut filled = |hit| {
            before = owner(hit).or(before);
            before
        };
        hits().filter_map(&mut filled).collect()
    }
}

/// The owner of each slot; no slots when there are no members.
fn owners(members: &[Member]) -> Vec<u32> {
    let weights: f64 = members.iter().map(|member| member.weight).sum();
    let end = DARTS * f64::from(1_u32 << SLOT_BITS) / weights;
    let mut hits = Hits { times: vec![f64::INFINITY; SLOTS], owners: vec![0; SLOTS] };
    for member in members {
        member.throw(end, &mut hits);
    }
    hits.filled()
}

/// A number that looks random for each state of a count: `SplitMix64` (Steele, Lea and Flood 2014).
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The slot at which a random number points.
fn slot(random: u64) -> usize {
    usize::try_from(random >> (64 - SLOT_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
