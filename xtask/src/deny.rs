//! `cargo deny`: licences, sources and known faults of the dependencies, by the rules in `deny.toml`.
//!
//! The advisory database is fetched each time. Where it cannot be reached, that is said and the other checks still count.

use anyhow::{Result, bail};

use crate::programs;

const VERSION: &str = "0.20.2";
/// What cargo-deny says when it has no database, as opposed to a database with an advisory for us.
const NOT_FETCHED: &str = "failed to fetch advisory database";

/// Checks the dependencies.
///
/// # Errors
///
/// When a rule is broken, or cargo-deny can neither be found nor built.
pub fn run() -> Result<()> {
    // Unoptimised, it is built in a third of the time and still checks in a second.
    programs::ensure_subcommand("deny", VERSION, &["--debug"])?;
    programs::run(programs::cargo().args(["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    match programs::output(programs::cargo().args(["deny", "check", "advisories"])) {
        Ok(_) => println!("advisories ok"),
        Err(error) if error.to_string().contains(NOT_FETCHED) => {
            println!("SKIPPED: advisories: the database cannot be fetched");
        }
        Err(error) => bail!("{error}"),
    }
    Ok(())
}
