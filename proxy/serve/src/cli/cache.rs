//! `marchproxy cache`: what the cache of the running process holds, and purging.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::upstreams::ask;
use super::{DONE, print};
use crate::local::{Order, Purge};

/// What is wanted of the cache.
#[derive(Debug, Subcommand)]
pub enum CacheOrder {
    /// Show how much it holds
    Show {
        /// The configuration that the running process serves
        #[arg(long, short, value_name = "PATH")]
        config: PathBuf,
        /// Show it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Have answers go from it
    Purge {
        #[command(flatten)]
        which: Which,
        /// The configuration that the running process serves
        #[arg(long, short, value_name = "PATH")]
        config: PathBuf,
    },
}

/// Which answers are meant: one of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Those for this URL, as clients ask for it, with its query
    #[arg(long)]
    url: Option<String>,
    /// Those with this tag
    #[arg(long)]
    tag: Option<String>,
    /// All of them
    #[arg(long)]
    all: bool,
}

impl CacheOrder {
    /// Has the running process do it.
    pub fn order(self) -> ExitCode {
        let (config, order, tell): (_, _, fn(&Value) -> String) = match self {
            Self::Show { config, json: false } => (config, Order::Cache, table),
            Self::Show { config, json: true } => {
                (config, Order::Cache, |told| format!("{told:#}\n"))
            }
            Self::Purge { which, config } => (config, Order::Purge(which.into()), purged),
        };
        ask(&config, &order).map_or_else(|code| code, |told| print(&tell(&told), DONE))
    }
}

impl From<Which> for Purge {
    fn from(which: Which) -> Self {
        match which {
            Which { url: Some(url), .. } => Self::Url(url),
            Which { tag: Some(tag), .. } => Self::Tag(tag),
            // Clap sees to it that one is given.
            Which { .. } => Self::All,
        }
    }
}

fn purged(told: &Value) -> String {
    match told["purged"].as_u64().unwrap_or(0) {
        1 => "1 answer was purged\n".to_owned(),
        count => format!("{count} answers were purged\n"),
    }
}

/// What is told of the cache, for people.
fn table(told: &Value) -> String {
    let number = |key: &str| told[key].as_u64().unwrap_or(0);
    format!(
        "answers    {}\nbytes      {} of {}\nevictions  {}\n",
        number("entries"),
        number("bytes"),
        number("memory"),
        number("evictions")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_tells_how_full_it_is() {
        let told = json!({ "memory": 100, "bytes": 50, "entries": 2, "evictions": 3 });
        assert_eq!(table(&told), "answers    2\nbytes      50 of 100\nevictions  3\n");
    }

    #[test]
    fn one_answer_is_told_as_one() {
        assert_eq!(purged(&json!({ "purged": 1 })), "1 answer was purged\n");
        assert_eq!(purged(&json!({ "purged": 0 })), "0 answers were purged\n");
    }
}
