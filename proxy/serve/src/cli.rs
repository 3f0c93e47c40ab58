//! The command line.

mod cache;
mod check;
mod dump;
mod key;
mod online;
mod upstreams;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::handover;

/// It was done.
const DONE: u8 = 0;
/// It failed.
const FAILED: u8 = 1;
/// It was asked wrongly: arguments or configuration.
const WRONG: u8 = 2;

/// A reverse proxy: takes requests, checks them, and passes them on to the servers behind it.
#[derive(Debug, Parser)]
#[command(
    name = "marchproxy",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 it failed, 2 asked wrongly (arguments or configuration).\n\n\
                  Examples:\n  \
                  marchproxy check /etc/marchproxy\n  \
                  marchproxy run --config /etc/marchproxy"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a configuration says, until told to stop
    #[command(long_about = RUN, after_help = RUN_EXAMPLES)]
    Run {
        #[command(flatten)]
        configuration: Configuration,
        /// Take the sockets of the process that offers them under this name
        #[arg(long, value_name = "SOCKET-NAME", hide = true)]
        take_over: Option<String>,
    },
    /// Tell what is wrong with a configuration, without serving it
    #[command(long_about = CHECK, after_help = CHECK_EXAMPLES)]
    Check {
        #[command(flatten)]
        configuration: Configuration,
        /// Also read certificates and keys, look names up, and connect to each endpoint
        #[arg(long)]
        online: bool,
        /// Tell it as JSON, on standard output
        #[arg(long)]
        json: bool,
    },
    /// Show a configuration as it takes effect, defaults filled in
    #[command(long_about = DUMP, after_help = DUMP_EXAMPLES)]
    Dump {
        #[command(flatten)]
        configuration: Configuration,
        /// Show it as JSON, without where each value comes from
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of the configuration, for editors
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,
    /// Show how the upstreams of the running process do
    #[command(long_about = UPSTREAMS, after_help = UPSTREAMS_EXAMPLES)]
    Upstreams {
        #[command(flatten)]
        configuration: Configuration,
        /// Show this one alone
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// Show them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take an endpoint out of the running process, back in, or change its weight
    #[command(long_about = ENDPOINT, after_help = ENDPOINT_EXAMPLES)]
    Endpoint {
        #[command(subcommand)]
        change: upstreams::EndpointChange,
    },
    /// Show what the cache of the running process holds, or have answers go from it
    #[command(long_about = CACHE, after_help = CACHE_EXAMPLES)]
    Cache {
        #[command(subcommand)]
        order: cache::CacheOrder,
    },
    /// Make API keys for consumers
    #[command(long_about = KEY, after_help = KEY_EXAMPLES)]
    Key {
        #[command(subcommand)]
        order: key::KeyOrder,
    },
    /// Take over from the running process, without refusing a connection
    #[command(long_about = UPGRADE, after_help = UPGRADE_EXAMPLES)]
    Upgrade {
        #[command(flatten)]
        configuration: Configuration,
    },
}

/// Named with `--config` or without, as one likes, but once.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Configuration {
    /// The configuration: a YAML file, or a folder of them
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// The same, by name
    #[arg(long, short, value_name = "PATH")]
    config: Option<PathBuf>,
}

const RUN: &str = "\
Serves as a configuration says, until told to stop.

SIGHUP reads the configuration again; a bad one is refused and changes nothing. SIGUSR1 opens the access log again. SIGTERM stops \
accepting, lets what runs come to its end for as long as `process.drain` says, and ends.";
const RUN_EXAMPLES: &str = "\
Examples:
  marchproxy run --config /etc/marchproxy/marchproxy.yaml
  marchproxy run --config /etc/marchproxy      all *.yaml and *.yml files in it";
const CHECK: &str = "\
Tells what is wrong with a configuration, without serving it: every error and warning, each with its \
place and what to do. Neither the network nor certificates are touched, unless --online is given.

Exits with 0 when it may be served (warnings or not), with 2 when it may not, and with 1 when \
--online found something that does not work.";
const CHECK_EXAMPLES: &str = "\
Examples:
  marchproxy check /etc/marchproxy
  marchproxy check --online /etc/marchproxy    before a rollout, on the machine itself
  marchproxy check --json /etc/marchproxy      for a pipeline";
const DUMP: &str = "\
Shows a configuration as it takes effect: files put together, defaults filled in. Each line says \
where its value comes from, a file and line or `default`. Secrets are shown as references only. What \
is shown may be loaded again and has the same digest.";
const DUMP_EXAMPLES: &str = "\
Examples:
  marchproxy dump /etc/marchproxy
  marchproxy dump --json /etc/marchproxy       for a program";
const SCHEMA_EXAMPLES: &str = "\
Examples:
  marchproxy schema > marchproxy.schema.json
  # and as the first line of a configuration, for editors with a YAML language server:
  # yaml-language-server: $schema=marchproxy.schema.json";
const UPSTREAMS: &str = "\
Shows how the upstreams of the running process do: each endpoint with its state, its weight, and the \
requests it has at this moment.

