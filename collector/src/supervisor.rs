//! Starts everything in order and stops it in reverse.

/// Runs the collector until it is told to stop.
pub fn run(config: crate::config::Config) -> anyhow::Result<()> {
    anyhow::bail!("{config:?}")
}
