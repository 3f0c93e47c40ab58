//! The binary `marchproxy`.

mod certificate;
mod cli;
mod clock;
mod drain;
mod edge;
mod file;
mod generation;
mod handover;
mod http1;
mod http2;
mod identity;
mod listen;
mod local;
mod observe;
mod resolver;
mod run;
mod secret;
mod upstream;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