The running process is found by `status.address` of the configuration. It answers its own user and root \
alone.";
const UPSTREAMS_EXAMPLES: &str = "\
Examples:
  marchproxy upstreams /etc/marchproxy
  marchproxy upstreams /etc/marchproxy --only orders --json";
const ENDPOINT: &str = "\
Changes an endpoint of the running process, until it ends or is told otherwise; reloads keep the change. \
The configuration is not written to.";
const ENDPOINT_EXAMPLES: &str = "\
Examples:
  marchproxy endpoint drain orders 10.0.0.7:8080 --config /etc/marchproxy     nothing new
  marchproxy endpoint enable orders 10.0.0.7:8080 --config /etc/marchproxy    as before
  marchproxy endpoint weight orders 10.0.0.7:8080 5 --config /etc/marchproxy";
const CACHE: &str = "\
Shows what the cache of the running process holds, or has answers go from it. What is purged while it \
is on its way is not kept either.";
const CACHE_EXAMPLES: &str = "\
Examples:
  marchproxy cache show --config /etc/marchproxy
  marchproxy cache purge --url https://shop.example.com/prices --config /etc/marchproxy
  marchproxy cache purge --tag prices --config /etc/marchproxy      see `cache.tag_field` of routes
  marchproxy cache purge --all --config /etc/marchproxy";
const KEY: &str = "\
Makes an API key for a consumer. The configuration gets a hash of it only: the key itself is shown once, \
and kept nowhere.";
const KEY_EXAMPLES: &str = "\
Examples:
  marchproxy key new --consumer acme --config /etc/marchproxy
  marchproxy key new --consumer acme --expires 2027-01-31 --policy partners --config /etc/marchproxy";
const UPGRADE: &str = "\
Takes over from the running process: a new version of the program, or settings that a reload does not \
change. The new process gets the listening sockets of the old one; when it is ready, the old one \
accepts no more, lets what runs come to its end, and ends. When the new one fails to start, the old \
one goes on as if nothing had been.

The running process is found by `status.address` of the configuration.";
const UPGRADE_EXAMPLES: &str = "\
Examples:
  marchproxy upgrade --config /etc/marchproxy";

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => dispatch(arguments.command),
        Err(error) => {
            let _ = error.print();
            // Asking for help or the version is no error to clap's mind either.
            ExitCode::from(if error.use_stderr() { WRONG } else { DONE })
        }
    }
}

fn dispatch(command: Command) -> ExitCode {
    match command {
        Command::Run { configuration, take_over } => {
            crate::run::run(configuration.path(), take_over.as_deref())
        }
        Command::Check { configuration, online, json } => {
            let report = check::check(configuration.path(), online);
            report.tell(json)
        }
        Command::Dump { configuration, json } => dump::dump(configuration.path(), json),
        Command::Schema => print(&marchproxy_conf::schema_json(), DONE),
        Command::Upstreams { configuration, only, json } => {
            upstreams::show(configuration.path(), only, json)
        }
        Command::Endpoint { change } => change.order(),
        Command::Cache { order } => order.order(),
        Command::Key { order } => order.order(),
        Command::Upgrade { configuration } => upgrade(configuration.path()),
    }
}

impl Configuration {
    fn path(&self) -> &Path {
        // Clap sees to it that one is given.
        self.path.as_deref().or(self.config.as_deref()).unwrap_or(Path::new(""))
    }
}

/// Becomes the process that serves, with the sockets of the one that did.
fn upgrade(path: &Path) -> ExitCode {
    match check::load(path) {
        Ok(loaded) => {
            let name = handover::name(loaded.config.status.address.get());
            crate::run::run(path, Some(&name))
        }
        Err(refused) => {
            complain(&marchproxy_conf::report::render(&refused.problems, &refused.sources));
            complain("Nothing was changed; the running process goes on.\n");
            ExitCode::from(WRONG)
        }
    }
}

/// Writes `text` to standard output. Whoever reads it may have had enough: `| head`.
fn print(text: &str, code: u8) -> ExitCode {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::from(code),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(error) => {
            complain(&format!("error: cannot write to standard output: {error}\n"));
            ExitCode::from(FAILED)
        }
    }
}

/// Writes `text` to standard error, if anybody reads it: `2>&1 | head` must not change the exit code.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_configuration_is_named_either_way_but_once() {
        for line in ["marchproxy check --config a", "marchproxy check a", "marchproxy check -c a"] {
            let Command::Check { configuration, .. } = parse(line).unwrap().command else {
                panic!("{line} is not a check");
            };
            assert_eq!(configuration.path(), Path::new("a"));
        }
        for line in ["marchproxy check", "marchproxy run", "marchproxy check a --config b"] {
            assert!(parse(line).unwrap_err().use_stderr(), "{line}");
        }
    }

    #[test]
    fn taking_over_is_not_shown_but_understood() {
        let help = parse("marchproxy run --help").unwrap_err().to_string();
        assert!(!help.contains("take-over"), "{help}");
        assert!(parse("marchproxy run --config a --take-over b").is_ok());
    }
}
