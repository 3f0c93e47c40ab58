//! `marchproxy upstreams` and `marchproxy endpoint`: what the running process does with its
//! endpoints.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{DONE, FAILED, WRONG, check, complain, print};
use crate::local::{self, Change, NotDone, Order};

/// What is to become of an endpoint.
#[derive(Debug, Subcommand)]
pub enum EndpointChange {
    /// Send it nothing new; what runs comes to its end
    Drain(Which),
    /// Send it nothing, and do not check its health either
    Disable(Which),
    /// Use it again, as far as its health allows
    Enable(Which),
    /// Give it another weight
    Weight {
        #[command(flatten)]
        which: Which,
        /// 1 to 1000; absent: the configured one
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
        weight: Option<u32>,
    },
}

/// Which endpoint is meant.
#[derive(Args, Debug)]
pub struct Which {
    /// The name of its upstream
    upstream: String,
    /// Its address and port, as `marchproxy upstreams` shows it
    endpoint: String,
    /// The configuration that the running process serves
    #[arg(long, short, value_name = "PATH")]
    config: PathBuf,
}

impl EndpointChange {
    /// Has the running process do it.
    pub fn order(self) -> ExitCode {
        let (which, change, done) = match self {
            Self::Drain(which) => (which, Change::Drain, "gets nothing new".to_owned()),
            Self::Disable(which) => (which, Change::Disable, "is disabled".to_owned()),
            Self::Enable(which) => {
                (which, Change::Enable, "may be used, as far as it is well".to_owned())
            }
            Self::Weight { which, weight } => {
                let done = weight.map_or_else(
                    || "has its configured weight".to_owned(),
                    |weight| format!("has weight {weight}"),
                );
                (which, Change::Weight(weight), done)
            }
        };
        let Which { upstream, endpoint, config } = which;
        let told = format!("endpoint {endpoint} of upstream `{upstream}` {done}\n");
        let order = Order::Endpoint { upstream, endpoint, change };
        ask(&config, &order).map_or_else(|code| code, |_| print(&told, DONE))
    }
}

/// Shows the upstreams of the running process, or `only` one.
pub fn show(config: &Path, only: Option<String>, json: bool) -> ExitCode {
    let order = Order::Upstreams { upstream: only };
    match ask(config, &order) {
        Ok(told) if json => print(&format!("{told:#}\n"), DONE),
        Ok(told) => print(&table(&told), DONE),
        Err(code) => code,
    }
}

/// Has the process that serves `config` do something, and complains when it does not.
pub(super) fn ask(config: &Path, order: &Order) -> Result<Value, ExitCode> {
    // The process goes on with what it has when its files are broken, and must be reached then.
    let status = check::load(config).map_or_else(
        |refused| {
            refused.sources.status_address().ok_or_else(|| {
                complain(&marchproxy_conf::report::render(&refused.problems, &refused.sources));
                ExitCode::from(WRONG)
            })
        },
        |loaded| Ok(loaded.config.status.address.get()),
    )?;
    local::ask(status, order).map_err(|not_done| {
        let (why, code) = match not_done {
            NotDone::Refused(why) => (why, WRONG),
            NotDone::Failed(why) => (why, FAILED),
        };
        complain(&format!("error: {why}\n"));
        ExitCode::from(code)
    })
}

/// What is told of upstreams, for people.
fn table(upstreams: &Value) -> String {
    let mut text = String::new();
    for upstream in upstreams.as_array().into_iter().flatten() {
        let waiting = upstream["waiting"].as_u64().unwrap_or(0);
        let _ = write!(text, "{}", upstream["name"].as_str().unwrap_or_default());
        if upstream["panic"] == true {
            text.push_str("  PANIC: too few endpoints are well, all are used");
        }
        if waiting > 0 {
            let _ = write!(text, "  {waiting} requests wait");
        }
        text.push('\n');
        let endpoints = upstream["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
        if endpoints.is_empty() {
            text.push_str("  no endpoint is known\n");
        }
        for endpoint in endpoints {
            let text_of = |key: &str| endpoint[key].as_str().unwrap_or_default();
            let number = |key: &str| endpoint[key].as_u64().unwrap_or(0);
            let line = format!(
                "  {:<24} {:<10} weight {:<4} running {}",
                text_of("address"),
                text_of("state"),
                number("weight"),
                number("running")
            );
            let error = text_of("check_error");
            let ejected = &endpoint["ejected"];
            let because = if let Some(cause) = ejected["cause"].as_str() {
                let left = ejected["seconds_left"].as_u64().unwrap_or(0);
                format!("  ({cause}, back in {left} s)")
            } else if error.is_empty() {
                String::new()
            } else {
                format!("  ({error})")
            };
            let _ = writeln!(text, "{line}{because}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_tells_what_an_operator_looks_for() {
        let endpoint = |address: &str, state: &str, error: Value| json!({ "address": address, "state": state, "weight": 2, "running": 3, "check_error": error });
        let upstreams = json!([
            { "name": "app", "panic": true, "waiting": 4, "endpoints": [
                endpoint("10.0.0.1:80", "serving", Value::Null),
                endpoint("10.0.0.2:80", "unhealthy", json!("it answers 500")),
                json!({ "address": "10.0.0.3:80", "state": "ejected", "weight": 1, "running": 0, "ejected": { "cause": "slow", "seconds_left": 12 } }),
            ]},
            { "name": "none", "panic": false, "waiting": 0, "endpoints": [] },
        ]);
        let expected = "\
app  PANIC: too few endpoints are well, all are used  4 requests wait
  10.0.0.1:80              serving    weight 2    running 3
  10.0.0.2:80              unhealthy  weight 2    running 3  (it answers 500)
  10.0.0.3:80              ejected    weight 1    running 0  (slow, back in 12 s)
none
  no endpoint is known
";
        assert_eq!(table(&upstreams), expected);
    }
}
