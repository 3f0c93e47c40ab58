//! The binary under test: where it is, and running its short commands.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::{env, ffi::OsStr};

use tokio::process::Command;

use crate::bounded::within;

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ended {
    /// Its exit code, or -1 when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Both outputs, one after the other.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// The path of `marchproxy`: `MARCHPROXY_BIN`, else beside the folder that this test runs from.
///
/// # Panics
/// When there is no such file.
pub fn path() -> PathBuf {
    if let Some(named) = env::var_os("MARCHPROXY_BIN") {
        return PathBuf::from(named);
    }
    let this = env::current_exe().expect("a test knows its own path");
    let found =
        this.ancestors().skip(1).map(|folder| folder.join("marchproxy")).find(|p| p.is_file());
    found.unwrap_or_else(|| {
        panic!("no `marchproxy` above {}: build it, or set MARCHPROXY_BIN", this.display())
    })
}

/// Runs `marchproxy` with `arguments` to its end.
///
/// # Panics
/// When it cannot be started or does not end in time.
pub async fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Ended {
    run_in(Path::new("/"), arguments).await
}

/// Runs `marchproxy` with `arguments` to its end, from `folder`.
///
/// # Panics
/// When it cannot be started or does not end in time.
pub async fn run_in<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Ended {
    let running = Command::new(path())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("a command ends", running).await.expect("start marchproxy");
    Ended {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
