//! Placeholder until the branch that owns it is merged.
pub fn run(_check: bool) -> anyhow::Result<()> {
    anyhow::bail!("not merged")
}
