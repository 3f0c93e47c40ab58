//! One part of the store: its entries, found by key and by tag.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderMap;

use super::queues::Queues;
use super::slots::{Id, Slots};
use crate::entry::Entry;
use crate::key::{Key, ReadyMap};
use crate::policy::Refusal;
use crate::variant::Variant;

#[derive(Debug, Default)]
pub(super) struct Shard {
    slots: Slots,
    by_key: ReadyMap<Arc<Key>, Vec<Id>>,
    by_tag: HashMap<Arc<[u8]>, HashSet<Id>>,
    queues: Queues,
    bytes: usize,
    entries: usize,
}

/// What there is for a request.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest of the answers that it can be answered with.
    pub entry: Option<Arc<Entry>>,
    /// Where there is none, but there are answers to other requests for the same: what this one has
    /// in the fields by which the newest of them was chosen.
    pub variant: Option<Variant>,
}

impl Shard {
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub const fn entries(&self) -> usize {
        self.entries
    }

    pub fn find(&self, key: &Key, space: &str, request: &HeaderMap) -> Found {
        let Some(ids) = self.by_key.get(key) else { return Found::default() };
        let of_space = ids.iter().filter_map(|id| self.slots.get(*id));
        let of_space = of_space.filter(|held| *held.entry.head.place.space == *space);
        let mut newest = None;
        let mut newest_match = None;
        for held in of_space {
            let asked = held.entry.head.terms.asked;
            if newest.is_none_or(|(newest, _)| asked >= newest) {
                newest = Some((asked, held));
            }
            let is_newer = newest_match.is_none_or(|(newest, _)| asked >= newest);
            if is_newer && held.entry.head.variant.matches(request) {
                newest_match = Some((asked, held));
            }
        }
        if let Some((_, held)) = newest_match {
            held.is_used();
            return Found { entry: Some(Arc::clone(&held.entry)), variant: None };
        }
        let variant = newest.map(|(_, held)| held.entry.head.variant.same_fields(request));
        Found { entry: None, variant }
    }

    /// Removes what a new entry takes the place of: what `request` could have been answered with,
    /// and the oldest of the resource, when there would be more than `most`.
    ///
    /// # Errors
    /// One of these was asked for later; nothing is removed then.
    pub fn make_way(
        &mut self,
        new: &Entry,
        request: &HeaderMap,
        most: usize,
    ) -> Result<Vec<Arc<Entry>>, Refusal> {
        let Some(ids) = self.by_key.get(&*new.head.place.key) else { return Ok(Vec::new()) };
        let mut outdated = Vec::new();
        let mut others = Vec::new();
        for id in ids {
            let Some(held) = self.slots.get(*id) else { continue };
            let asked = held.entry.head.terms.asked;
            if !held.entry.is_for(&new.head.place.space, request) {
                others.push((asked, *id));
            } else if asked > new.head.terms.asked {
                return Err(Refusal::Older);
            } else {
                outdated.push(*id);
            }
        }
        others.sort_unstable_by_key(|(asked, _)| *asked);
        let surplus = others.len().saturating_add(1).saturating_sub(most.max(1));
        outdated.extend(others.into_iter().take(surplus).map(|(_, id)| id));
        Ok(outdated.into_iter().filter_map(|id| self.take_out(id)).collect())
    }

    pub fn add(&mut self, entry: &Arc<Entry>) {
        let is_main = self.queues.is_known(entry.head.place.key.hash());
        let id = self.slots.add(Arc::clone(entry), is_main);
        self.queues.add(id, is_main, entry.weight);
        self.bytes = self.bytes.saturating_add(entry.weight);
        self.entries = self.entries.saturating_add(1);
        self.tag(id, entry);
        self.by_key.entry(Arc::clone(&entry.head.place.key)).or_default().push(id);
    }

    /// Puts an entry in the place of this very one, if it is still there.
    pub fn replace(&mut self, old: &Arc<Entry>, new: Arc<Entry>) -> bool {
        let Some(id) = self.id_of(old) else { return false };
        self.untag(id, old);
        self.tag(id, &new);
        let Some(held) = self.slots.get_mut(id) else { return false };
        self.bytes = self.bytes.saturating_sub(old.weight).saturating_add(new.weight);
        self.queues.has_changed(held.is_main, old.weight, new.weight);
        held.entry = new;
        true
    }

    /// Takes out this very entry.
    pub fn remove(&mut self, entry: &Arc<Entry>) -> Option<Arc<Entry>> {
        self.id_of(entry).and_then(|id| self.take_out(id))
    }

    fn id_of(&self, entry: &Arc<Entry>) -> Option<Id> {
        let is_it =
            |id: &Id| self.slots.get(*id).is_some_and(|held| Arc::ptr_eq(&held.entry, entry));
        self.by_key.get(&*entry.head.place.key)?.iter().copied().find(is_it)
    }

    fn tag(&mut self, id: Id, entry: &Entry) {
        for tag in &entry.head.tags {
            self.by_tag.entry(Arc::clone(tag)).or_default().insert(id);
        }
    }

    fn untag(&mut self, id: Id, entry: &Entry) {
        for tag in &entry.head.tags {
            if let Some(ids) = self.by_tag.get_mut(tag) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_tag.remove(tag);
                }
            }
        }
    }

    pub fn remove_key(&mut self, key: &Key) -> Vec<Arc<Entry>> {
        let ids = self.by_key.get(key).cloned().unwrap_or_default();
        ids.into_iter().filter_map(|id| self.take_out(id)).collect()
    }

    pub fn remove_tag(&mut self, tag: &[u8]) -> Vec<Arc<Entry>> {
        let ids = self.by_tag.get(tag).cloned().unwrap_or_default();
        ids.into_iter().filter_map(|id| self.take_out(id)).collect()
    }

    pub fn remove_all(&mut self) -> Vec<Arc<Entry>> {
        let all = std::mem::take(self);
        all.slots.into_entries().collect()
    }

    /// Takes out what has to go next.
    pub fn evict(&mut self) -> Option<Arc<Entry>> {
        let id = self.queues.next(&mut self.slots, self.bytes)?;
        self.forget(id).map(|(entry, _)| entry)
    }

    fn take_out(&mut self, id: Id) -> Option<Arc<Entry>> {
        let (entry, is_main) = self.forget(id)?;
        self.queues.is_gone(&self.slots, is_main, entry.weight);
        Some(entry)
    }

    /// Takes an entry out of everything but the queues.
    fn forget(&mut self, id: Id) -> Option<(Arc<Entry>, bool)> {
        let held = self.slots.remove(id)?;
        let entry = held.entry;
        if let Some(ids) = self.by_key.get_mut(&*entry.head.place.key) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_key.remove(&*entry.head.place.key);
            }
        }
        self.untag(id, &entry);
        self.bytes = self.bytes.saturating_sub(entry.weight);
        self.entries = self.entries.saturating_sub(1);
        Some((entry, held.is_main))
    }
}

#[cfg(test)]
impl Shard {
    /// That no index is larger than what it is about.
    pub fn check(&self) {
        assert_eq!(self.by_key.values().map(Vec::len).sum::<usize>(), self.entries);
        assert!(self.by_tag.len() <= self.entries, "each has one tag of its own");
        assert!(self.queues.numbers() <= 2 * self.entries + 130);
    }

    pub fn holds(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    pub fn all(&self) -> Vec<Arc<Entry>> {
        let ids = self.by_key.values().flatten();
        ids.filter_map(|id| self.slots.get(*id)).map(|held| Arc::clone(&held.entry)).collect()
    }
}
