//! `marchproxy dump`.

use std::path::Path;
use std::process::ExitCode;

use marchproxy_conf::{dump, report};

use super::{DONE, WRONG};

/// Prints the effective configuration, or what is wrong with it.
pub(super) fn dump(path: &Path, json: bool) -> ExitCode {
    match marchproxy_conf::load(path) {
        Ok(loaded) => {
            let text = if json { dump::json(&loaded) } else { dump::yaml(&loaded) };
            super::print(&text, DONE)
        }
        Err(refused) => {
            super::complain(&report::render(&refused.problems, &refused.sources));
            ExitCode::from(WRONG)
        }
    }
}
