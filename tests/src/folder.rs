//! A folder of one test, gone when the test is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// A new, empty folder that is removed on drop. It stays when `MARCHPROXY_KEEP` is set.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("marchproxy-test-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("make a test folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, whole or not at all (by renaming), and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("make a folder in the test folder");
        }
        let draft = path.with_extension("draft");
        fs::write(&draft, content).expect("write a test file");
        fs::rename(&draft, &path).expect("put a test file in place");
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if env::var_os("MARCHPROXY_KEEP").is_none() {
            // A leftover in the temporary folder is no reason to fail a test.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
