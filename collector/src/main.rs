//! The binary: decides the exit code and nothing else.

use std::process::ExitCode;

use collector::commands::{self, Failure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(usage)) => {
            // Help and version come this way too, for standard output and with exit code 0.
            let _ = usage.print();
            if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
        Err(Failure::Failed(error)) => {
            eprintln!("collector: {}", commands::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
