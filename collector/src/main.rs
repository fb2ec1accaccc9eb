//! The binary: decides the exit code and nothing else.

use std::process::ExitCode;

use clap::Parser;
use collector::store::{self, StoreArgs};

#[derive(Parser)]
enum Command {
    Store(StoreArgs),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Command::Store(args) = Command::parse();
    match args.settings().and_then(|settings| store::serve(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("collector: {error}");
            ExitCode::FAILURE
        }
    }
}
