//! An answer on its way into the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::entry::Head;
use crate::flight::Leader;
use crate::now::Now;
use crate::policy::Refusal;
use crate::store::{Reservation, Store};

/// The body is kept in pieces of so many bytes at the most.
const PIECE: usize = 64 << 10;
/// The first piece of a body of which the length is not known.
const FIRST_PIECE: usize = 4 << 10;

/// An answer that is stored once it is complete. Nobody sees anything of it before; dropped, it
/// leaves nothing behind, and those who wait for it go to the origin themselves.
///
/// What it is given is copied once: a piece as received may keep a much larger buffer alive, and
/// then no bound of bytes would mean anything. What is stored is shared by all who get it.
#[derive(Debug)]
pub struct Filling {
    store: Arc<Store>,
    leader: Option<Leader>,
    request: HeaderMap,
    mark: u64,
    largest: usize,
    unstorable_for: Duration,
    now: Now,
    /// Nothing once it is known that it will not be stored.
    head: Option<Head>,
    refusal: Refusal,
    room: Reservation,
    declared: Option<usize>,
    pieces: Vec<Bytes>,
    open: Vec<u8>,
    length: usize,
}

/// Room for `Content-Length`, where the answer does not have it yet.
const LENGTH_FIELD: usize = 256;

/// What a filling needs to know of the fetch that it comes of.
#[derive(Debug)]
pub(crate) struct Origin {
    pub store: Arc<Store>,
    pub leader: Option<Leader>,
    pub request: HeaderMap,
    pub mark: u64,
    pub largest: usize,
    pub unstorable_for: Duration,
    pub now: Now,
}

impl Filling {
    pub(crate) fn new(origin: Origin, head: Head) -> Result<Self, (Refusal, Option<Leader>)> {
        let Origin { store, leader, request, mark, largest, unstorable_for, now } = origin;
        let declared = head.declared_length();
        if declared.is_some_and(|declared| declared > largest) {
            return Err((Refusal::TooLarge, leader));
        }
        let room = match store.reserve(head.weight().saturating_add(LENGTH_FIELD)) {
            Ok(room) => room,
            Err(refusal) => return Err((refusal, leader)),
        };
        Ok(Self {
            store,
            leader,
            request,
            mark,
            largest,
            unstorable_for,
            now,
            head: Some(head),
            refusal: Refusal::Incomplete,
            room,
            declared,
            pieces: Vec::new(),
            open: Vec::new(),
            length: 0,
        })
    }

    /// Takes the next part of the body. When it cannot be stored after all, everything is given up
    /// at once, and the rest is ignored.
    pub fn add(&mut self, part: &[u8]) {
        if self.head.is_none() {
            return;
        }
        if let Err(refusal) = self.take(part) {
            self.give_up(refusal);
        }
    }

    /// Stores the answer: all of its body has been given, and it had no trailers, which would be
    /// lost.
    ///
    /// # Errors
    /// Why it is not stored.
    pub fn complete(mut self) -> Result<(), Refusal> {
        let Some(head) = self.head.take() else { return Err(self.refusal) };
        if self.declared.is_some_and(|declared| declared != self.length) {
            return Err(Refusal::Incomplete);
        }
        self.close_piece();
        let entry = head.with_body(std::mem::take(&mut self.pieces).into(), self.length);
        let Self { store, leader, request, mark, room, .. } = self;
        store.insert(&Arc::new(entry), room, &request, mark)?;
        if let Some(leader) = leader {
            leader.has_stored();
        }
        Ok(())
    }

    /// Gives up for reasons of its own, such as that the client has left: of those who wait, one
    /// goes to the origin instead. Merely dropped, it sends all of them there.
    pub fn hand_over(self) {
        if let Some(leader) = self.leader {
            leader.hands_over();
        }
    }

    fn take(&mut self, mut part: &[u8]) -> Result<(), Refusal> {
        let length = self.length.saturating_add(part.len());
        if length > self.largest {
            return Err(Refusal::TooLarge);
        }
        if self.declared.is_some_and(|declared| length > declared) {
            return Err(Refusal::Incomplete);
        }
        while !part.is_empty() {
            let room = self.open.capacity().saturating_sub(self.open.len());
            if room == 0 {
                self.open_piece()?;
                continue;
            }
            let (now, later) = part.split_at_checked(room).unwrap_or((part, &[]));
            self.open.extend_from_slice(now);
            self.length = self.length.saturating_add(now.len());
            part = later;
        }
        Ok(())
    }

    fn open_piece(&mut self) -> Result<(), Refusal> {
        self.close_piece();
        let size = match self.declared {
            Some(declared) => declared.saturating_sub(self.length).clamp(1, PIECE),
            None => self.length.clamp(FIRST_PIECE, PIECE),
        };
        let with_handle = size.saturating_add(size_of::<Bytes>());
        self.room.add(self.store.reserve(with_handle)?);
        self.open = Vec::with_capacity(size);
        Ok(())
    }

    fn close_piece(&mut self) {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            // As long as it is: what is not needed of its room is given back.
            self.pieces.push(Bytes::from(open.into_boxed_slice()));
        }
    }

    fn give_up(&mut self, refusal: Refusal) {
        self.refusal = refusal;
        self.head = None;
        self.pieces = Vec::new();
        self.open = Vec::new();
        // Nothing is less than nothing.
        let _ = self.room.become_exactly(0);
        if let Some(leader) = self.leader.take()
            && refusal.is_lasting()
        {
            leader.gives_up(self.now, self.unstorable_for);
        }
    }
}
