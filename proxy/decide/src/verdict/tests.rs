use std::collections::HashSet;
use std::fmt::Write;

use super::*;
use crate::testing::assert_document;

#[test]
fn codes_are_unique_and_well_formed() {
    let mut seen = HashSet::new();
    for reason in Reason::ALL {
        let code = reason.code();
        assert!(seen.insert(code), "{code} is used twice");
        let (area, rest) = code.split_once('.').unwrap();
        assert!(
            [
                "sanity", "identity", "access", "limit", "route", "cache", "upstream", "client",
                "proxy"
            ]
            .contains(&area)
        );
        assert!(rest.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{code}");
    }
}

#[test]
fn titles_are_short_sentences_that_need_no_escaping() {
    for reason in Reason::ALL {
        let title = reason.title();
        assert!(title.ends_with('.') && title.len() < 80, "{title}");
        assert!(!title.contains(['"', '\\']), "{title}");
    }
}

#[test]
fn a_status_goes_with_whose_fault_it_is() {
    for reason in Reason::ALL {
        let is_client_error = reason.status().is_client_error() || !reason.is_server_status();
        assert_eq!(reason.whose() == Fault::Client, is_client_error, "{reason}");
    }
}

impl Reason {
    /// 501, 505 and the 504 of a client that wants nothing forwarded are the client's doing,
    /// although they are server errors by number.
    fn is_server_status(self) -> bool {
        !matches!(self.status_number(), 501 | 505) && self != Self::NotCached
    }
}

#[test]
fn the_reference_page_is_up_to_date() {
    let mut page = String::from(
        "# Reasons\n\nWhy a request was not answered by its upstream. The code is in the answer \
         (`reason` of `application/problem+json`), in the access log and in metrics; it is stable. \
         `closes` says that an HTTP/1 connection is closed after the answer.\n\n\
         This page is generated: `UPDATE_DOCS=1 cargo test -p marchproxy-decide`.\n\n\
         | reason | status | whose fault | closes | what happened |\n|---|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let status = if reason.is_log_only() {
            format!("{} (log only)", reason.status_number())
        } else {
            reason.status_number().to_string()
        };
        let closes = if reason.closes() { "yes" } else { "" };
        let (code, title) = (reason.code(), reason.title());
        let fault = reason.whose().name();
        writeln!(page, "| `{code}` | {status} | {fault} | {closes} | {title} |").unwrap();
    }
    assert_document("reasons.md", &page);
}
