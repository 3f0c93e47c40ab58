//! Keeping some file descriptors back. Clients must not take the last ones: requests that run need
//! them for upstreams, and whoever wants to know what is wrong needs one for the status listener.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

use rustix::process::{Resource, getrlimit};

/// Kept back, or a quarter where there are few.
const KEPT_BACK: u64 = 64;

/// Whether a descriptor is one of those that clients must not take. The kernel gives out the lowest
/// that is free, so its number tells how many are in use.
pub fn is_kept_back(descriptor: RawFd) -> bool {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return false };
    let limit = limit.saturating_sub(KEPT_BACK.min(limit / 4));
    u64::try_from(descriptor).is_ok_and(|number| number >= limit)
}

/// Whether clients could be given a descriptor now.
pub fn are_there() -> bool {
    File::open("/dev/null").is_ok_and(|file| !is_kept_back(file.as_raw_fd()))
}
