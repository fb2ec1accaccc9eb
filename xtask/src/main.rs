//! `cargo xtask`: what is done to this repository.

mod ebpf;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Rebuild the XDP program's object.
    Ebpf(ebpf::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Ebpf(args) => ebpf::run(&args),
    }
}
