//! The process that serves: its start, what happens to it, its end.

mod control;
mod handing;
mod load;
mod log;
mod orders;
mod staple;
mod status;
mod status_listener;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::handover::{self, Handle, Inherited};
use control::Control;
use load::Unfit;
use log::Log;

/// Serves the configuration at `path` until told to end; `take_over` names the process whose
/// sockets are taken over.
///
/// Ends with 0 when told to, with 2 when the configuration is wrong, else with 1.
pub fn run(path: &Path, take_over: Option<&str>) -> ExitCode {
    let log = Log::start();
    match serve(path, take_over, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Unfit::Wrong(report)) => {
            eprint!("{report}");
            ExitCode::from(2)
        }
        Err(Unfit::Broken(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &Path, take_over: Option<&str>, log: Log) -> Result<(), Unfit> {
    raise_descriptor_limit();
    let broken = |error: std::io::Error| Unfit::Broken(error.to_string());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    // Before there is anything else to do: it blocks.
    let (inherited, predecessor) = match take_over {
        Some(name) => {
            let (inherited, predecessor) = handover::take_over(name).map_err(broken)?;
            (inherited, Some(predecessor))
        }
        None => (Inherited::default(), None),
    };
    runtime.block_on(async {
        let mut control = Control::start(path, inherited, log).await?;
        let succeeded = match predecessor {
            Some(predecessor) => succeed(predecessor).await.inspect(|()| control.succeeded()),
            None => Ok(()),
        };
        if succeeded.is_ok() {
            control.serve().await;
        }
        control.end().await;
        succeeded
    })
}

/// Tells the process before this one that it may go.
async fn succeed(predecessor: Handle) -> Result<(), Unfit> {
    let pid = predecessor.pid();
    let told = tokio::task::spawn_blocking(move || predecessor.ready()).await;
    let told = told.map_err(|error| Unfit::Broken(error.to_string()))?;
    told.map_err(|error| Unfit::Broken(error.to_string()))?;
    tracing::info!(pid, "took over from the process before");
    Ok(())
}

/// A proxy needs two file descriptors for each request; the usual limit of 1024 is for programs
/// that use `select`.
fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
