//! Ports for servers under test.
//!
//! They are taken from below the range that the kernel gives to outgoing connections, and each is
//! held by a file lock for as long as the test process lives, so that tests that run at the same
//! time never meet.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;
use std::{env, process};

const FIRST: u32 = 11_000;
const COUNT: u32 = 20_000;
/// Shares no factor with `COUNT`: stepping by it visits every port.
const STRIDE: u32 = 7_919;

static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 that nobody listens on and no other test will use.
///
/// # Panics
/// When there is none.
pub fn free() -> u16 {
    let folder = env::temp_dir().join("marchproxy-test-ports");
    fs::create_dir_all(&folder).expect("make the folder of port locks");
    let start = process::id().wrapping_mul(31) % COUNT;
    for turn in 0..COUNT {
        let offset = (start + turn.wrapping_mul(STRIDE)) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the range is below 65536");
        let lock = File::create(folder.join(port.to_string())).expect("make a port lock");
        if lock.try_lock().is_err() {
            continue;
        }
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            HELD.lock().expect("no test panics while it holds a port lock").push(lock);
            return port;
        }
    }
    panic!("no free port")
}
