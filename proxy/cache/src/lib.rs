//! A shared HTTP cache in memory: what may be stored and used (RFC 9111, RFC 5861), a bounded store,
//! and one request to the origin where many want the same. No sockets, no clock of its own.
//!
//! [`Cache::look`] says what becomes of a request. What goes to the origin is a [`Fetch`]: it makes
//! the request conditional where that helps, and is told of the answer; that goes into a
//! [`Filling`], piece by piece, or is replaced by a [`Hit`].
#![forbid(unsafe_code)]

mod cache;
mod control;
mod entry;
mod fetch;
mod fields;
mod filling;
mod flight;
mod hit;
mod key;
mod now;
pub mod policy;
mod status;
mod store;
#[cfg(test)]
mod testing;
mod validator;
mod variant;

pub use cache::{Asked, Cache, Look};
pub use fetch::{Answered, Fetch};
pub use filling::Filling;
pub use flight::{Next, Waiter};
pub use hit::Hit;
pub use key::{Key, Normalise};
pub use now::Now;
pub use policy::Policy;
pub use status::{CACHE_STATUS, CacheStatus, Forward};
pub use store::{Figures, Limits};
