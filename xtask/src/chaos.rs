//! `cargo xtask chaos`: the collector and ClickHouse are killed, stopped and lied to for as long as asked, and every flow must
//! be stored exactly once all the same.

use anyhow::{Result, bail};

use crate::{libchdb, packages, programs};

/// What `cargo xtask chaos` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long it goes on.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// Repeats what another run did: the number that it printed when it began.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// Runs the test of chaos.
///
/// # Errors
///
/// When a flow was lost or stored twice, or the test cannot run.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !programs::is_root() {
        bail!("network namespaces need root; run: {}", programs::sudo_line("chaos"));
    }
    packages::ensure(packages::TEST)?;
    let mut command = programs::cargo();
    command.args(["test", "--package", "collector", "--test", "chaos", "--", "--nocapture"]);
    command.env("COLLECTOR_REQUIRE_PRIVILEGED", "1").env("COLLECTOR_LIBCHDB", libchdb::ensure()?);
    command.env("COLLECTOR_CHAOS_MINUTES", arguments.minutes.to_string());
    if let Some(seed) = arguments.seed {
        command.env("COLLECTOR_CHAOS_SEED", seed.to_string());
    }
    programs::run(&mut command)
}
