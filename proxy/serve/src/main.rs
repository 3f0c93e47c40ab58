//! The binary `marchproxy`.

mod certificate;
mod cli;
mod edge;
mod file;
mod generation;
mod handover;
mod listen;
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
