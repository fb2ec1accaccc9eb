//! Placeholder until the branch that owns it is merged.
pub fn ensure() -> anyhow::Result<std::path::PathBuf> {
    Ok(std::env::var_os("COLLECTOR_LIBCHDB").map(Into::into).unwrap_or_default())
}
